"""Reservation: a window in which a backend serves one instance first, or alone, or nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId


class Claim(StrEnum):
    """What a reservation does while it lasts; jobs that run when it begins finish."""

    PRIORITY = "priority"  # jobs that the instance submits inside the window come first
    DEDICATED = "dedicated"  # only the instance's jobs start, even if it has none
    MAINTENANCE = "maintenance"  # nothing starts


@dataclass(frozen=True)
class Reservation:
    """A window of one backend. Times are UTC and aware."""

    id: str
    backend: str
    claim: Claim
    start: datetime
    end: datetime
    instance: InstanceId | None = None  # None: maintenance
    reason: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether the window is open."""
        return self.start <= now < self.end

    def keeps_out(self, instance: InstanceId) -> bool:
        """Whether jobs of an instance don't start inside."""
        if self.claim is Claim.DEDICATED:
            return self.instance != instance
        return self.claim is Claim.MAINTENANCE


def as_is(record: BackendRecord, reservations: Iterable[Reservation], now: datetime) -> BackendRecord:
    """A backend as it is during its reservations: one in maintenance is paused."""
    for each in reservations:
        if (
            each.claim is Claim.MAINTENANCE
            and each.backend == record.name
            and each.holds(now)
            and record.runs
        ):
            return replace(record, status="paused", status_reason=each.reason or "maintenance")
    return record
