"""What a simulation showed: how busy devices were, how long jobs waited, and how fair that was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from coldplate.domain.instance import InstanceId
from coldplate.scheduler.loads import Life
from coldplate.scheduler.simulation import Simulation

Figures = dict[str, Any]


def report(simulation: Simulation, *, begin: datetime) -> Figures:
    """The figures of a simulation that has run."""
    seconds = max(1e-9, (simulation.now - begin).total_seconds())
    lives = list(simulation.lives.values())
    busy = [
        place.busy_s / seconds / (1 if place.record.exclusive else place.record.lanes)
        for place in simulation.places.values()
    ]
    return {
        "hours": round(seconds / 3600, 2),
        "jobs": len(lives),
        "completed": sum(life.ended is not None and not life.failed for life in lives),
        "failed": sum(life.failed for life in lives),
        "waiting": sum(life.started is None and not life.failed for life in lives),
        "utilisation": {
            "mean": round(sum(busy) / len(busy), 3),
            "min": round(min(busy), 3),
            "max": round(max(busy), 3),
        },
        "wait_s": {kind: spread(waits) for kind, waits in waits_of(lives).items()},
        "fairness": fairness(simulation),
    }


def waits_of(lives: Iterable[Life]) -> dict[str, list[float]]:
    """Seconds that jobs waited for their start, of all, and of those in sessions and not."""
    found: dict[str, list[float]] = {"all": []}
    for life in lives:
        if life.wait_s is not None:
            kind = "single jobs" if life.load.session is None else "in sessions and batches"
            found["all"].append(life.wait_s)
            found.setdefault(kind, []).append(life.wait_s)
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Average, median, 95th percentile and largest of some values.

    >>> spread([1.0, 2.0, 3.0, 10.0])
    {'average': 4.0, 'p50': 2.0, 'p95': 10.0, 'max': 10.0}
    """
    if not values:
        return {"average": 0.0, "p50": 0.0, "p95": 0.0, "max": 0.0}
    ordered = sorted(values)
    return {
        "average": round(sum(ordered) / len(ordered), 3),
        "p50": round(percentile(ordered, 0.5), 3),
        "p95": round(percentile(ordered, 0.95), 3),
        "max": round(ordered[-1], 3),
    }


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest of some values, in order, that at least this part of them does not exceed."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


# --- fairness -------------------------------------------------------------------------------------


def fairness(simulation: Simulation) -> Figures:
    """How evenly instances were served that always had jobs waiting, and all together.

    `gap_over_bound` is at most 1 where a queue is as fair as one that can't interrupt jobs can be; None where
    there are no two instances to compare.
    """
    shares = simulation.shares()
    allocated = {id for id, share in shares.items() if share.allocated_s}
    weights = {id: share.allocated_s or 1.0 for id, share in shares.items()}
    longest: dict[InstanceId, float] = defaultdict(float)
    for life in simulation.lives.values():
        longest[life.load.instance] = max(longest[life.load.instance], life.load.device_s)
    gaps = []
    for name, place in simulation.places.items():
        always = {i for i, _ in place.lines if (name, i) not in simulation.interrupted}
        charges = [(instance, seconds) for _, instance, where, seconds in simulation.charges if where == name]
        for some in (always & allocated, always - allocated):  # the latter are served after the former
            gaps.append(gap_over_bound(charges, {i: (weights[i], longest[i]) for i in some}))
    served: dict[InstanceId, float] = defaultdict(float)
    for _, instance, _, seconds in simulation.charges:
        served[instance] += seconds / weights[instance]
    return {
        "gap_over_bound": max((round(gap, 3) for gap in gaps if gap is not None), default=None),
        "jain_index": round(jain(list(served.values())), 3),
    }


def gap_over_bound(
    charges: Iterable[tuple[InstanceId, float]], tenants: Mapping[InstanceId, tuple[float, float]]
) -> float | None:
    """The largest difference of service over weight between two instances, over what can't be avoided.

    That is the longest job of each over its weight. None for less than two instances.

    Args:
        charges: To whom, seconds; in the order of time.
        tenants: Weight and longest job, seconds, of the instances that always had jobs waiting.

    Source: Goyal, Vin, Cheng, "Start-time fair queueing", SIGCOMM 1996.
    """
    if len(tenants) < 2:
        return None
    served, worst = dict.fromkeys(tenants, 0.0), 0.0
    unfair = {instance: longest_s / weight for instance, (weight, longest_s) in tenants.items()}
    for instance, seconds in charges:
        if instance not in tenants:
            continue
        served[instance] += seconds / tenants[instance][0]
        for other in tenants:
            if other != instance:
                gap = abs(served[instance] - served[other])
                worst = max(worst, gap / (unfair[instance] + unfair[other]))
    return worst


def jain(values: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all are equal, 1/n when one has everything.

    >>> jain([2.0, 2.0]), jain([1.0, 0.0])
    (1.0, 0.5)
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
