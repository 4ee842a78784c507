"""How a device tells 0 from 1: points in the IQ plane, and bits that are misread.

Both come from the same two figures of a qubit, its probabilities to read 1 for 0 and 0 for 1. Points lie
in two Gaussian blobs on a line, 0 on its negative side; reading the sign of their place on the line
misreads exactly as often as the figures say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from scipy.special import ndtri

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Points = NDArray[np.complex128]

DENSE = 0.1  # probability from which drawing every trial is faster
LEAST = 1e-6  # misreading that a perfect qubit's blobs still overlap by
SCALE = 1e6  # arbitrary units, of the size that devices return
GOLDEN = np.pi * (3 - np.sqrt(5))  # between the lines of neighbouring qubits


@dataclass(frozen=True)
class Beside:
    """Bits that are read at the same time as a neighbour's.

    Attributes:
        of: For each such bit, the bits of its neighbours.
        added: What each of them that is 1 adds to both probabilities to misread.
    """

    of: Mapping[int, tuple[int, ...]]
    added: float

    def errors(self, bit: int, rows: Bits, errors: Floats) -> Floats:
        """The probabilities of one bit, given what all bits are; shape ``(2, num_rows)``."""
        ones = rows[:, list(self.of.get(bit, ()))].sum(axis=1)
        found: Floats = np.minimum(1.0, errors[bit][:, None] + self.added * ones)
        return found

    def most(self, bit: int, errors: Floats) -> float:
        """The largest of these probabilities."""
        return float(min(1.0, errors[bit].max() + self.added * len(self.of.get(bit, ()))))


NOBODY = Beside({}, 0.0)


@dataclass(frozen=True)
class Crosstalk:
    """How neighbours that are read disturb each other: each that is 1 adds to the probabilities to misread.

    Attributes:
        pairs: Coupled qubits.
        added: By each neighbour.
    """

    pairs: frozenset[tuple[int, int]]
    added: float

    def beside(self, circuit: QuantumCircuit) -> Beside:
        """Which bits are read beside which: those of the last measurements of coupled qubits."""
        qubits = {qubit: index for index, qubit in enumerate(circuit.qubits)}
        bits = {bit: index for index, bit in enumerate(circuit.clbits)}
        shown = {bits[one.clbits[0]]: qubits[one.qubits[0]] for one in circuit.data if one.name == "measure"}
        last = {qubits[one.qubits[0]]: bits[one.clbits[0]] for one in circuit.data if one.name == "measure"}
        found: dict[int, list[int]] = {}
        for first, second in sorted(self.pairs):
            ends = [last.get(first, -1), last.get(second, -1)]
            if [shown.get(bit) for bit in ends] == [first, second]:
                found.setdefault(ends[0], []).append(ends[1])
                found.setdefault(ends[1], []).append(ends[0])
        return Beside({bit: tuple(others) for bit, others in found.items()}, self.added)


def misread(bits: Bits, errors: Floats, rng: Generator, beside: Beside = NOBODY) -> None:
    """Flip bits as often as they are misread, in place.

    Args:
        bits: Shape ``(..., num_bits)``, contiguous.
        errors: Probabilities to read 1 for 0 and 0 for 1, shape ``(num_bits, 2)``.
        beside: Which bits disturb each other.
    """
    rows = bits.reshape(-1, bits.shape[-1])
    flips = []
    for bit in range(rows.shape[1]):
        most = beside.most(bit, errors)
        places = successes(len(rows), most, rng)
        if len(places):
            one_for_zero, zero_for_one = beside.errors(bit, rows[places], errors)
            wrong = np.where(rows[places, bit], zero_for_one, one_for_zero)
            flips.append((bit, places[most * rng.random(len(places)) < wrong]))
    for bit, places in flips:
        rows[places, bit] ^= True


def misread_words(words: NDArray[np.uint64], errors: Floats, rng: Generator) -> None:
    """The same for bits in words, shape ``(num_shots, num_words)``, that don't disturb each other."""
    for bit, (one_for_zero, zero_for_one) in enumerate(errors):
        most = max(one_for_zero, zero_for_one)
        places = successes(len(words), most, rng)
        column, shift = words[:, bit // 64], np.uint64(bit % 64)
        ones = column[places] >> shift & np.uint64(1) == 1
        wrong = most * rng.random(len(places)) < np.where(ones, zero_for_one, one_for_zero)
        column[places[wrong]] ^= np.uint64(1) << shift


def successes(number: int, probability: float, rng: Generator) -> NDArray[np.intp]:
    """Which of some independent trials succeed, ascending; the work grows with their successes alone."""
    if probability > DENSE:
        return np.flatnonzero(rng.random(number) < probability)
    if probability <= 0.0:
        return np.zeros(0, dtype=np.intp)
    found, reached = [], -1
    while reached < number:
        expected = (number - reached) * probability
        steps = rng.geometric(probability, int(expected + 4 * np.sqrt(expected) + 4))
        found.append(reached + np.cumsum(steps))
        reached = int(found[-1][-1])
    places = np.concatenate(found)
    return places[: np.searchsorted(places, number)]


def points(bits: Bits, errors: Floats, rng: Generator, beside: Beside = NOBODY) -> Points:
    """Points as a device measures them, without directions: the real part tells the bit by its sign.

    Args:
        bits: What the qubits were, shape ``(..., num_bits)``, contiguous.
        errors, beside: As for `misread`.
    """
    distances: Floats = ndtri(np.clip(errors, LEAST, 1 - LEAST))
    centres = np.where(bits, -distances[:, 1], distances[:, 0])
    rows = bits.reshape(-1, bits.shape[-1])
    for bit in beside.of:
        own = ndtri(np.clip(beside.errors(bit, rows, errors), LEAST, 1 - LEAST))
        centres.reshape(rows.shape)[:, bit] = np.where(rows[:, bit], -own[1], own[0])
    found: Points = rng.standard_normal((*bits.shape, 2)).view(np.complex128)[..., 0]
    found += centres
    return found


def turned(found: Points, qubits: NDArray[np.intp]) -> Points:
    """Points in the plane of each qubit: its line has a direction of its own, in arbitrary units."""
    directions: Points = SCALE * np.exp(1j * GOLDEN * qubits)
    return found * directions
