"""Leases: which attempts are lost, judged by what is seen of them and not by anybody's wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from coldplate.domain.snapshot import Running, Snapshot


class Leases:
    """What this scheduler has seen of the leases of others.

    A lease that nobody renewed for as long as it lasts is over. Clocks may jump, and those of two machines
    differ, so that is measured from when we first saw it, on the clock that only goes forward.

    Args:
        worker: Whose attempts are ours: those of an earlier life are lost at once, with their processes.
        lease_s: How long a lease lasts, seconds.
    """

    def __init__(self, worker: str, lease_s: float, *, monotonic: Callable[[], float] = time.monotonic):
        self._worker, self._lease_s, self._monotonic = worker, lease_s, monotonic
        self._seen: dict[tuple[str, int, datetime], float] = {}

    def judged(self, snapshot: Snapshot, now: datetime, *, ours: Collection[tuple[str, int]]) -> Snapshot:
        """The snapshot with leases as they are by our clock; those of lost attempts are over, `ours` stay."""
        passed = self._monotonic()
        kept: dict[tuple[str, int, datetime], float] = {}
        running: list[Running] = []
        for r in snapshot.running:
            if (r.id, r.fence) in ours:
                running.append(r)
            elif r.worker in (None, self._worker):
                running.append(replace(r, lease_until=now))
            else:
                seen = (r.id, r.fence, r.lease_until)
                kept[seen] = self._seen.get(seen, passed)
                left_s = kept[seen] + self._lease_s - passed
                running.append(replace(r, lease_until=now + timedelta(seconds=max(0.0, left_s))))
        self._seen = kept
        return replace(snapshot, running=tuple(running))
