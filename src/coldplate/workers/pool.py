"""What passes between office and lab: a Ticket one way, a Receipt back, and the Pool that carries them.

Heavy bytes never pass here; they go through `blobs`, by key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Key = tuple[str, int]  # an attempt: job, fence


@dataclass(frozen=True)
class Limits:
    """What one job's process may take."""

    memory_bytes: int = 4 << 30  # address space
    cpu_s: float = 10_800
    wall_s: float = 10_800
    file_bytes: int = 4 << 30
    threads: int = 1


@dataclass(frozen=True)
class Ticket:
    """What to run. Complete: a child needs nothing else from the office."""

    job: str
    fence: int
    program: str
    backend: str
    params_key: str
    result_key: str
    log_key: str
    blobs_root: str  # directory of LocalBlobs
    catalog: str | None = None  # path of the catalog file; None: the catalog that ships with Coldplate
    seed: int | None = None  # None: drawn, and written into the result's metadata
    log_level: str = "WARNING"
    in_session: bool = False
    calibration: str | None = None
    code_key: str | None = None  # where the text of an uploaded program is, if such programs are run
    interim_key: str | None = None  # None: nobody would read interim results
    owner: str | None = None  # for whose next jobs compiled programs are kept; None: for nobody's
    until: float | None = None  # monotonic: its processes are dead by then, unless the lease was renewed
    exclusive: bool = False  # one process at a time drives the backend: it has to be asked for
    driving: bool = False  # it has been let through already, for its first turn
    device_s: float | None = None  # quantum seconds that the job may use; None: any number
    turnstile: str | None = None  # path of the socket where it is asked for
    turnstile_key: str | None = None  # who asks
    limits: Limits = field(default_factory=Limits)

    @property
    def artifacts_key(self) -> str:
        """Where the attempt keeps what was asked for beside its result."""
        return f"artifacts{self.result_key.removeprefix('result')}"


Outcome = Literal["Completed", "Failed", "Cancelled"]


@dataclass(frozen=True)
class Receipt:
    """What came of a ticket; under a kilobyte."""

    job: str
    fence: int
    outcome: Outcome
    code: int | None = None
    reason: str | None = None
    solution: str | None = None
    usage_s: float = 0.0  # quantum seconds
    result_size: int | None = None
    result_sha256: str | None = None
    lost: bool = False  # the worker vanished, the job is not to blame: it may run again
    metrics: dict[str, Any] = field(default_factory=dict)  # qiskit_version, circuits_execution_time_ns, ...


class Pool(Protocol):
    """Where jobs run. At-least-once and disposable: the store is the truth."""

    def start(self, ticket: Ticket, done: Callable[[Receipt], None]) -> None:
        """Begin; `done` is called once, from any thread, after the job's processes are proven dead."""

    def stop(self, job: str, fence: int) -> None:
        """Kill it soon (a user's cancel); `done` is then called with outcome Cancelled. Unknown: nothing."""

    def grant(self, job: str, fence: int) -> None:
        """Let it drive its device, for which its process has asked. Unknown: nothing."""

    def alive(self) -> set[tuple[str, int]]:
        """The (job, fence) this pool still watches over."""

    def capacity(self) -> int:
        """Processes that could start now; one that waits for its device takes no place."""

    def close(self) -> None:
        """Kill everything and wait; `done` is called with `lost=True` for what was running."""
