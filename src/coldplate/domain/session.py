"""Session: a wish to run several jobs on one backend, alone on it (dedicated) or close together (batch)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from coldplate.domain.instance import InstanceId
from coldplate.errors import BadRequest

SessionId = NewType("SessionId", str)

INTERACTIVE_TTL_S = 60
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

    @property
    def active_until(self) -> datetime | None:
        """When active_ttl ends its priority; None while it has none."""
        if self.state is not SessionState.ACTIVE or self.activated is None:
            return None
        return self.activated + timedelta(seconds=self.active_ttl_s)

    def idle_until(self) -> datetime | None:
        """When an active session that runs and queues nothing is deactivated."""
        since = max((t for t in (self.activated, self.last_job_completed) if t), default=None)
        return None if since is None else since + timedelta(seconds=self.interactive_ttl_s)


# --- how long ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ttls:
    """The times that a session is asked for; seconds."""

    max_s: int | None = None
    active_s: int | None = None
    interactive_s: int | None = None


@dataclass(frozen=True)
class SettledTtls:
    """The times that a session has; seconds."""

    max_s: int
    active_s: int
    interactive_s: int


def settle(wish: Ttls, *, most_s: int) -> SettledTtls:
    """The times of a new session: what was asked for, max_ttl within the plan, and each within the next.

    Raises:
        BadRequest: One is less than a second.

    >>> settle(Ttls(max_s=100, interactive_s=300), most_s=600)
    SettledTtls(max_s=100, active_s=100, interactive_s=100)
    """
    for name, seconds in (
        ("max_ttl", wish.max_s),
        ("active_ttl", wish.active_s),
        ("interactive_ttl", wish.interactive_s),
    ):
        if seconds is not None and seconds < 1:
            raise BadRequest(f"{name} is {seconds} s, less than 1 s.")
    longest_s = min(wish.max_s or most_s, most_s)
    active_s = min(wish.active_s or longest_s, longest_s)
    return SettledTtls(longest_s, active_s, min(wish.interactive_s or INTERACTIVE_TTL_S, active_s))
