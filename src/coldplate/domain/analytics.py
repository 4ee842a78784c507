"""Analytics: what jobs and sessions of an account have used, and how long jobs waited; in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode

Figures = dict[str, int | float]


@dataclass(frozen=True)
class Done:
    """A job or session that has used something, or at least has ended."""

    instance: InstanceId
    user: str
    backend: str
    at: datetime  # its end
    used_s: float
    mode: Mode | None = None  # of the session, or of the job's session
    is_session: bool = False
    queued_s: float | None = None  # of a job that has started: from its submission to its start


def totals(done: Iterable[Done]) -> Figures:
    """All figures of some jobs and sessions.

    A dedicated session has used its own time, its jobs nothing beside; a batch what its jobs have.
    """
    done = list(done)
    jobs = [one for one in done if not one.is_session]
    sessions = [one for one in done if one.is_session]
    kinds = {
        "sessions": sessions,
        "batch_sessions": [one for one in sessions if one.mode is Mode.BATCH],
        "dedicated_sessions": [one for one in sessions if one.mode is Mode.DEDICATED],
        "individual_jobs": [one for one in jobs if one.mode is None],
    }
    figures: Figures = {"usage": ms(charged_s(done)), "jobs": len(jobs)}
    for name, those in kinds.items():
        figures |= {name: len(those)} | spread(f"{name}_usage", [one.used_s for one in those])
    waits = [one.queued_s for one in jobs if one.queued_s is not None]
    return figures | spread("queue_time", waits)


def charged_s(done: Iterable[Done]) -> float:
    """Seconds that were charged: each once."""
    return sum(one.used_s for one in done if one.is_session == (one.mode is Mode.DEDICATED))


def spread(name: str, seconds: Sequence[float]) -> Figures:
    """Sum, average and largest, in milliseconds.

    >>> spread("usage", [1.0, 2.0])
    {'usage': 3000, 'avg_usage': 1500.0, 'max_usage': 2000}
    """
    average = 1000 * sum(seconds) / len(seconds) if seconds else 0.0
    return {name: ms(sum(seconds)), f"avg_{name}": average, f"max_{name}": ms(max(seconds, default=0.0))}


def ms(seconds: float) -> int:
    """Whole milliseconds."""
    return round(1000 * seconds)


def grouped(done: Iterable[Done], key: Callable[[Done], str]) -> dict[str, Figures]:
    """The figures of each group, by its key in alphabetical order."""
    groups: dict[str, list[Done]] = {}
    for one in done:
        groups.setdefault(key(one), []).append(one)
    return {name: totals(groups[name]) for name in sorted(groups)}


def days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days, in UTC, that an interval touches, each cut to the interval."""
    while start < end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield start, min(midnight, end)
        start = midnight
