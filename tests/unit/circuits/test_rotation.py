"""Rotation: it turns X, Y and Z into the measured bit, and flips it, with either set of gates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit
from qiskit.quantum_info import Statevector
from qiskit.transpiler import Target

from coldplate.circuits.rotation import Rotation, columns, fresh_names, split
from coldplate.errors import IncompatibleOptions

NATIVE = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=1)
UNIVERSAL = Target.from_configuration(basis_gates=["u", "rz", "sx", "cx"], num_qubits=1)


@pytest.mark.parametrize("target", [NATIVE, UNIVERSAL], ids=["native", "universal"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("state", "x", "z", "bit"),
    [("0", 0, 1, 0), ("1", 0, 1, 1), ("+", 1, 0, 0), ("-", 1, 0, 1), ("r", 1, 1, 0), ("l", 1, 1, 1)],
)
def test_an_eigenstate_gives_its_bit(target, flip, state, x, z, bit):
    rotation = Rotation.of(target)
    turn, phase = Parameter("turn"), Parameter("phase")
    circuit = QuantumCircuit(1)
    rotation.append(circuit, circuit.qubits[0], turn=turn, phase=phase)
    along_x, along_z = np.array(bool(x)), np.array(bool(z))
    angles = {
        turn: float(rotation.turns(along_x, flips=np.array(flip))),
        phase: float(rotation.phases(along_x, along_z)),
    }
    probabilities = Statevector.from_label(state).evolve(circuit.assign_parameters(angles)).probabilities()
    assert_allclose(probabilities[bit ^ flip], 1, atol=1e-12)


def test_a_target_without_any_rotation_is_refused():
    with pytest.raises(IncompatibleOptions, match="neither rz and sx nor u"):
        Rotation.of(Target.from_configuration(basis_gates=["h", "cx"], num_qubits=1))


def static() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    return circuit


def measured_twice() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


def feed_forward() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    return circuit


def padded() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 1)
    circuit.delay(10, 0)
    circuit.measure(0, 0)
    circuit.delay(100, 0)
    circuit.delay(100, 1)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "final", "left"),
    [
        pytest.param(static(), 2, {"h": 1, "barrier": 1}, id="static"),
        pytest.param(measured_twice(), 1, {"measure": 1, "x": 1}, id="measured-inside"),
        pytest.param(feed_forward(), 1, {"measure": 1, "if_else": 1}, id="bit-is-read-later"),
        pytest.param(padded(), 1, {"delay": 2}, id="delay-behind-goes-along"),
    ],
)
def test_final_measurements_are_those_that_nothing_depends_on(circuit, final, left):
    body, measurements = split(list(circuit.data))
    assert len(measurements) == final
    rest = circuit.copy_empty_like()
    rest.data = body
    assert dict(rest.count_ops()) == left


def test_new_names_never_meet_those_of_the_circuit():
    circuit = QuantumCircuit(1)
    circuit.rz(Parameter("_turn0"), 0)
    assert {one.name for one in fresh_names(circuit, "turn", 2)}.isdisjoint({"_turn0"})


def test_columns_follow_the_order_of_the_templates_parameters():
    circuit = QuantumCircuit(ClassicalRegister(1))
    circuit.add_bits(QuantumCircuit(1).qubits)
    for name in ("b", "a"):
        circuit.rz(Parameter(name), 0)
    assert columns(circuit, {"b": 0, "unused": 1, "a": 2}).tolist() == [2, 0]
