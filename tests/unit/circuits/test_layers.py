"""Layers: every two-qubit gate as early as it can be, and who is twirled around it."""

from __future__ import annotations

import pytest
from qiskit.circuit import Parameter, QuantumCircuit

from coldplate.circuits.layers import Layer, LayerGate, layers
from coldplate.errors import FractionalConflict, IncompatibleOptions


def brickwork() -> QuantumCircuit:
    """Two layers on four of five qubits."""
    circuit = QuantumCircuit(5)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.cz(2, 3)
    circuit.cz(1, 2)
    return circuit


def test_gates_that_can_act_at_once_are_one_layer():
    first, second = layers(brickwork(), "active")
    assert first == Layer((LayerGate((0, 1), "cz"), LayerGate((2, 3), "cz")), (0, 1, 2, 3))
    assert second == Layer((LayerGate((1, 2), "cz"),), (1, 2))


def test_a_barrier_keeps_layers_apart():
    circuit = QuantumCircuit(4)
    circuit.cz(0, 1)
    circuit.barrier()
    circuit.cz(2, 3)
    assert [len(layer.gates) for layer in layers(circuit, "active")] == [1, 1]


@pytest.mark.parametrize(
    ("strategy", "qubits"),
    [
        ("active", [(0, 1), (2, 3)]),
        ("active-accum", [(0, 1), (0, 1, 2, 3)]),
        ("active-circuit", [(0, 1, 2, 3), (0, 1, 2, 3)]),
        ("all", [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4)]),
    ],
)
def test_the_strategy_says_which_idle_qubits_are_twirled(strategy, qubits):
    circuit = QuantumCircuit(5)
    circuit.cz(0, 1)
    circuit.barrier()
    circuit.cz(2, 3)
    assert [layer.qubits for layer in layers(circuit, strategy)] == qubits


def test_equal_layers_are_equal_whatever_order_their_gates_came_in():
    one, other = QuantumCircuit(4), QuantumCircuit(4)
    one.ecr(0, 1)
    one.ecr(2, 3)
    other.ecr(2, 3)
    other.ecr(0, 1)
    assert len({*layers(one, "active"), *layers(other, "active")}) == 1


def test_a_qubit_that_is_reset_meanwhile_is_not_twirled():
    circuit = QuantumCircuit(3)
    circuit.reset(2)
    circuit.cz(0, 1)
    (layer,) = layers(circuit, "all")
    assert layer.qubits == (0, 1)


@pytest.mark.parametrize(
    ("gate", "error", "says"),
    [
        (lambda circuit: circuit.rzz(0.3, 0, 1), FractionalConflict, "rzz"),
        (lambda circuit: circuit.rzz(Parameter("t"), 0, 1), FractionalConflict, "rzz"),
        (lambda circuit: circuit.cp(0.3, 0, 1), IncompatibleOptions, "cp is not Clifford"),
        (lambda circuit: circuit.ccx(0, 1, 2), IncompatibleOptions, "ccx acts on 3 qubits"),
    ],
)
def test_gates_that_paulis_cannot_pass_are_refused_by_name(gate, error, says):
    circuit = QuantumCircuit(3)
    gate(circuit)
    with pytest.raises(error, match=says):
        layers(circuit, "active")
