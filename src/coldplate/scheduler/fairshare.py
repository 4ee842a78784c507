"""Order of instances: used over allocated inside the rolling window, least served first."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import fmean

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, Session, SessionState
from coldplate.domain.snapshot import Share, Snapshot

IN_FLIGHT_S = 2.0  # what a running job will be charged at least; it has not been charged yet


def typical_allocation_s(shares: Iterable[Share]) -> float:
    """What counts as the allocation of an instance that has none: the mean of those that have one.

    >>> typical_allocation_s([Share("chem", 0, 100), Share("qec", 0, 300), Share("new", 0, None)])
    200.0
    """
    allocated = [share.allocated_s for share in shares if share.allocated_s]
    return fmean(allocated) if allocated else 1.0


def ratios(shares: Iterable[Share], owed_s: Mapping[InstanceId, float]) -> dict[InstanceId, float]:
    """Used over allocated per instance: the smaller, the sooner it is served.

    An allocation of 0 means "only when nobody else waits".

    Args:
        shares: Usage and allocation of each instance.
        owed_s: What each will be charged for what runs now, quantum seconds.

    >>> ratios([Share("chem", 50, 100), Share("qec", 8, 100)], {"qec": 2})
    {'chem': 0.5, 'qec': 0.1}
    """
    shares = list(shares)
    typical_s = typical_allocation_s(shares)
    return {share.instance: ratio(share, owed_s, typical_s=typical_s) for share in shares}


def ratio(share: Share, owed_s: Mapping[InstanceId, float], *, typical_s: float) -> float:
    """Used over allocated of one instance."""
    allocated_s = typical_s if share.allocated_s is None else share.allocated_s
    return (share.used_s + owed_s.get(share.instance, 0.0)) / allocated_s if allocated_s else math.inf


def owed_s(snapshot: Snapshot, now: datetime) -> dict[InstanceId, float]:
    """Quantum seconds that are used and not charged yet, per instance.

    A job counts as used while it runs, or an instance could take every free lane before it is charged
    for the first. A dedicated session counts by the clock from the moment it owns its backend.
    """
    found: dict[InstanceId, float] = defaultdict(float)
    by_clock = {session.id: session for session in snapshot.sessions if is_by_clock(session)}
    for session in by_clock.values():
        assert session.activated is not None
        found[session.instance] += max(0.0, (now - session.activated).total_seconds())
    for attempt in snapshot.running:
        if attempt.session not in by_clock:
            found[attempt.instance] += max(IN_FLIGHT_S, attempt.estimated_s or 0.0)
    return found


def is_by_clock(session: Session) -> bool:
    """Whether a session is being charged by the clock, and not by its jobs."""
    active = session.state is SessionState.ACTIVE and session.activated is not None
    return active and session.mode is Mode.DEDICATED


def at_their_limit(snapshot: Snapshot, owed: Mapping[InstanceId, float]) -> dict[InstanceId, Share]:
    """Instances that have used all that their limit allows; what runs counts from its start."""
    return {
        share.instance: share
        for share in snapshot.shares
        if share.limit_s is not None and share.used_s + owed.get(share.instance, 0.0) >= share.limit_s
    }
