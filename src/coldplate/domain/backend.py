"""BackendRecord: what the office publishes of a backend; described by the lab, never computed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from coldplate.errors import UnknownCalibration

JsonObject = dict[str, Any]
NULL = msgspec.Raw(b"null")
LARGE = ("configuration", "properties")  # fields of a record


class PackedObject(Mapping[str, Any]):
    """A JSON object that is kept as its bytes, a tenth of the memory; fields are read when asked for."""

    __slots__ = ("_fields", "raw")

    def __init__(self, raw: bytes):
        self.raw = raw
        self._fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])

    def __getitem__(self, name: str) -> Any:
        return msgspec.json.decode(self._fields[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class BackendRecord:
    """One backend as clients see it. `configuration` and `properties` are the wire objects, as JSON."""

    name: str
    configuration: Mapping[str, Any]
    properties: Mapping[str, Any] | None  # None: nothing is calibrated (ideal simulators)
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


def written(value: Any) -> bytes:
    """A record, or what was made of one, as JSON; packed objects are copied as they are."""
    return msgspec.json.encode(value, enc_hook=_unpacked)


def _unpacked(value: object) -> msgspec.Raw:
    if isinstance(value, PackedObject):
        return msgspec.Raw(value.raw)
    raise TypeError(f"{type(value).__name__} has no JSON.")


def read_record(body: bytes) -> BackendRecord:
    """A record from its JSON, what is large in it still packed."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    small = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name not in LARGE}
    record = msgspec.convert(small | {"configuration": {}, "properties": None}, BackendRecord)
    calibrated = fields.get("properties", NULL) != NULL
    return replace(
        record,
        configuration=PackedObject(bytes(fields["configuration"])),
        properties=PackedObject(bytes(fields["properties"])) if calibrated else None,
    )


def check_calibration(backend: BackendRecord, calibration: str) -> None:
    """Refuse a calibration that the backend has not."""
    if calibration not in backend.listing.get("calibrations", ()):
        raise UnknownCalibration(f"Backend {backend.name} has no calibration {calibration!r}.")
