"""Order of instances: used over allocated inside the rolling window, least served first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from coldplate.domain.instance import InstanceId
from coldplate.domain.snapshot import Share

IN_FLIGHT_S = 2.0  # what a running job will be charged at least; it has not been charged yet


def typical_allocation_s(shares: Iterable[Share]) -> float:
    """What counts as the allocation of an instance that has none: the mean of those that have one.

    >>> typical_allocation_s([Share("chem", 0, 100), Share("qec", 0, 300), Share("new", 0, None)])
    200.0
    """
    allocated = [share.allocated_s for share in shares if share.allocated_s]
    return fmean(allocated) if allocated else 1.0


def ratios(shares: Iterable[Share], running: Mapping[InstanceId, int]) -> dict[InstanceId, float]:
    """Used over allocated per instance: the smaller, the sooner it is served.

    A job counts as used while it runs, or an instance could take every free lane before it is charged
    for the first. An allocation of 0 means "only when nobody else waits".

    Args:
        shares: Usage and allocation of each instance.
        running: Jobs that run now, per instance.

    >>> ratios([Share("chem", 50, 100), Share("qec", 8, 100)], {"qec": 1})
    {'chem': 0.5, 'qec': 0.1}
    """
    shares = list(shares)
    typical_s = typical_allocation_s(shares)
    found = {}
    for share in shares:
        used_s = share.used_s + IN_FLIGHT_S * running.get(share.instance, 0)
        allocated_s = typical_s if share.allocated_s is None else share.allocated_s
        found[share.instance] = used_s / allocated_s if allocated_s else math.inf
    return found
