"""All the scheduler can say. The loop carries each out by compare-and-set, so a stale one is refused."""

from __future__ import annotations

from dataclasses import dataclass

from coldplate.domain.job import JobId
from coldplate.domain.session import SessionId
from coldplate.errors import ColdplateError


@dataclass(frozen=True)
class Start:
    """A queued job starts in a free lane of its backend."""

    job: JobId
    lane: int


@dataclass(frozen=True)
class Grant:
    """A running job that has asked for its device drives it from now on."""

    job: JobId
    fence: int


@dataclass(frozen=True)
class Requeue:
    """A lost attempt runs again in its lane; to its owner the job is Running all the time."""

    job: JobId
    fence: int


@dataclass(frozen=True)
class Fail:
    """A job ends as Failed without its process having said so."""

    job: JobId
    cause: type[ColdplateError]
    reason: str
    fence: int | None = None  # None: it is queued


@dataclass(frozen=True)
class Activate:
    """A job of the session runs: the session gets its priority, and its time counts."""

    session: SessionId


@dataclass(frozen=True)
class Deactivate:
    """The session was idle or active for too long: it loses its priority, its next job waits in line."""

    session: SessionId
    reason: str


@dataclass(frozen=True)
class StopSession:
    """The session takes no more jobs and its queued ones end; running ones finish before it is closed."""

    session: SessionId
    reason: str


@dataclass(frozen=True)
class CloseSession:
    """The session ends; nothing of it is queued or running."""

    session: SessionId
    reason: str


Decision = Start | Grant | Requeue | Fail | Activate | Deactivate | StopSession | CloseSession
