"""Why a job does not run yet, in one sentence, from the rules that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import Job, JobState
from coldplate.domain.reservation import Claim, Reservation, as_is
from coldplate.domain.session import Session
from coldplate.domain.snapshot import Snapshot, Waiting
from coldplate.scheduler.policy import line_up, session_steps
from coldplate.scheduler.queue import RESERVED

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def why(snapshot: Snapshot, now: datetime, job: Job, *, ahead: int, names: Mapping[InstanceId, str]) -> str:
    """The sentence.

    Args:
        ahead: Jobs of its instance that wait for the same backend and were accepted before.
        names: Of the instances that the asker may know of; others are not named, nor what belongs to them.
    """
    if job.state.final:
        return f"The job has ended: {job.state}."
    if job.state is JobState.RUNNING:
        return running(snapshot, job)
    return Explanation(snapshot, now, job, ahead, names).sentence()


def running(snapshot: Snapshot, job: Job) -> str:
    """What a job does that has started."""
    if job.driving is not None:
        return f"The job drives {job.backend}."
    if job.asked is None:
        return f"The job runs in lane {job.lane} of {job.backend}."
    return f"The job is prepared, and waits for another to leave {job.backend}."


class Explanation:
    """What keeps one queued job from starting."""

    def __init__(
        self, snapshot: Snapshot, now: datetime, job: Job, ahead: int, names: Mapping[InstanceId, str]
    ):
        self.snapshot, self.now, self.ahead, self.names = snapshot, now, ahead, names
        self.job = Waiting(job.id, job.instance, job.backend, job.session, job.created, float(job.cost_s))
        self.queue = line_up(snapshot, now, session_steps(snapshot, now))
        self.sessions = {session.id: session for session in snapshot.sessions}
        self.at_work = [attempt for attempt in snapshot.running if attempt.backend == job.backend]

    def sentence(self) -> str:
        """The first rule that keeps it back."""
        cause = self.backend() or self.rule() or self.owner() or self.room() or self.others()
        return f"{self.place()}; {cause}."

    def place(self) -> str:
        """Where it stands among the jobs of its instance."""
        known = self.ahead < len(ORDINALS)
        text = ORDINALS[self.ahead].capitalize() if known else f"Number {self.ahead + 1}"
        return f"{text} in {self.instance(self.job.instance)} on {self.job.backend}"

    # --- the causes, in the order in which they matter --------------------------------------------

    def backend(self) -> str | None:
        """The backend starts nothing."""
        record = next((r for r in self.snapshot.backends if r.name == self.job.backend), None)
        if record is None:
            return "the backend has left the catalog"
        record = as_is(record, self.snapshot.reservations, self.now)
        if record.runs:
            return None
        reason = f" ({record.status_reason})" if record.status_reason else ""
        end = max((r.end for r in self._open(Claim.MAINTENANCE)), default=None)
        return f"the backend is {record.status}{reason}{f' until {clock(end)}' if end else ''}"

    def rule(self) -> str | None:
        """A limit of its instance, or a reservation of another, keeps it back."""
        if self.queue.may_start(self.job):
            return self.window()
        for each in self._open(Claim.DEDICATED):
            if each.instance != self.job.instance:
                return f"the backend is reserved for {self.instance(each.instance)} until {clock(each.end)}"
        return "the instance has used its limit, and its jobs wait until that allows more"

    def window(self) -> str | None:
        """It would run into a window in which it may not start."""
        window = self.queue.held_for(self.job)
        if window is None:
            return None
        whose = f"reserved for {self.instance(window.instance)}" if window.instance else "in maintenance"
        begin, end = clock(window.start), clock(window.end)
        return f"the backend is {whose} from {begin} to {end}, and the job would run into that"

    def owner(self) -> str | None:
        """A dedicated session of another has the backend to itself, or is about to."""
        owner = self.queue.owner(self.job.backend)
        if owner is not None and owner != self.job.session:
            holder = self.sessions[owner]
            ends = [time for time in (holder.expires, holder.active_until) if time is not None]
            until = f" until at most {clock(min(ends))}" if ends else ""
            return f"{self.session(holder)} holds the device{until}"
        if owner is not None and session_is_over(self.sessions[owner], self.now):
            return "its session has been active for as long as it may, and waits in line again"
        first = self.queue.first_on(self.job.backend)
        if first is None or not self.queue.is_dedicated(first.session) or not self.at_work:
            return None
        if owner is not None:
            return None
        running = f"{len(self.at_work)} running {'job has' if len(self.at_work) == 1 else 'jobs have'}"
        if first.session == self.job.session:
            return f"its session begins when the {running} left the device"
        session = self.sessions[first.session] if first.session else None
        return f"{self.session(session)} is next, and begins when the {running} left the device"

    def room(self) -> str | None:
        """No lane or no process is free."""
        lanes = next(r.lanes for r in self.snapshot.backends if r.name == self.job.backend)
        if len(self.at_work) >= lanes:
            return "its only lane is taken" if lanes == 1 else f"all {lanes} lanes are taken"
        if self.snapshot.free_slots == 0:
            return "all job processes of the server are busy"
        return None

    def others(self) -> str:
        """Another job is next."""
        first = self.queue.first_on(self.job.backend)
        if first is None or first.id == self.job.id:
            return "it starts now"
        session = self.sessions.get(first.session) if first.session else None
        if self.queue.rank(first)[0] == RESERVED:
            return f"{self.instance(first.instance)} has reserved the backend, and its jobs come first"
        if self.queue.rank(first)[0] < self.queue.rank(self.job)[0] and session is not None:
            return f"{self.session(session)} is active, and its jobs come first"
        if first.instance != self.job.instance:
            return f"{self.instance(first.instance)} has used less of its share, and is next"
        return "jobs that were submitted before are next"

    # --- words ------------------------------------------------------------------------------------

    def _open(self, claim: Claim) -> list[Reservation]:
        return [
            each
            for each in self.snapshot.reservations
            if each.backend == self.job.backend and each.claim is claim and each.holds(self.now)
        ]

    def instance(self, id: InstanceId | None) -> str:
        """An instance, by name when the asker may know it."""
        name = None if id is None else self.names.get(id)
        return "another account's instance" if name is None else f"instance `{name}`"

    def session(self, session: Session | None) -> str:
        """A session or batch, by id when the asker may know it."""
        if session is None:
            return "a session"
        kind = "session" if session.mode == "dedicated" else "batch"
        if session.instance not in self.names:
            return f"a {kind} of another account"
        return f"{kind} {session.id} of `{self.names[session.instance]}`"


def session_is_over(session: Session, now: datetime) -> bool:
    """Whether a session has used up its active time."""
    return session.active_until is not None and session.active_until <= now


def clock(moment: datetime) -> str:
    """A moment as people say it.

    >>> from datetime import UTC
    >>> clock(datetime(2026, 11, 24, 14, 5, tzinfo=UTC))
    '14:05 UTC'
    """
    return moment.strftime("%H:%M UTC")
