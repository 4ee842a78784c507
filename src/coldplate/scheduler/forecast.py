"""When queued jobs will start, as far as that can be known: the queue, simulated from what it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.snapshot import Snapshot, Waiting
from coldplate.scheduler.loads import Load
from coldplate.scheduler.queue import UNKNOWN_S
from coldplate.scheduler.report import spread
from coldplate.scheduler.simulation import Simulation

STARTS = 1000  # that are simulated; whoever starts later is told that it is later
LANE_S = 0.1  # beside its time at the device


@dataclass(frozen=True)
class Expected:
    """What is expected of a queued job."""

    position: int  # on its backend, from 1
    start: datetime
    end: datetime


def forecast(
    snapshot: Snapshot,
    now: datetime,
    typical_s: Mapping[str, float],
    *,
    slots: int,
    enough: Callable[[], bool] = lambda: False,
) -> dict[JobId, Expected]:
    """What is expected of the queued jobs of a snapshot; those that would start very late are not in it.

    Args:
        typical_s: How long a job takes on each backend, seconds.
        slots: Job processes, busy or free.
        enough: Whether to look no further.
    """
    simulation = continued(snapshot, now, typical_s, slots=slots)
    simulation.run(starts=STARTS, enough=enough)
    before = {attempt.id for attempt in snapshot.running}
    lives = [life for id, life in simulation.lives.items() if life.started and id not in before]
    found: dict[JobId, Expected] = {}
    positions: dict[str, int] = {}
    for life in sorted(lives, key=lambda life: life.started or now):
        backend = life.load.backend
        positions[backend] = positions.get(backend, 0) + 1
        assert life.started is not None
        end = life.ended or life.started + timedelta(seconds=life.load.prepare_s + life.load.device_s)
        found[life.load.id] = Expected(positions[backend], life.started, end)
    return found


def continued(snapshot: Snapshot, now: datetime, typical_s: Mapping[str, float], *, slots: int) -> Simulation:
    """A simulation that goes on from a snapshot: what runs has half its time behind it."""
    known = {record.name for record in snapshot.backends}
    simulation = Simulation(
        snapshot.backends,
        snapshot.shares,
        now,
        reservations=snapshot.reservations,
        slots=slots,
        usual_s=snapshot.usual_s,
    )
    for session in snapshot.sessions:
        if session.backend in known:
            simulation.adopt(session)
    for attempt in snapshot.running:
        if attempt.backend in known:
            seconds = typical_s.get(attempt.backend, UNKNOWN_S) / 2
            load = Load(attempt.id, now, attempt.instance, attempt.backend, seconds, session=attempt.session)
            simulation.resume(load, replace(attempt, alive=True))
    for job in snapshot.waiting:
        if job.backend in known:
            simulation.queue(as_load(job, typical_s.get(job.backend, UNKNOWN_S)))
    return simulation


def as_load(job: Waiting, seconds: float) -> Load:
    """A queued job as the simulation takes it."""
    return Load(
        job.id,
        job.created,
        job.instance,
        job.backend,
        seconds,
        prepare_s=LANE_S,
        session=job.session,
        most_s=job.most_s,
    )


def expected_waits(
    snapshot: Snapshot,
    now: datetime,
    typical_s: Mapping[str, float],
    *,
    slots: int,
    asker: InstanceId,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, dict[str, float]]:
    """How long jobs wait on each backend: average, p50 and p95, seconds, from submission to start.

    Of all that are queued, and of one more that the asker would submit now.
    """
    more = tuple(
        Waiting(JobId(f"next on {record.name}"), asker, record.name, None, now)
        for record in snapshot.backends
    )
    snapshot = replace(snapshot, waiting=(*snapshot.waiting, *more))
    found = forecast(snapshot, now, typical_s, slots=slots, enough=enough)
    waits: dict[str, list[float]] = {}
    for job in snapshot.waiting:
        if job.id in found:
            waits.setdefault(job.backend, []).append((found[job.id].start - job.created).total_seconds())
    return {
        backend: {name: value for name, value in spread(values).items() if name != "max"}
        for backend, values in waits.items()
    }
