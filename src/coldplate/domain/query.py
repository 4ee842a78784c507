"""What lists are asked for, and how a job ends: the values that pass between service and store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobState
from coldplate.domain.session import SessionId


@dataclass(frozen=True)
class JobFilter:
    """Which jobs of an instance, newest first unless `ascending`; tags are ANDed."""

    instance: InstanceId
    limit: int = 200
    offset: int = 0
    backend: str | None = None
    pending: bool | None = None  # True: queued or running; False: ended
    program: str | None = None
    tags: tuple[str, ...] = ()
    session: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ascending: bool = False
    states: tuple[JobState, ...] = ()
    instances: tuple[InstanceId, ...] = ()  # of any of these, in place of `instance`


@dataclass(frozen=True)
class WorkloadFilter:
    """Which workloads of an instance, oldest first unless `descending`."""

    instance: InstanceId
    limit: int = 10
    offset: int = 0
    descending: bool = False
    user: str | None = None
    backend: str | None = None
    search: str | None = None
    status: tuple[str, ...] = ()
    mode: str | None = None  # job, session, batch
    created_after: datetime | None = None
    created_before: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workload:
    """A job outside sessions, a session or a batch."""

    id: str
    mode: str  # job, session, batch
    instance: InstanceId
    user: str
    backend: str
    created: datetime
    ended: datetime | None
    status: str  # pending, in_progress, completed, canceled, failed
    status_reason: str | None
    tags: tuple[str, ...]
    usage_s: float
    accepting_jobs: bool | None


@dataclass(frozen=True)
class FinalState:
    """How a job ends."""

    state: JobState
    reason: str | None = None
    code: int | None = None
    solution: str | None = None
    usage_s: float = 0.0
    result_size: int | None = None
    result_sha256: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


__all__ = ["FinalState", "JobFilter", "SessionId", "Workload", "WorkloadFilter"]
