"""A static component as a few matrices: gates of one qubit that follow each other are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Qubit

from coldplate.backends.apply import apply

Array = NDArray[Any]
MatrixOf = Callable[[CircuitInstruction], Array]


def merged(
    instructions: Iterable[CircuitInstruction], matrix_of: MatrixOf
) -> Iterator[tuple[Array, tuple[Qubit, ...]]]:
    """Matrices and the qubits they act on, in order.

    Args:
        matrix_of: Gives an instruction's matrix, shape ``(d, d)`` or ``(num_elements, d, d)``.
    """
    pending: dict[Qubit, Array] = {}
    for instruction in instructions:
        qubits, matrix = instruction.qubits, matrix_of(instruction)
        if len(qubits) == 1:
            before = pending.get(qubits[0])
            pending[qubits[0]] = matrix if before is None else matrix @ before
            continue
        for qubit in qubits:
            if qubit in pending:
                yield pending.pop(qubit), (qubit,)
        yield matrix, qubits
    for qubit, matrix in pending.items():
        yield matrix, (qubit,)


def evolve(
    state: Array,
    instructions: Iterable[CircuitInstruction],
    matrix_of: MatrixOf,
    *,
    axis_of: dict[Qubit, int],
) -> None:
    """Apply instructions to a state of shape ``(d, ..., d, num_elements)``, in place."""
    for matrix, qubits in merged(instructions, matrix_of):
        table = matrix if matrix.ndim == 2 else np.moveaxis(matrix, 0, -1)
        apply(state, table, tuple(axis_of[qubit] for qubit in reversed(qubits)))
