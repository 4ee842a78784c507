"""Order of instances: used over allocated inside the rolling window, least served first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, Session, SessionState
from coldplate.domain.snapshot import Share, Snapshot

Standing = tuple[int, float]
IN_FLIGHT_S = 2.0  # what a running job will be charged at least; it has not been charged yet


def standing(share: Share, owed_s: Mapping[InstanceId, float]) -> Standing:
    """Where an instance stands in the fair order: the least is served first.

    First come those with an allocation, by used over allocated. Then those without one, by what they used;
    last those with an allocation of 0, which means "only when nobody else waits".

    Args:
        owed_s: What each instance will be charged for what runs now, quantum seconds.

    >>> standing(Share("chem", 50, 100), {}), standing(Share("qec", 8, None), {"qec": 2.0})
    ((0, 0.5), (1, 10.0))
    """
    used_s = share.used_s + owed_s.get(share.instance, 0.0)
    if share.allocated_s is None:
        return (1, used_s)
    return (0, used_s / share.allocated_s) if share.allocated_s else (2, used_s)


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
