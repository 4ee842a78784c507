"""Snapshot: all the scheduler may look at, in one frozen value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.plan import AtLimit
from coldplate.domain.reservation import Reservation
from coldplate.domain.session import Session, SessionId

RECENT = 300  # jobs, of which the time is taken


@dataclass(frozen=True)
class Waiting:
    """A queued job, oldest first inside its instance."""

    id: JobId
    instance: InstanceId
    backend: str
    session: SessionId | None
    created: datetime
    most_s: float = 10_800.0  # how long it may run


@dataclass(frozen=True)
class Running:
    """A job that holds a lane."""

    id: JobId
    instance: InstanceId
    backend: str
    session: SessionId | None
    lane: int
    fence: int
    attempts: int
    lease_until: datetime
    alive: bool  # this server's pool has a supervisor for (id, fence)
    worker: str | None = None  # whose attempt it is
    estimated_s: float | None = None  # quantum seconds, known once its program is ready
    asked: datetime | None = None  # waits for its device since
    driving: bool = False  # drives its device


@dataclass(frozen=True)
class Share:
    """What one instance has used of its allocation inside the window."""

    instance: InstanceId
    used_s: float
    allocated_s: float | None
    limit_s: float | None = None  # None: no limit
    at_limit: AtLimit = AtLimit.WAIT


@dataclass(frozen=True)
class Snapshot:
    """The queue at one instant. `waiting` may be cut to the heads that could start now."""

    backends: tuple[BackendRecord, ...]
    waiting: tuple[Waiting, ...]
    running: tuple[Running, ...]
    sessions: tuple[Session, ...]  # not closed
    shares: tuple[Share, ...]
    free_slots: int  # processes the pool can still start
    reservations: tuple[Reservation, ...] = ()  # open now or later
    # How long jobs usually run, by backend, seconds; known while a window is ahead that some may run into.
    usual_s: Mapping[str, float] = field(default_factory=dict)


def usual_s(lasted_s: Iterable[float]) -> float:
    """How long 19 of 20 jobs took at most, seconds: one that took hours does not speak for all.

    >>> usual_s([10.0] * 19 + [3600.0])
    10.0
    """
    ordered = sorted(lasted_s)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]
