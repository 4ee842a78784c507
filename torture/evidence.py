"""Evidence: all that the parties of a run wrote down, and what can still be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torture.journal import Line


@dataclass(frozen=True)
class Violation:
    """Something that must never be."""

    invariant: str  # I1 to I14
    what: str


@dataclass
class Evidence:
    """All that was written down or can still be read."""

    clients: list[Line]
    harm: list[Line]
    points: list[Line]
    overlaps: list[Line]
    states: dict[str, str]  # at the end, by job, as the API has them
    again: dict[str, str]  # the same after a restart
    used_s: Mapping[str, float]  # quantum seconds, by instance, as the API has them
    database: Path
    blobs: Path
    leaks: list[str]


def of(lines: Iterable[Line], *acts: str) -> Iterator[Line]:
    """The lines of some acts."""
    return (line for line in lines if line["act"] in acts)


def of_points(e: Evidence, *points: str) -> Iterator[Line]:
    """The passages of some points."""
    return (line for line in e.points if line["point"] in points)


def with_tenant(clients: list[Line]) -> Iterator[Line]:
    """The lines of accepted jobs, with their tenant."""
    tenants = {line["number"]: line["tenant"] for line in of(clients, "submit")}
    for line in of(clients, "submitted"):
        if line["job"]:
            yield line | {"tenant": tenants[line["number"]]}
