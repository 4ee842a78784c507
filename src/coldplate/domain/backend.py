"""BackendRecord: what the office publishes of a backend; described by the lab, never computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coldplate.errors import UnknownCalibration

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class BackendRecord:
    """One backend as clients see it. `configuration` and `properties` are the wire objects, as JSON."""

    name: str
    configuration: JsonObject
    properties: JsonObject | None  # None: nothing is calibrated (ideal simulators)
    lanes: int = 1  # jobs that may be prepared, run or be evaluated on it at the same time
    status: str = "online"  # online, paused, offline
    status_reason: str | None = None
    simulator: bool = False
    mock_of: str | None = None  # the device a mock_ twin validates for
    hosted: bool = False  # a simulator that clients before 2025 know by name; not listed to others
    listing: JsonObject = field(
        default_factory=dict
    )  # processor_type, clops, performance_metrics of /backends

    @property
    def num_qubits(self) -> int:
        """Number of qubits."""
        return int(self.configuration["n_qubits"])

    @property
    def exclusive(self) -> bool:
        """Whether one job at a time drives it: a device, but no simulator and no mock."""
        return not self.simulator and self.mock_of is None

    @property
    def runs(self) -> bool:
        """Whether queued jobs may start on it."""
        return self.status == "online"


def check_calibration(backend: BackendRecord, calibration: str) -> None:
    """Refuse a calibration that the backend has not."""
    if calibration not in backend.listing.get("calibrations", ()):
        raise UnknownCalibration(f"Backend {backend.name} has no calibration {calibration!r}.")
