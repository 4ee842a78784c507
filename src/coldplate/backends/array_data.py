"""Array programs as data: what the kernel is given, and how it is kept as bytes from one job to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplate.kernel import native

Floats = NDArray[np.float64]

# in the order that the kernel takes them, with the number of columns of those that have some
FIELDS: dict[str, tuple[type, int]] = {
    "lines": (np.int32, 4),
    "constants": (np.float64, 0),
    "starts": (np.int32, 0),
    "columns": (np.int32, 0),
    "slopes": (np.float64, 0),
    "matrices": (np.complex128, 0),
    "dense": (np.complex128, 0),
    "dense_starts": (np.int32, 0),
    "dense_qubits": (np.int32, 0),
    "dense_qubit_starts": (np.int32, 0),
    "paulis": (np.float64, 0),
    "pauli_starts": (np.int32, 0),
    "damping": (np.float64, 0),
    "condition_bits": (np.int32, 0),
    "condition_bit_starts": (np.int32, 0),
    "condition_values": (np.uint64, 0),
    "condition_value_starts": (np.int32, 0),
    "finals": (np.int32, 2),
    "readout": (np.float64, 2),
}


EMPTY: dict[Any, NDArray[Any]] = {
    kind: np.zeros(0, dtype=kind) for kind in (np.float64, np.complex128, np.int32, np.uint64)
}
FIRST = np.zeros(1, dtype=np.int32)


@dataclass
class Rows:
    """Rows of different lengths, one after the other."""

    values: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])

    def add(self, row: Iterable[Any]) -> int:
        """Append a row; its number."""
        self.values.extend(row)
        self.starts.append(len(self.values))
        return len(self.starts) - 2

    def arrays(self, kind: Any) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Values, and where each row begins."""
        if not self.values and len(self.starts) == 1:
            return EMPTY[kind], FIRST
        return np.array(self.values, dtype=kind), np.array(self.starts, dtype=np.int32)


@dataclass(frozen=True)
class Arrays:
    """A component as the kernel takes it.

    Attributes:
        qubits, clbits: Of the circuit, ascending.
        static: Gates, delays and resets, then one measurement per qubit.
        parameters: The circuit's parameters that it uses, by their places in the table of values.
        arrays: By the names of `FIELDS`.
    """

    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    static: bool
    parameters: tuple[int, ...]
    arrays: Mapping[str, NDArray[Any]]

    @property
    def widest(self) -> int:
        """Qubits of the largest matrix that is neither a turn nor a standard pair."""
        return int(np.diff(self.arrays["dense_qubit_starts"]).max(initial=0))

    def program(self, *, evaluated: int = 0) -> Any:
        """The kernel's own form.

        Args:
            evaluated: Columns beside those of parameters.

        Raises:
            ValueError: The arrays are not a program.
        """
        sizes = len(self.qubits), len(self.clbits), len(self.parameters) + evaluated
        return native().Program(*sizes, *(self.arrays[name] for name in FIELDS))

    def table(self, values: Floats) -> Floats:
        """The values that its angles are functions of, shape ``(num_elements, num_parameters)``."""
        return np.ascontiguousarray(values[:, list(self.parameters)])


def pack(parts: Sequence[Arrays]) -> bytes:
    """Components as bytes."""
    heads, blobs = [], []
    for part in parts:
        arrays: list[NDArray[Any]] = [part.arrays[name].astype(kind) for name, (kind, _) in FIELDS.items()]
        heads.append([part.qubits, part.clbits, part.static, part.parameters, [one.size for one in arrays]])
        blobs += [one.tobytes() for one in arrays]
    head = json.dumps(heads).encode()
    return len(head).to_bytes(8, "little") + head + b"".join(blobs)


def unpack(raw: bytes) -> list[Arrays]:
    """The inverse of `pack`; whether the arrays make sense is the kernel's to check.

    Raises:
        ValueError: They are not components.
    """
    size = int.from_bytes(raw[:8], "little")
    at, found = 8 + size, []
    for qubits, clbits, static, parameters, sizes in json.loads(raw[8:at]):
        arrays = {}
        for (name, (kind, width)), number in zip(FIELDS.items(), sizes, strict=True):
            array: NDArray[Any] = np.frombuffer(raw, dtype=kind, count=number, offset=at)
            arrays[name] = array.reshape(-1, width) if width else array
            at += array.nbytes
        found.append(Arrays(tuple(qubits), tuple(clbits), bool(static), tuple(parameters), arrays))
    if at != len(raw):
        raise ValueError("the bytes are not components")
    return found
