"""Session: a wish to run several jobs on one backend, alone on it (dedicated) or close together (batch)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from coldplate.domain.instance import InstanceId

SessionId = NewType("SessionId", str)

UNUSED_LIMIT = timedelta(minutes=30)  # a session without any job is closed after this


class Mode(StrEnum):
    """How a session holds its backend."""

    DEDICATED = "dedicated"
    BATCH = "batch"


class SessionState(StrEnum):
    """`open` waits for its first job, `active` has priority, `inactive` has lost it, `closed` is the end."""

    OPEN = "open"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CLOSED = "closed"


@dataclass(frozen=True)
class Session:
    """A session or batch. Times are UTC and aware."""

    id: SessionId
    instance: InstanceId
    user: str
    mode: Mode
    backend: str
    created: datetime
    max_ttl_s: int = 28_800
    interactive_ttl_s: int = 60
    active_ttl_s: int = 28_800
    state: SessionState = SessionState.OPEN
    state_reason: str | None = None
    accepting_jobs: bool = True
    started: datetime | None = None  # first job started: max_ttl counts from here and never pauses
    activated: datetime | None = None
    closed: datetime | None = None
    last_job_started: datetime | None = None
    last_job_completed: datetime | None = None
    usage_s: float = 0.0  # active wall clock (dedicated) or device time of its jobs (batch)
    history: tuple[tuple[str, datetime], ...] = ()  # (state, since)
    version: int = 0  # grows by one with each write; one that was made from an older version is refused

    @property
    def expires(self) -> datetime | None:
        """When max_ttl ends it; None before its first job has started."""
        return None if self.started is None else self.started + timedelta(seconds=self.max_ttl_s)

    def idle_until(self) -> datetime | None:
        """When an active session that runs and queues nothing is deactivated."""
        since = max((t for t in (self.activated, self.last_job_completed) if t), default=None)
        return None if since is None else since + timedelta(seconds=self.interactive_ttl_s)
