"""Matrices applied entry by entry are matrix products."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator

from coldplate.backends.apply import apply
from coldplate.backends.blocks import evolve, merged
from coldplate.circuits.angles import Angles
from coldplate.circuits.matrices import unitary

ELEMENTS = 3


def state_of(rng, size: int, axes: int):
    shape = (*[size] * axes, ELEMENTS)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def as_product(state, matrix, axes):
    """The reference: each element by itself, with the axes in front."""
    found = np.empty_like(state)
    for element in range(ELEMENTS):
        one = matrix if matrix.ndim == 2 else matrix[..., element]
        moved = np.moveaxis(state[..., element], axes, range(len(axes)))
        product = (one @ moved.reshape(len(one), -1)).reshape(moved.shape)
        found[..., element] = np.moveaxis(product, range(len(axes)), axes)
    return found


def dense(rng, size: int):
    return rng.normal(size=(size, size)) + 0j


def sparse(rng, size: int):
    return dense(rng, size) * (rng.random((size, size)) < 0.3)


def permutation(rng, size: int):
    return np.eye(size, dtype=complex)[rng.permutation(size)]


def diagonal(rng, size: int):
    found = np.eye(size, dtype=complex)
    found[-1, -1] = np.exp(0.3j)
    return found


def nothing(rng, size: int):
    return np.zeros((size, size), dtype=complex)


@pytest.mark.parametrize("kind", [dense, sparse, permutation, diagonal, nothing])
@pytest.mark.parametrize(
    ("size", "axes"), [(2, (0,)), (2, (2,)), (2, (0, 2)), (2, (2, 0)), (2, (1, 2, 0)), (4, (1,)), (4, (2, 0))]
)
@pytest.mark.parametrize("varied", [False, True])
def test_apply_is_a_product(rng, kind, size, axes, varied):
    width = size ** len(axes)
    matrix = kind(rng, width)
    if varied:
        matrix = np.stack([matrix, matrix * 1j, kind(rng, width)], axis=-1)
    state = state_of(rng, size, 3)
    expected = as_product(state, matrix, axes)
    apply(state, matrix, axes)
    assert_allclose(state, expected, atol=1e-12)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3, 4), (4, 1, 0, 3, 2)])
def test_large_matrices_are_multiplied_as_a_whole(rng, axes):
    matrix, state = dense(rng, 32), state_of(rng, 2, 5)
    expected = as_product(state, matrix, axes)
    apply(state, matrix, axes)
    assert_allclose(state, expected, atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_merged_gates_are_the_circuit(seed):
    """Gates of one qubit that follow each other become one, and the order of the others stays."""
    rng, angle = np.random.default_rng(seed), Parameter("t")
    circuit = QuantumCircuit(3)
    for _ in range(20):
        first, second = (int(one) for one in rng.permutation(3)[:2])
        circuit.rx(angle * rng.uniform(), first)
        circuit.rz(rng.uniform(), first)
        if rng.random() < 0.4:
            circuit.crx(angle, first, second)
    values = np.array([[0.3], [1.4], [-2.0]])
    angles = Angles([angle], values)
    state = np.zeros((2, 2, 2, ELEMENTS), dtype=complex)
    state[0, 0, 0] = 1
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    evolve(state, circuit.data, lambda one: unitary(one, angles), axis_of=place)
    for element, value in enumerate(values):
        expected = Operator(circuit.assign_parameters(value)).data[:, 0].reshape(2, 2, 2)
        assert_allclose(state[..., element], expected.transpose(), atol=1e-12)
    steps = [qubits for _, qubits in merged(circuit.data, lambda one: unitary(one, angles))]
    lone = [len(qubits) == 1 for qubits in steps]
    assert len(steps) < len(circuit.data)
    assert sum(lone) + circuit.count_ops()["crx"] == len(steps)
