"""Clifford gates in one form: turns of single qubits before and after cz and swap."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction

from coldplate.backends.device import STANDARD
from coldplate.circuits.angles import Angles
from coldplate.circuits.matrices import unitary
from coldplate.errors import NotIsa

Complex = NDArray[np.complex128]

DIGITS = 6  # of angles, to which a gate is a Clifford gate
CLASSES = ("I", "H", "S", "SQRT_X", "C_XYZ", "C_ZYX")  # the turns of a qubit, up to Paulis
JOINS: dict[tuple[str, ...], Complex] = {
    (): np.eye(4, dtype=np.complex128),
    ("CZ",): np.diag([1, 1, 1, -1]).astype(np.complex128),
    ("SWAP",): np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]],
    ("CZ", "SWAP"): np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]] @ np.diag([1, 1, 1, -1]),
}


class Turn(NamedTuple):
    """One of the 24 Clifford gates of a qubit, up to a phase.

    Attributes:
        name: stim's.
        images: Where X, Y and Z go, as 0, 1, 2, signs left out.
    """

    number: int
    name: str
    images: tuple[int, int, int]


class Move(NamedTuple):
    """A part of a gate: turns, then joins of two qubits, then turns.

    Attributes:
        qubits: The gate's own.
        before, after: One turn per qubit.
        joins: Of ``CZ``, ``SWAP``.
    """

    qubits: tuple[int, ...]
    before: tuple[Turn, ...]
    joins: tuple[str, ...] = ()
    after: tuple[Turn, ...] = ()


Moves = tuple[Move, ...]


@cache
def turns() -> dict[tuple[str, str], Turn]:
    """All turns, by where they take X and Z, as stim writes it."""
    found: dict[tuple[str, str], Turn] = {}
    for name, gate in stim.gate_data().items():
        if gate.is_unitary and gate.is_single_qubit_gate:
            tableau = stim.Tableau.from_named_gate(name)
            x, y, z = ("XYZ".index(str(tableau(stim.PauliString(letter)))[1]) for letter in "XYZ")
            found[key(tableau)] = Turn(len(found), name, (x, y, z))
    return found


def key(tableau: stim.Tableau) -> tuple[str, str]:
    """Where a tableau of one qubit takes X and Z."""
    return str(tableau.x_output(0)), str(tableau.z_output(0))


@cache
def products() -> list[list[Turn]]:
    """The turn that two make: of the first and, below it, the second."""
    known = turns()
    tableaus = [stim.Tableau.from_named_gate(turn.name) for turn in known.values()]
    return [[known[key(first.then(second))] for second in tableaus] for first in tableaus]


@cache
def named(name: str) -> Turn:
    """A turn by stim's name."""
    return turns()[key(stim.Tableau.from_named_gate(name))]


@cache
def z_turns() -> tuple[Moves, ...]:
    """rz by 0, 1, 2 and 3 quarter turns."""
    return tuple((Move((0,), (named(name),)),) for name in ("I", "S", "Z", "S_DAG"))


def moves(instruction: CircuitInstruction, angles: Angles) -> Moves:
    """A gate as moves, with the angles of one element.

    Raises:
        NotIsa: It is not a Clifford gate.
    """
    known = quick(instruction, angles)
    if known is None:
        found = unitary(instruction, angles)
        one = found if found.ndim == 2 else found[0]
        leading = one.flat[np.flatnonzero(np.abs(one) > 0.1)[0]]
        rounded = np.round(one * (abs(leading) / leading), DIGITS) + 0.0  # without a phase, and without -0
        known = decompose(rounded.tobytes(), len(rounded))
    if known is None:
        shown = ", ".join(f"{np.atleast_1d(angles.of(value))[0]:.6g}" for value in instruction.params[:3])
        raise NotIsa(
            f"{instruction.name}({shown}) is not a Clifford gate, and this backend runs no others.",
            solution="Use angles that are multiples of pi/2, or another backend.",
        )
    return known


def quick(instruction: CircuitInstruction, angles: Angles) -> Moves | None:
    """The same for a standard gate whose angles are quarter turns, from memory."""
    if not instruction.is_standard_gate():
        return None
    params = instruction.params
    if not params:
        return standard(instruction.name, ())
    counted = quarters(np.array([np.atleast_1d(angles.of(value))[0] for value in params]))
    return None if counted is None else standard(instruction.name, tuple(int(n) % 8 for n in counted))


def quarters(turned: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Angles in quarter turns; None when some are none."""
    found = np.round(turned / (np.pi / 2))
    return found if np.abs(turned - found * (np.pi / 2)).max(initial=0) < 10.0**-DIGITS else None


@cache
def standard(name: str, turned: tuple[int, ...]) -> Moves | None:
    """A standard gate at quarter turns; None when it is not Clifford."""
    gate = type(STANDARD[name])(*(number * np.pi / 2 for number in turned)) if turned else STANDARD[name]
    table = np.asarray(gate.to_matrix(), dtype=np.complex128)
    return decompose(table.tobytes(), len(table))


@cache
def decompose(table: bytes, size: int) -> Moves | None:
    """A unitary as moves; None when it is not Clifford."""
    gate = np.frombuffer(table, dtype=np.complex128).reshape(size, size)
    try:
        tableau = stim.Tableau.from_unitary_matrix(gate, endian="little")
    except ValueError:
        return None
    # stim takes the nearest Clifford of some that are none
    nearest = tableau.to_unitary_matrix(endian="little")
    overlap = np.vdot(nearest, gate)
    if not np.allclose(nearest * (overlap / abs(overlap)), gate, rtol=0, atol=10.0 ** (1 - DIGITS)):
        return None
    if size == 2:
        return (Move((0,), (turns()[key(tableau)],)),)
    if size == 4:
        return (joined(nearest),)
    return tuple(
        part._replace(qubits=tuple(target.value for target in group))
        for one in tableau.to_circuit()
        for group in one.target_groups()
        for part in known_to_stim(one.name)
    )


@cache
def known_to_stim(name: str) -> Moves:
    """One of stim's own gates."""
    table = np.asarray(stim.Tableau.from_named_gate(name).to_unitary_matrix(endian="little"), np.complex128)
    found = decompose(table.tobytes(), len(table))
    assert found is not None
    return found


def joined(gate: Complex) -> Move:
    """A Clifford gate of two qubits; every one has such a form."""
    matrices = {name: np.asarray(stim.gate_data(name).unitary_matrix, np.complex128) for name in CLASSES}
    for joins, (first, second) in product(JOINS, product(CLASSES, repeat=2)):
        inner = JOINS[joins] @ np.kron(matrices[second], matrices[first])
        after = factors(gate @ inner.conj().T)
        if after is not None:
            return Move((0, 1), (named(first), named(second)), joins, after)
    raise AssertionError("not a Clifford gate")


def factors(gate: Complex) -> tuple[Turn, Turn] | None:
    """The turns of two qubits that a gate is; None: it joins them."""
    table = gate.reshape(2, 2, 2, 2).transpose(1, 3, 0, 2).reshape(4, 4)  # first qubit, second qubit
    left, sizes, right = np.linalg.svd(table)
    if sizes[1] > 10.0 ** (1 - DIGITS):
        return None
    parts = [np.sqrt(2) * part.reshape(2, 2) for part in (left[:, 0], right[0])]
    first, second = (turns()[key(stim.Tableau.from_unitary_matrix(one, endian="little"))] for one in parts)
    return first, second
