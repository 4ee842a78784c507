"""Bits of shots, packed as results are, filled in component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from coldplate.backends.sampling import Bits, chunks
from coldplate.kernel import native

Bytes = NDArray[np.uint8]

AT_ONCE = 1 << 18  # shots that are packed at a time


@dataclass(frozen=True)
class Words:
    """Shots of a component in machine words, as the kernel gives them.

    Attributes:
        table: Shape ``(num_shots, num_words)``; bit k of the component is bit k of its row.
    """

    table: NDArray[np.uint64]

    def bits(self, num_bits: int) -> Bits:
        """The same as booleans, shape ``(num_shots, num_bits)``."""
        little = self.table.astype("<u8", copy=False).view(np.uint8)
        return np.unpackbits(little, axis=-1, bitorder="little", count=num_bits).astype(bool)


class Table:
    """Shots of all registers of a circuit, a row each; bit 0 of a register is in its last byte's lowest bit.

    Args:
        circuit: Whose registers.
        num_shots: Of all elements together.
    """

    def __init__(self, circuit: QuantumCircuit, num_shots: int):
        self._columns: dict[str, slice] = {}
        self._places: dict[int, list[tuple[str, int]]] = {}  # of each bit of the circuit: register and place
        index, width = {bit: place for place, bit in enumerate(circuit.clbits)}, 0
        for register in circuit.cregs:
            self._columns[register.name] = slice(width, width + (len(register) + 7) // 8)
            width = self._columns[register.name].stop
            for place, bit in enumerate(register):
                self._places.setdefault(index[bit], []).append((register.name, place))
        self._rows = np.zeros((num_shots, width), dtype=np.uint8)

    def add_words(self, words: Words, clbits: Sequence[int]) -> None:
        """Bits of a component; bit k is ``clbits[k]`` of the circuit."""
        moves = [
            (bit, 8 * (self._columns[name].stop - 1 - place // 8) + place % 8)
            for bit, clbit in enumerate(clbits)
            for name, place in self._places.get(clbit, ())
        ]
        native().place_bits(words.table, np.array(moves, dtype=np.int32).reshape(-1, 2), self._rows)

    def add_bits(self, bits: Bits, clbits: Sequence[int]) -> None:
        """The same from booleans, shape ``(num_shots, num_bits)``."""
        for name, columns in self._columns.items():
            moves = [
                (bit, place)
                for bit, clbit in enumerate(clbits)
                for register, place in self._places.get(clbit, ())
                if register == name
            ]
            if not moves:
                continue
            taken, places = (np.array(one) for one in zip(*moves, strict=True))
            width = 8 * (columns.stop - columns.start)
            for part in chunks(len(bits), AT_ONCE):
                spread = np.zeros((len(bits[part]), width), dtype=bool)
                spread[:, width - 1 - places] = bits[part][:, taken]
                self._rows[part, columns] |= np.packbits(spread, axis=-1)

    def registers(self, shape: tuple[int, ...]) -> dict[str, Bytes]:
        """What each register showed, shape ``(*shape, num_bytes)``, where `shape` ends with the shots."""
        assert prod(shape) == len(self._rows)
        return {
            name: np.ascontiguousarray(self._rows[:, columns]).reshape(*shape, columns.stop - columns.start)
            for name, columns in self._columns.items()
        }
