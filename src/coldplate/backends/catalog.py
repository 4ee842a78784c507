"""The catalog: a TOML file of backends. Importing this costs nothing; `load` imports the lab."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from coldplate.errors import ColdplateError, UnknownBackend

if TYPE_CHECKING:
    from coldplate.circuits.backend import Backend

SHIPPED = Path(__file__).with_name("catalog.toml")
KINDS = ("ideal", "emulated", "clifford")
METHODS = ("statevector", "matrix_product_state", "stabilizer", "extended_stabilizer")
MOCK = "mock"
COHERENT = ("zz_khz", "detuning_khz", "detuning_spectrum", "over_rotation")
OF_IDEAL, OF_DEVICES = (
    {"method", "qubits"},
    {"snapshot", "noise", "pace", "fractional", "readout_crosstalk", *COHERENT},
)
MEANINGLESS = {"ideal": OF_DEVICES, "emulated": OF_IDEAL, "clifford": OF_IDEAL}


class BadCatalog(ColdplateError):
    """The catalog file says something that can't be."""

    code, http, solution = 4041, 500, "Correct the catalog file; `coldplate doctor` checks it."


@dataclass(frozen=True)
class Entry:
    """One backend as the catalog names it."""

    name: str
    kind: str  # ideal, emulated, clifford
    snapshot: str | None = None
    method: str = "statevector"  # of ideal simulators
    qubits: int = 0  # of ideal simulators
    noise: bool | float = True
    pace: str = "fast"  # fast, real
    lanes: int = 5
    fractional: bool = False  # add rx and rzz
    zz_khz: float | dict[str, float] = 0.0  # between coupled qubits; by pair: {"0-1" = 40.0}
    detuning_khz: float | list[float] = 0.0  # spread; one number, or one per qubit
    detuning_spectrum: Literal["static", "1/f"] = "static"  # within one shot
    over_rotation: float = 0.0  # of two-qubit gates, as a part of their angle
    readout_crosstalk: float = 0.0  # that each neighbour read as 1 adds to the readout error
    status: str = "online"
    status_reason: str | None = None
    mock_of: str | None = None
    hosted: bool = False  # a simulator for clients before 2025 alone; no mock

    @property
    def noise_scale(self) -> float:
        """What every error probability is multiplied by."""
        return float(self.noise)

    @property
    def coherent(self) -> bool:
        """Whether it has noise for which the time counts that circuits take."""
        numbers = self.detuning_khz if isinstance(self.detuning_khz, list) else [self.detuning_khz]
        rates = self.zz_khz.values() if isinstance(self.zz_khz, dict) else [self.zz_khz]
        return any((*numbers, *rates, self.over_rotation))

    def twin(self) -> Entry:
        """The mock for dry runs; clients replace what stands before the first `_` to get its name."""
        rest = self.name.partition("_")[2]
        return replace(self, name=f"{MOCK}_{rest}", mock_of=self.name, lanes=4, pace="fast", status="online")


def read(path: Path | None = None) -> tuple[Entry, ...]:
    """All backends of a catalog, each device followed by its mock.

    Raises:
        BadCatalog: The file is not a catalog; the message names the backend and the field.
    """
    file = path or SHIPPED
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadCatalog(f"Catalog {file.name} can't be read: {error}") from error
    rows = document.pop("backends", [])
    if document or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadCatalog(f"Catalog {file.name} has something else than tables called [[backends]].")
    entries = [_entry(row) for row in rows]
    everything = [each for entry in entries for each in ((entry,) if entry.hosted else (entry, entry.twin()))]
    names = [entry.name for entry in everything]
    for name in names:
        if names.count(name) > 1:
            raise BadCatalog(f"Two backends of the catalog would be called {name!r}.")
    return tuple(everything)


def _entry(row: dict[str, Any]) -> Entry:
    name = row.get("name", "?")
    known = {field.name for field in fields(Entry)} - {"mock_of"}
    for field in row.keys() - known:
        raise BadCatalog(f"Backend {name!r}: there is no field {field!r}.")
    try:
        entry = msgspec.convert(row, Entry)
    except msgspec.ValidationError as error:
        raise BadCatalog(f"Backend {name!r}: {error}.") from error
    for field in sorted(row.keys() & MEANINGLESS.get(entry.kind, set())):
        raise BadCatalog(f"Backend {name!r}: {field} means nothing for the kind {entry.kind}.")
    for field in COHERENT if entry.kind == "clifford" else ():
        if field in row:
            raise BadCatalog(
                f"Backend {name!r}: {field} is coherent noise, and a Clifford device has Pauli noise only. "
                "Take the kind emulated."
            )
    _check(entry)
    return entry


def _check(entry: Entry) -> None:
    wrong = {
        "name": "_" not in entry.name or entry.name.startswith(MOCK),
        "kind": entry.kind not in KINDS,
        "method": entry.method not in METHODS,
        "pace": entry.pace not in ("fast", "real"),
        "lanes": entry.lanes < 1,
        "noise": entry.noise_scale < 0,
        "status": entry.status not in ("online", "paused", "offline"),
        "qubits": entry.kind == "ideal" and entry.qubits < 1,
        "snapshot": entry.kind != "ideal" and entry.snapshot is None,
        "over_rotation": not -1 < entry.over_rotation < 1,
        "readout_crosstalk": not 0 <= entry.readout_crosstalk <= 1,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise BadCatalog(f"Backend {entry.name!r}: {field} = {getattr(entry, field)!r} can't be.")


def find(name: str, path: Path | None = None) -> Entry:
    """The entry of a backend.

    Raises:
        UnknownBackend: The catalog has none of this name.
    """
    for entry in read(path):
        if entry.name == name:
            return entry
    raise UnknownBackend(f"There is no backend {name!r}.")


def load(name: str, path: Path | None = None) -> Backend:
    """A backend that can run programs.

    Raises:
        UnknownBackend: The catalog has none of this name.
    """
    from coldplate.backends.build import build  # only here: this imports Qiskit

    return build(find(name, path))
