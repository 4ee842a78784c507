"""Usage: quantum seconds charged to instances, and sums over the rolling window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from coldplate.domain.instance import InstanceId
from coldplate.domain.plan import WINDOW


@dataclass(frozen=True)
class UsageEntry:
    """One charge; written once, in the transaction that ends the job or session."""

    instance: InstanceId
    backend: str
    at: datetime
    seconds: float
    job: str | None = None
    session: str | None = None


def used_in_window(entries: Iterable[UsageEntry], now: datetime, window: timedelta = WINDOW) -> float:
    """Quantum seconds charged inside the window that ends now."""
    return sum(entry.seconds for entry in entries if now - window < entry.at <= now)


@dataclass(frozen=True)
class UsageReport:
    """What an instance has used in the window that ends now; whole quantum seconds."""

    consumed_s: int
    limit_s: int | None
    allocation_s: int | None
    limit_reached: bool
    start: datetime
    end: datetime
