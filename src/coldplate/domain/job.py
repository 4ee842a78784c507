"""Job: one request to run a program on a backend, from acceptance to its only end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import SessionId

JobId = NewType("JobId", str)


class JobState(StrEnum):
    """The five words that clients know; any other would be polled for ever."""

    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"

    @property
    def final(self) -> bool:
        """Whether nothing can change any more."""
        return self in FINAL


FINAL = frozenset({JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED})

# Outward, a job never goes back: a re-run after a worker was lost stays Running.
ALLOWED: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: FINAL,
    JobState.COMPLETED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.FAILED: frozenset(),
}


@dataclass(frozen=True)
class Job:
    """What the office knows of a job. Times are UTC and aware; `_s` are seconds."""

    id: JobId
    instance: InstanceId
    user: str
    program: str
    backend: str
    created: datetime
    state: JobState = JobState.QUEUED
    reason: str | None = None
    reason_code: int | None = None
    reason_solution: str | None = None
    session: SessionId | None = None
    tags: tuple[str, ...] = ()
    private: bool = False
    log_level: str = "WARNING"
    runtime: str | None = None  # the image a client asked for; echoed
    calibration: str | None = None
    caller: str | None = None  # X-Qx-Client-Application
    cost_s: int = 10_800  # maximum execution time
    estimated_s: float | None = None  # quantum seconds
    params_size: int = 0
    params_sha256: str = ""
    # attempts
    fence: int = 0  # grows by one with each start; a write that carries an older one is refused
    attempts: int = 0
    lane: int | None = None  # held while running: at most one job per (backend, lane)
    lease_until: datetime | None = None
    asked: datetime | None = None  # waits for its device since
    driving: datetime | None = None  # drives its device since; of a backend, one job at a time
    held_s: float = 0.0  # seconds that this attempt has held its device, before
    cancel_requested: bool = False
    # the end
    started: datetime | None = None
    ended: datetime | None = None
    usage_s: float | None = None  # quantum seconds charged; None until the end
    result_size: int | None = None
    result_sha256: str | None = None
    results_read: datetime | None = None  # a private job's results: first complete read
    metrics: dict[str, object] | None = None  # qiskit_version, circuits_execution_time_ns, ...

    def device_s(self, now: datetime) -> float:
        """Seconds that the attempt has held its device."""
        since = 0.0 if self.driving is None else max(0.0, (now - self.driving).total_seconds())
        return self.held_s + since

    @property
    def params_key(self) -> str:
        """Where the params bytes are."""
        return f"params/{self.id}"

    @property
    def code_key(self) -> str:
        """Where the text of its program is, if a user uploaded that."""
        return f"code/{self.id}"

    def attempt_key(self, kind: str) -> str:
        """Where an attempt's bytes are (`result`, `log`); a stale attempt can't overwrite another's."""
        return f"{kind}/{self.id}/{self.fence}"
