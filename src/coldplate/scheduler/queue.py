"""Queue: chooses which waiting job starts next, one at a time, until no lane or process is free."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from coldplate.domain.instance import InstanceId
from coldplate.domain.reservation import Claim, Reservation, as_is
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting
from coldplate.scheduler.decisions import Start
from coldplate.scheduler.fairshare import IN_FLIGHT_S, Standing, standing

Line = tuple[InstanceId, SessionId | None, bool]  # jobs of a backend that start in their own order
Rank = tuple[int, Standing, int]  # where a job stands on its backend: class, its instance, number
OWNER, RESERVED, BATCH, OTHER = range(4)
UNKNOWN_S = 5.0  # how long a job takes on a backend where none has ended yet


class Queue:
    """What waits and what is taken; `starts` takes more.

    Args:
        snapshot: The state of everything.
        owed_s: What each instance will be charged for what runs now.
        released: Sessions that have no priority any more.
        barred: Sessions whose queued jobs will not run.
        spent: Instances that start nothing new outside their active sessions.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now: datetime,
        *,
        owed_s: Mapping[InstanceId, float],
        released: Collection[SessionId] = (),
        barred: Collection[SessionId] = (),
        spent: Collection[InstanceId] = (),
    ):
        self._now = now
        self._owed_s = defaultdict(float, owed_s)
        self._shares = {share.instance: share for share in snapshot.shares}
        self._sessions = {session.id: session for session in snapshot.sessions}
        self._dedicated: dict[str, list[Session]] = defaultdict(list)
        for session in snapshot.sessions:
            if session.mode is Mode.DEDICATED:
                self._dedicated[session.backend].append(session)
        self._released, self._spent = released, spent
        self._reserved: dict[str, list[Reservation]] = defaultdict(list)
        self._planned: dict[str, list[Reservation]] = defaultdict(list)  # they begin later
        for each in snapshot.reservations:
            if each.holds(now):
                self._reserved[each.backend].append(each)
            elif each.start > now:
                self._planned[each.backend].append(each)
        self._usual_s = snapshot.usual_s
        self._held: dict[tuple[str, Line], Reservation] = {}
        self._at_work: dict[str, list[Running]] = defaultdict(list)
        for attempt in snapshot.running:
            self._at_work[attempt.backend].append(attempt)
        self._running: dict[str, list[SessionId | None]] = defaultdict(list)  # sessions of jobs, by backend
        for name, attempts in self._at_work.items():
            self._running[name] = [attempt.session for attempt in attempts]
        self._free = {
            backend.name: self._free_lanes(backend.name, backend.lanes)
            for backend in snapshot.backends
            if as_is(backend, snapshot.reservations, now).runs
        }
        self._lines: dict[str, dict[Line, deque[Waiting]]] = defaultdict(dict)
        # The order of acceptance, which a clock that jumps can't change.
        self._number = {job.id: number for number, job in enumerate(snapshot.waiting)}
        self._turn = {attempt.id: number for number, attempt in enumerate(snapshot.running)}
        self._fill(job for job in snapshot.waiting if job.session not in barred)

    def _free_lanes(self, backend: str, lanes: int) -> list[int]:
        taken = {attempt.lane for attempt in self._at_work[backend]}
        return [lane for lane in range(lanes) if lane not in taken]

    def _fill(self, jobs: Iterable[Waiting]) -> None:
        """Put the jobs that may start into their lines; nothing passes the first that would be too long."""
        for job in jobs:
            known = job.session is None or job.session in self._sessions
            if known and self._free.get(job.backend) and self.may_start(job) and not self.held_for(job):
                self._lines[job.backend].setdefault(self._line(job), deque()).append(job)

    def _line(self, job: Waiting) -> Line:
        return (job.instance, job.session, self._has_priority(job))

    def may_start(self, job: Waiting) -> bool:
        """Whether neither its instance's limit nor somebody else's reservation keeps a job back."""
        if job.instance in self._spent and not self._is_active(job.session):
            return False
        claims = [each for each in self._reserved[job.backend] if each.claim is Claim.DEDICATED]
        return not claims or any(each.instance == job.instance for each in claims)

    def held_for(self, job: Waiting) -> Reservation | None:
        """The window that keeps a job back before it begins: this job, or the first of its line, would
        still run then, if it started now and took as long as jobs usually do."""
        planned = self._planned.get(job.backend)
        if not planned:
            return None
        line = (job.backend, self._line(job))
        if line not in self._held:
            lasts = timedelta(seconds=min(job.most_s, self._usual_s.get(job.backend, UNKNOWN_S)))
            reached = (each for each in planned if each.start < self._now + lasts)
            window = next((each for each in reached if each.keeps_out(job.instance)), None)
            if window is None:
                return None
            self._held[line] = window
        return self._held[line]

    def starts(self, slots: int) -> list[Start]:
        """The jobs that start now, at most `slots`.

        Processes are shared by all backends: they go to the instance that was served least, inside it to
        the job with the most priority on its backend, then to the backend that runs least.
        """
        chosen: list[Start] = []
        while len(chosen) < slots:
            heads = [job for backend in self._free if (job := self.next_on(backend))]
            if not heads:
                break
            job = min(heads, key=self._place)
            chosen.append(Start(job.id, self._free[job.backend].pop(0)))
            self._take(job)
        return chosen

    def _take(self, job: Waiting) -> None:
        lines, line = self._lines[job.backend], self._line(job)
        lines[line].popleft()
        if not lines[line]:
            del lines[line]
        self._running[job.backend].append(job.session)
        self._owed_s[job.instance] += IN_FLIGHT_S

    def _place(self, job: Waiting) -> tuple[Standing, int, int, int]:
        """Where a backend's next job stands among those of all backends."""
        kind, fair, number = self.rank(job)
        return (fair, kind, len(self._running[job.backend]), number)

    def rank(self, job: Waiting | Running) -> Rank:
        """Where a job stands on its backend: the least is next."""
        return (self._kind(job), self._standing(job.instance), self._number.get(job.id, -1))

    def turn(self, attempt: Running) -> Rank:
        """Where a running job stands among those that ask for its device: the least is next."""
        kind, fair, _ = self.rank(attempt)
        return (kind, fair, self._turn[attempt.id])

    def _kind(self, job: Waiting | Running) -> int:
        if job.session is not None and job.session == self.owner(job.backend):
            return OWNER
        if isinstance(job, Waiting) and self._has_priority(job):
            return RESERVED
        return BATCH if self._in_active_batch(job) else OTHER

    def _has_priority(self, job: Waiting) -> bool:
        """Whether it was submitted by the holder of a reservation that is open now."""
        return any(
            each.claim is Claim.PRIORITY and each.instance == job.instance and job.created >= each.start
            for each in self._reserved[job.backend]
        )

    def _standing(self, instance: InstanceId) -> Standing:
        return standing(self._shares.get(instance) or Share(instance, 0.0, None), self._owed_s)

    def next_on(self, backend: str) -> Waiting | None:
        """The job that starts next on a backend; None while none may."""
        first = self.first_on(backend)
        # A dedicated session gets an empty backend: nothing more starts until it has drained.
        drains = first is not None and self.owner(backend) is None and self.is_dedicated(first.session)
        return None if drains and self._running[backend] else first

    def first_on(self, backend: str) -> Waiting | None:
        """The job that is next on a backend with a free lane, though that may have to drain before."""
        lines = self._lines.get(backend)
        if not lines or not self._free[backend]:
            return None
        heads = [line[0] for line in lines.values()]
        owner = self.owner(backend)
        if owner is None:
            return min(heads, key=self._order)
        own = owner if owner not in self._released else None
        return next((job for job in heads if job.session == own), None) if own else None

    def _order(self, job: Waiting) -> Rank:
        """As `rank`, but first in first out among those that a reservation brings forward."""
        kind, fair, number = self.rank(job)
        return (kind, (0, 0.0) if kind == RESERVED else fair, number)

    def owner(self, backend: str) -> SessionId | None:
        """The dedicated session that has a backend to itself."""
        for session in self._dedicated[backend]:
            active = session.state is SessionState.ACTIVE and session.id not in self._released
            if active or session.id in self._running[backend]:
                return session.id
        return None

    def is_dedicated(self, id: SessionId | None) -> bool:
        """Whether a job of this session needs a backend to itself."""
        return id is not None and self._sessions[id].mode is Mode.DEDICATED

    def _is_active(self, id: SessionId | None) -> bool:
        session = None if id is None else self._sessions.get(id)
        return session is not None and session.state is SessionState.ACTIVE and id not in self._released

    def _in_active_batch(self, job: Waiting | Running) -> bool:
        """Whether the job may jump the line: the first job of its batch has started."""
        if job.session is None or job.session in self._released:
            return False
        session = self._sessions.get(job.session)
        if session is None or session.mode is not Mode.BATCH:
            return False
        return session.state is SessionState.ACTIVE or session.id in self._running[job.backend]
