"""Angles and matrices of all elements at once are what Qiskit gives one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CPhaseGate, CRXGate, XXPlusYYGate, get_standard_gate_name_mapping
from qiskit.quantum_info import Operator

from coldplate.circuits.angles import Angles
from coldplate.circuits.matrices import FORMULAS, by_rows, matrix, unitary

T, U = Parameter("t"), Parameter("u")
VALUES = np.array([[0.3, -1.1], [2.5, 0.0], [0.3, -1.1], [-4.0, 7.0]])
GATES = sorted({*FORMULAS, "crx", "cu", "xx_plus_yy", "rzx", "r", "u2"})


@pytest.mark.parametrize(
    "expression",
    [T, 2 * T - U / 3 + 1, T * U, T.sin() + U**2, -U, abs(T), T - T + U],
    ids=str,
)
def test_expressions_are_evaluated_for_every_element(expression):
    found = Angles([T, U], VALUES).of(expression)
    expected = [
        float(expression.bind({p: row[[T, U].index(p)] for p in expression.parameters})) for row in VALUES
    ]
    assert_allclose(found, expected)


def test_numbers_stay_numbers():
    assert Angles([T, U], VALUES).of(0.25) == 0.25


def test_columns_and_rows_are_those_of_the_parameters():
    angles = Angles([T, U], VALUES)
    assert angles.columns([1.0, U * 2]) == [1]
    assert angles.columns([U, T]) == [0, 1]
    assert list(angles.at(np.array([1])).rows([U])) == [{U: 0.0}]


@pytest.mark.parametrize("name", GATES)
def test_matrices_are_those_of_the_gates(name):
    gate = get_standard_gate_name_mapping()[name].copy()
    gate.params = [[T, 2 * U, T + U, 0.4][place] for place in range(len(gate.params))]
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    used = [p for p in (T, U) if p in circuit.parameters]
    columns = VALUES[:, [[T, U].index(p) for p in used]]
    found = unitary(circuit.data[0], Angles(used, columns))
    for one, row in zip(found, columns, strict=True):
        assert_allclose(one, Operator(circuit.assign_parameters(list(row))).data, atol=1e-12)


def test_gate_without_parameters_has_one_matrix():
    circuit = QuantumCircuit(2)
    circuit.ecr(0, 1)
    assert_allclose(unitary(circuit.data[0], Angles([], np.zeros((3, 0)))), Operator(circuit).data)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_formulas_are_what_the_gates_say_row_by_row(name):
    gate = get_standard_gate_name_mapping()[name].copy()
    columns = [VALUES[:, 0], VALUES[:, 1], 0.25][: len(gate.params)]
    assert_allclose(FORMULAS[name](*columns), by_rows(gate, columns), atol=1e-12)


@pytest.mark.parametrize("kind", [CPhaseGate, CRXGate])
@pytest.mark.parametrize("state", [0, 1])
def test_control_state_is_kept(kind, state):
    found = matrix(kind(T, ctrl_state=state), Angles([T], VALUES[:, :1]))
    for one, value in zip(found, VALUES[:, 0], strict=True):
        assert_allclose(one, Operator(kind(value, ctrl_state=state)).data, atol=1e-12)


def test_evaluating_a_gate_leaves_it_as_it_was():
    gate = XXPlusYYGate(T, 0.5)
    matrix(gate, Angles([T], VALUES[:, :1]))
    assert gate.params == [T, 0.5]


def test_no_elements_have_no_matrices():
    circuit = QuantumCircuit(1)
    circuit.rx(T, 0)
    assert unitary(circuit.data[0], Angles([T], np.zeros((0, 1)))).shape == (0, 2, 2)
