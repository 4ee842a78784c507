"""Fairness: how far apart the shares of tenants were that always had work waiting."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from torture.evidence import Evidence, with_tenant
from torture.journal import Line
from torture.world import FAIR

ENOUGH = 6  # jobs that wait, so that nobody is idle by accident


@dataclass
class Fairness:
    """How far apart shares were, and might have been; used quantum seconds over allocation."""

    gap: float
    bound: float
    compared: int  # times


def fairness(e: Evidence) -> Fairness:
    """I9: the largest gap between the shares of tenants that always had work waiting, and its bound.

    They are compared at the end of each job for as long as all have work waiting, once whoever came late, or
    had nothing for a while, has caught up. The bound is that of start-time fair queueing: two of the longest
    jobs over allocations.
    """
    owner = {line["job"]: line["tenant"] for line in with_tenant(e.clients) if line["tenant"] in FAIR}
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        seconds = dict(connection.execute("SELECT job, seconds FROM usage WHERE backend = 'emu_fair'"))
    found = Fairness(0.0, 2 * max(seconds.values(), default=0.0) / min(FAIR.values()), 0)
    used, even = dict.fromkeys(FAIR, 0.0), False
    for line, all_wait in backlogs(e.points, owner):
        even = even and all_wait
        if line["point"] == "T10-end-committed":
            used[owner[line["job"]]] += seconds.get(line["job"], 0.0)
            shares = [used[each] / FAIR[each] for each in FAIR]
            apart = max(shares) - min(shares)
            even = all_wait and (even or apart <= found.bound)
            found.compared += even
            found.gap = max(found.gap, apart if even else 0.0)
    return found


def backlogs(points: list[Line], owner: dict[str, str]) -> Iterator[tuple[Line, bool]]:
    """What befell the jobs of owners, and whether all owners had work waiting then."""
    waiting: dict[str, set[str]] = {tenant: set() for tenant in FAIR}
    all_wait = False
    for line in points:
        tenant = owner.get(line.get("job", ""))
        if tenant is None:
            continue
        if line["point"] == "T3-job-committed":
            waiting[tenant].add(line["job"])
        elif line["point"] == "T5-claim-committed":
            waiting[tenant].discard(line["job"])
        least = min(len(jobs) for jobs in waiting.values())
        all_wait = least >= ENOUGH or (all_wait and least > 0)
        yield line, all_wait
