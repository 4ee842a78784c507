"""Euler angles: right for every unitary, and quarter turns for every Clifford gate."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.testing import assert_allclose
from qiskit.circuit.library import UGate
from qiskit.quantum_info import random_unitary

from coldplate.circuits.euler import euler

GATES = {"S": np.diag([1, 1j]), "X": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2}


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.isclose(abs(np.vdot(found, expected)), 2, atol=1e-9))


def test_angles_make_the_unitary_up_to_a_phase():
    some = np.array([random_unitary(2, seed=seed).data for seed in range(50)])
    for angles, matrix in zip(euler(some), some, strict=True):
        assert same(UGate(*angles).to_matrix(), matrix)


def test_clifford_gates_have_quarter_turns():
    """Or a Clifford simulator would refuse them."""
    for word in product("SX", repeat=6):
        matrix = np.linalg.multi_dot([GATES[letter] for letter in word])
        angles = euler(matrix)
        assert_allclose(angles / (np.pi / 2), np.round(angles / (np.pi / 2)), atol=1e-9)
        assert same(UGate(*angles).to_matrix(), matrix)
