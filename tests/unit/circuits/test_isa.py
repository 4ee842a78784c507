"""Circuits that a target can't run are refused, and told why."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import IfElseOp, Parameter
from qiskit.transpiler import CouplingMap, Target

from coldplate.circuits.isa import check_isa, check_rzz_values
from coldplate.circuits.program import Item
from coldplate.errors import NotIsa


@pytest.fixture
def target() -> Target:
    gates = ["rz", "sx", "x", "cz", "rzz", "if_else", "measure"]
    return Target.from_configuration(
        gates,
        num_qubits=3,
        coupling_map=CouplingMap([[0, 1], [1, 2]]),
        custom_name_mapping={"if_else": IfElseOp},
    )


def with_branch(add) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        add(circuit)
    return circuit


def plain(add) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 1)
    add(circuit)
    return circuit


@pytest.mark.parametrize("place", [plain, with_branch])
@pytest.mark.parametrize(
    ("add", "message"),
    [
        pytest.param(lambda c: c.h(0), "h is not supported at all", id="gate"),
        pytest.param(lambda c: c.cz(0, 2), r"cz is not supported on qubits \[0, 2\]", id="pair"),
        pytest.param(lambda c: c.rzz(2.0, 0, 1), r"the angle 2, outside \[0, pi/2\]", id="large angle"),
        pytest.param(lambda c: c.rzz(-0.1, 1, 2), r"qubits \[1, 2\] has the angle -0.1", id="small angle"),
    ],
)
def test_what_the_target_lacks_is_refused(target, place, add, message):
    with pytest.raises(NotIsa, match=message):
        check_isa(place(add), target, simulator=False)


@pytest.mark.parametrize("place", [plain, with_branch])
def test_what_the_target_has_is_taken(target, place):
    def add(circuit):
        circuit.sx(0)
        circuit.cz(1, 2)
        circuit.rzz(math.pi / 2, 0, 1)
        circuit.barrier()

    check_isa(place(add), target, simulator=False)


def test_simulator_takes_any_gate_but_no_more_qubits_than_it_has(target):
    check_isa(plain(lambda c: c.ccx(0, 1, 2)), target, simulator=True)
    with pytest.raises(NotIsa, match="4 qubits, the backend 3"):
        check_isa(QuantumCircuit(4), target, simulator=True)


@pytest.mark.parametrize("bad", [-0.2, 1.0])
def test_angles_of_rzz_are_checked_with_their_values(bad):
    angle = Parameter("t")
    circuit = QuantumCircuit(2)
    circuit.rzz(2 * angle, 0, 1)
    check_rzz_values(Item(circuit, np.array([[0.0], [0.7]]), shots=1))
    check_rzz_values(Item(circuit, np.zeros((0, 1)), shots=1))
    with pytest.raises(NotIsa, match="outside"):
        check_rzz_values(Item(circuit, np.array([[0.1], [bad]]), shots=1))


@pytest.mark.parametrize("simulator", [True, False])
def test_width_is_checked_for_everyone(target, simulator):
    check_isa(QuantumCircuit(3), target, simulator=simulator)
    with pytest.raises(NotIsa, match="4 qubits, the backend 3"):
        check_isa(QuantumCircuit(4), target, simulator=simulator)


def test_two_qubit_gates_go_one_way_only(target):
    circuit = QuantumCircuit(3)
    circuit.cz(2, 1)
    with pytest.raises(NotIsa, match=r"cz is not supported on qubits \[2, 1\]"):
        check_isa(circuit, target, simulator=False)


def test_qubits_inside_control_flow_are_those_of_the_device(target):
    """A body numbers its own qubits: its pair 0, 1 may be the device's 2, 0."""
    body = QuantumCircuit(2)
    body.cz(0, 1)
    taken, refused = QuantumCircuit(3, 1), QuantumCircuit(3, 1)
    taken.if_else((taken.clbits[0], 1), body, None, [1, 2], [])
    refused.if_else((refused.clbits[0], 1), body, None, [2, 0], [])
    check_isa(taken, target, simulator=False)
    with pytest.raises(NotIsa, match=r"cz is not supported on qubits \[2, 0\]"):
        check_isa(refused, target, simulator=False)


def test_control_flow_that_the_target_lacks_is_refused(target):
    circuit = QuantumCircuit(3)
    with circuit.for_loop(range(2)):
        circuit.x(0)
    with pytest.raises(NotIsa, match="for_loop is not supported at all"):
        check_isa(circuit, target, simulator=False)


def test_angles_of_rzz_inside_control_flow_are_checked_with_their_values():
    angle = Parameter("t")
    circuit = QuantumCircuit(3, 1)
    with circuit.if_test((0, 1)):
        circuit.rzz(angle, 2, 1)
    check_rzz_values(Item(circuit, np.array([0.3]), shots=1))
    with pytest.raises(NotIsa, match=r"rzz on qubits \[2, 1\] has the angle 1.7"):
        check_rzz_values(Item(circuit, np.array([1.7]), shots=1))


@pytest.mark.parametrize("angle", [0.0, -1e-12, math.pi / 2, math.pi / 2 + 1e-12])
def test_rounding_does_not_make_an_rzz_angle_bad(target, angle):
    check_isa(plain(lambda c: c.rzz(angle, 0, 1)), target, simulator=False)
