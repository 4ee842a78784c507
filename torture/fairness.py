"""Fairness: how far apart the shares of tenants were that always had work waiting."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from torture.evidence import Evidence, of_points, with_tenant
from torture.journal import Line
from torture.world import FAIR

ENOUGH = 6  # jobs that wait, so that nobody is idle by accident


@dataclass
class Fairness:
    """The widest gap between the shares of two tenants, beside its bound; quantum seconds over allocation."""

    gap: float = 0.0
    bound: float = 0.0
    compared: int = 0  # times


def fairness(e: Evidence) -> Fairness:
    """I9: how far apart the shares of tenants were that always had work waiting.

    They are compared at the end of each job for as long as all have work waiting, each pair once the one that
    came late, or had nothing for a while, has caught up. The bound is that of start-time fair queueing: the
    longest jobs of both over their allocations. Source: Goyal, Vin, Cheng, SIGCOMM 1996.
    """
    owner = {line["job"]: line["tenant"] for line in with_tenant(e.clients) if line["tenant"] in FAIR}
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        seconds = dict(connection.execute("SELECT job, seconds FROM usage WHERE backend = 'emu_fair'"))
    longest = {t: max((seconds.get(job, 0.0) for job in owner if owner[job] == t), default=0.0) for t in FAIR}
    bounds = {(a, b): longest[a] / FAIR[a] + longest[b] / FAIR[b] for a, b in combinations(FAIR, 2)}
    ends = ends_of(e)
    worst, used, even = Fairness(), dict.fromkeys(FAIR, 0.0), set[tuple[str, str]]()
    for line, all_wait in backlogs(e.points, owner):
        if not all_wait:
            even.clear()
        if line is not ends.get(line["job"]):
            continue
        used[owner[line["job"]]] += seconds.get(line["job"], 0.0)
        for (a, b), bound in bounds.items() if all_wait else ():
            gap = abs(used[a] / FAIR[a] - used[b] / FAIR[b])
            if (a, b) in even or gap <= bound:
                even.add((a, b))
                worst.compared += 1
                if gap * worst.bound >= worst.gap * bound:
                    worst.gap, worst.bound = gap, bound
    return worst


def ends_of(e: Evidence) -> dict[str, Line]:
    """Where each job ended; a death can keep a server from telling of it, but not from announcing it."""
    announced = {line["job"]: line for line in of_points(e, "T9-end-not-committed")}
    return announced | {line["job"]: line for line in of_points(e, "T10-end-committed")}


def backlogs(points: list[Line], owner: dict[str, str]) -> Iterator[tuple[Line, bool]]:
    """What befell the jobs of owners, and whether all owners had work waiting then."""
    waiting: dict[str, set[str]] = {tenant: set() for tenant in FAIR}
    all_wait, known = False, set[str]()
    for line in points:
        tenant = owner.get(line.get("job", ""))
        if tenant is None:
            continue
        if line["point"] == "T3-job-committed":
            # a POST that is repeated meets its first again, and a rival may claim before we are told
            waiting[tenant] |= {line["job"]} - known
            known.add(line["job"])
        elif line["point"] == "T5-claim-committed":
            waiting[tenant].discard(line["job"])
            known.add(line["job"])
        least = min(len(jobs) for jobs in waiting.values())
        all_wait = least >= ENOUGH or (all_wait and least > 0)
        yield line, all_wait
