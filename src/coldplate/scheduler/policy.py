"""What has to happen now: lost attempts, timers of sessions, and who runs next; a function of state and time.

A job starts when its backend is online and a lane and a process are free. On each backend, first come
the jobs of the dedicated session that owns it, then those of active batches, then the oldest job of the
instance that used least of its allocation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from coldplate.domain.plan import AtLimit
from coldplate.domain.reservation import Claim
from coldplate.domain.session import SessionId
from coldplate.domain.snapshot import Running, Snapshot
from coldplate.errors import SessionClosed, WorkerLost
from coldplate.scheduler.decisions import (
    CloseSession,
    Deactivate,
    Decision,
    Fail,
    Grant,
    Requeue,
    StopSession,
)
from coldplate.scheduler.fairshare import at_their_limit, owed_s
from coldplate.scheduler.queue import Queue
from coldplate.scheduler.sessions import has_overstayed, next_step, timers


def plan(snapshot: Snapshot, now: datetime, *, max_attempts: int = 3) -> list[Decision]:
    """All that has to happen now, in the order in which it has to be carried out."""
    recovered = recover(snapshot, now, max_attempts=max_attempts)
    steps = session_steps(snapshot, now)
    slots = snapshot.free_slots - sum(isinstance(decision, Requeue) for decision in recovered)
    queue = line_up(snapshot, now, steps)
    turns = grants(snapshot, now, queue)  # before starts, which count for their instances
    return [*recovered, *steps, *outlived(snapshot), *turns, *queue.starts(slots)]


def line_up(snapshot: Snapshot, now: datetime, steps: Iterable[Decision]) -> Queue:
    """The queue as it is once the sessions have taken their steps."""
    owed = owed_s(snapshot, now)
    ended = {step.session for step in steps if isinstance(step, CloseSession | Deactivate)}
    return Queue(
        snapshot,
        now,
        owed_s=owed,
        released=ended | without_priority(snapshot, now),
        barred={step.session for step in steps if isinstance(step, CloseSession | StopSession)},
        spent=at_their_limit(snapshot, owed),
    )


def without_priority(snapshot: Snapshot, now: datetime) -> set[SessionId]:
    """Sessions that start nothing before others, though a job of theirs may still be running."""
    alone = [each for each in snapshot.reservations if each.claim is Claim.DEDICATED and each.holds(now)]
    shut_out = {
        session.id
        for session in snapshot.sessions
        for each in alone
        if each.backend == session.backend and each.instance != session.instance
    }
    return shut_out | {session.id for session in snapshot.sessions if has_overstayed(session, now)}


def next_timer(snapshot: Snapshot, now: datetime) -> datetime | None:
    """The next moment at which time alone changes the plan."""
    times = [time for session in snapshot.sessions for time in timers(session)]
    times += [attempt.lease_until for attempt in snapshot.running if not attempt.alive]
    times += [time for each in snapshot.reservations for time in (each.start, each.end)]
    return min((time for time in times if time > now), default=None)


def recover(snapshot: Snapshot, now: datetime, *, max_attempts: int) -> list[Requeue | Fail]:
    """What becomes of attempts that nobody watches and whose lease is over.

    They need a process but no lane, which they still hold. A backend that was paused meanwhile does not
    keep them waiting: their owners see them running.
    """
    decisions: list[Requeue | Fail] = []
    slots = snapshot.free_slots
    # Who drives a device comes first: it has been free since the driver was lost.
    for attempt in sorted(snapshot.running, key=lambda attempt: not attempt.driving):
        if attempt.alive or attempt.lease_until > now:
            continue
        if attempt.attempts >= max_attempts:
            reason = f"The worker that ran this job was lost, {attempt.attempts} times."
            decisions.append(Fail(attempt.id, WorkerLost, reason, fence=attempt.fence))
        elif slots > 0:
            slots -= 1
            decisions.append(Requeue(attempt.id, attempt.fence))
    return decisions


def grants(snapshot: Snapshot, now: datetime, queue: Queue) -> list[Grant]:
    """Who drives a device that nobody drives: of those who ask for it, the one that would start first.

    An attempt of another server is let through by that one.
    """
    driven = {attempt.backend for attempt in snapshot.running if attempt.driving}
    asking: dict[str, list[Running]] = defaultdict(list)
    for attempt in snapshot.running:
        if attempt.asked is not None and (attempt.alive or attempt.lease_until > now):
            asking[attempt.backend].append(attempt)
    firsts = [min(them, key=queue.turn) for backend, them in asking.items() if backend not in driven]
    return [Grant(first.id, first.fence) for first in firsts if first.alive]


def session_steps(snapshot: Snapshot, now: datetime) -> list[Decision]:
    """What time, and jobs that have come and gone, mean for each session."""
    waiting = {job.session for job in snapshot.waiting}
    running = {job.session for job in snapshot.running}
    spent = at_their_limit(snapshot, owed_s(snapshot, now))
    cut = {share.instance for share in spent.values() if share.at_limit is AtLimit.STOP}
    steps = [
        next_step(
            session,
            now,
            waiting=session.id in waiting,
            running=session.id in running,
            cut=session.instance in cut,
        )
        for session in snapshot.sessions
    ]
    return [step for step in steps if step is not None]


def outlived(snapshot: Snapshot) -> list[Fail]:
    """Queued jobs whose session has closed before them."""
    known = {session.id for session in snapshot.sessions}
    reason = "The session was closed while the job was queued."
    return [
        Fail(j.id, SessionClosed, reason) for j in snapshot.waiting if j.session and j.session not in known
    ]
