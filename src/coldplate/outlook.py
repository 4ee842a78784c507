"""What users are told of the future: why a job waits, where it stands, when it may start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.snapshot import Snapshot
from coldplate.scheduler.forecast import Expected, expected_waits, forecast
from coldplate.scheduler.why import why
from coldplate.settings import Settings
from coldplate.store.store import Store

REMEMBER_S = 5.0  # a forecast; the queue moves, but thousands may ask
PATIENCE_S = 0.5  # for one forecast: who asks waits for it, and so do others
LOOKED_AT = 2000  # queued jobs, over all lines


@dataclass(frozen=True)
class Prospect:
    """One job's future."""

    why: str
    position: int | None = None  # on its backend, from 1; None: it does not wait, or very far behind
    start: datetime | None = None
    end: datetime | None = None


class Outlook:
    """Looks ahead, by the rules that the scheduler follows.

    Args:
        clock: The time, UTC.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]):
        self._store, self._settings, self._clock = store, settings, clock
        self._lock = threading.Lock()
        self._until = -1.0
        self._expected: dict[JobId, Expected] = {}
        self._waits: dict[InstanceId, tuple[float, dict[str, dict[str, float]]]] = {}

    def of(self, job: Job, instances: list[Instance]) -> Prospect:
        """A job's future; of others it names only the instances given, and what is theirs."""
        now = self._clock()
        snapshot = self._snapshot(now, heads=1)
        names = {each.id: each.name for each in instances}
        ahead = self._store.ahead(job) if job.state is JobState.QUEUED else 0
        sentence = why(snapshot, now, job, ahead=ahead, names=names)
        expected = self._forecast(now).get(job.id) if job.state is JobState.QUEUED else None
        if expected is None:
            return Prospect(sentence)
        return Prospect(sentence, expected.position, expected.start, expected.end)

    def waits(self, instance: Instance) -> dict[str, dict[str, float]]:
        """How long jobs wait on each backend: average, p50 and p95, seconds."""
        with self._lock:
            until, waits = self._waits.get(instance.id, (-1.0, {}))
            if time.monotonic() >= until:
                waits = self._look_for(instance)
                self._waits[instance.id] = time.monotonic() + REMEMBER_S, waits
            return waits

    def _look_for(self, asker: Instance) -> dict[str, dict[str, float]]:
        now, slots = self._clock(), self._settings.slots
        snapshot, typical_s, enough = self._look_far(now), self._store.typical_s(), patience(PATIENCE_S)
        return expected_waits(snapshot, now, typical_s, slots=slots, asker=asker.id, enough=enough)

    def _look_far(self, now: datetime) -> Snapshot:
        """The queue, with as many jobs as can be looked at, evenly of all lines."""
        lines = len(self._snapshot(now, heads=1).waiting)
        return self._snapshot(now, heads=max(2, LOOKED_AT // max(lines, 1)))

    def _snapshot(self, now: datetime, *, heads: int) -> Snapshot:
        snapshot = self._store.snapshot(now, alive=set(), free_slots=heads)
        computing = sum(attempt.asked is None for attempt in snapshot.running)
        return replace(snapshot, free_slots=max(0, self._settings.slots - computing))

    def _forecast(self, now: datetime) -> dict[JobId, Expected]:
        with self._lock:
            if time.monotonic() >= self._until:
                slots, typical_s = self._settings.slots, self._store.typical_s()
                snapshot, enough = self._look_far(now), patience(PATIENCE_S)
                self._expected = forecast(snapshot, now, typical_s, slots=slots, enough=enough)
                self._until = time.monotonic() + REMEMBER_S
            return self._expected


def patience(seconds: float) -> Callable[[], bool]:
    """Says whether so many seconds have passed."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until
