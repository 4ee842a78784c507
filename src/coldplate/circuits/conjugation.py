"""What a Clifford gate makes of Paulis, up to signs, for arrays of Paulis at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Operation
from qiskit.quantum_info import Clifford

Bools = NDArray[np.bool_]


def conjugation(gate: Operation) -> Bools:
    """The symplectic matrix of a Clifford gate G: what ``G P G^-1`` is.

    Returns:
        Shape ``(2n, 2n)``: row k is the image of the k-th of ``X_0, X_1, ..., Z_0, Z_1, ...``, as its x bits
        and then its z bits.

    Raises:
        QiskitError: The gate is not Clifford.
    """
    return np.asarray(Clifford(gate).symplectic_matrix, dtype=bool)


def conjugated(matrix: Bools, x: Bools, z: Bools) -> tuple[Bools, Bools]:
    """Images of Paulis, given and returned as x and z bits, shape ``(..., num_qubits)``."""
    num_qubits = x.shape[-1]
    bits = np.concatenate([x, z], axis=-1)
    image = np.zeros_like(bits)
    for row, source in enumerate(matrix):
        image ^= bits[..., row, None] & source
    return image[..., :num_qubits], image[..., num_qubits:]
