"""What a simulation is made of: jobs that only take time, and the backends that they take it from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.session import Session, SessionId
from coldplate.domain.snapshot import RECENT, Running

Line = tuple[InstanceId, SessionId | None]


@dataclass(frozen=True)
class Load:
    """A job that only takes time. `_s` are seconds of it: prepared, at the device, evaluated."""

    id: JobId
    at: datetime  # submitted
    instance: InstanceId
    backend: str
    device_s: float
    prepare_s: float = 0.0
    finish_s: float = 0.0
    session: SessionId | None = None
    most_s: float = 10_800.0  # it may run


@dataclass
class Life:
    """What became of a load; None: it did not come to that."""

    load: Load
    started: datetime | None = None  # in its lane
    driven: datetime | None = None  # at the device, first
    ended: datetime | None = None
    failed: bool = False

    @property
    def wait_s(self) -> float | None:
        """Seconds from its submission to its start."""
        return None if self.started is None else (self.started - self.load.at).total_seconds()


@dataclass
class Place:
    """A backend, and what is queued and runs on it."""

    record: BackendRecord
    lines: dict[Line, deque[Load]] = field(default_factory=dict)
    running: dict[JobId, Running] = field(default_factory=dict)
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    lasted_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))  # in their lanes, lately
    busy_s: float = 0.0  # seconds that its device was driven, or its lanes were used
    timer: datetime | None = None  # the earliest that is set
