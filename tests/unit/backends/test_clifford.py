"""Clifford gates are written as stim's own, and any others are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import stim
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Clifford, Operator, random_clifford

from coldplate.backends.catalog import load
from coldplate.backends.clifford import Writer, steps
from coldplate.backends.snapshot import CLIFFORD_GATES
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import components
from coldplate.circuits.program import Item, Program, unpack_bits
from coldplate.errors import NotIsa

NONE = Angles([], np.zeros((1, 0)))
STANDARD = get_standard_gate_name_mapping()
T = Parameter("t")


def instruction_of(gate, *angles):
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(type(gate)(*angles) if angles else gate, range(gate.num_qubits))
    return circuit.data[0], Operator(circuit)


def as_operator(found, num_qubits: int) -> Operator:
    """What stim's gates do, up to a phase."""
    circuit = stim.Circuit()
    circuit.append("I", range(num_qubits))
    for gate, places in found:
        circuit.append(gate, places)
    return Operator(stim.Tableau.from_circuit(circuit).to_unitary_matrix(endian="little"))


@pytest.mark.parametrize("name", sorted({*CLIFFORD_GATES} - {"rz"}))
def test_gate_is_written_in_stims_gates(name):
    instruction, expected = instruction_of(STANDARD[name])
    assert as_operator(steps(instruction, NONE), expected.num_qubits).equiv(expected, atol=1e-6)


@pytest.mark.parametrize("quarters", range(-4, 9))
@pytest.mark.parametrize("name", ["rz", "rx", "ry", "p", "rzz", "rxx", "cp"])
@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_quarter_turns_are_clifford_gates(name, quarters, rounding):
    turns = 2 * quarters if name == "cp" else quarters
    instruction, _ = instruction_of(STANDARD[name], turns * np.pi / 2 + rounding)
    _, expected = instruction_of(STANDARD[name], turns * np.pi / 2)
    assert as_operator(steps(instruction, NONE), expected.num_qubits).equiv(expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_gates_of_two_qubits_are_written_the_right_way_round(seed):
    gate = random_clifford(2, seed=seed).to_operator()
    circuit = QuantumCircuit(2)
    circuit.unitary(gate, [0, 1])
    found = as_operator(steps(circuit.data[0], NONE), 2)
    assert Clifford.from_operator(found) == Clifford.from_operator(gate)


@pytest.mark.parametrize(
    ("name", "angles", "message"),
    [
        ("t", (), r"t\(\) is not"),
        ("rz", (0.1,), r"rz\(0\.1\) is not"),
        ("rz", (np.pi / 2 + 1e-4,), "is not a Clifford gate"),
        ("rx", (np.pi / 4,), r"rx\(0\.785398\) is not"),
        ("cp", (np.pi / 2,), r"cp\(1\.5708\) is not"),
        ("u", (0.3, 0.2, 0.1), r"u\(0\.3, 0\.2, 0\.1\) is not"),
        ("cs", (), "is not a Clifford gate"),
        ("ccx", (), "is not a Clifford gate"),
    ],
)
def test_other_gates_are_refused_by_name(name, angles, message):
    instruction, _ = instruction_of(STANDARD[name], *angles)
    with pytest.raises(NotIsa, match=message):
        steps(instruction, NONE)


def test_refusal_shows_the_value_not_the_parameter():
    circuit = QuantumCircuit(1)
    circuit.rz(2 * T, 0)
    with pytest.raises(NotIsa, match=r"rz\(0\.8\) is not"):
        steps(circuit.data[0], Angles([T], np.array([[0.4]])))


def test_every_element_has_its_own_angles():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1])
    circuit.cz(0, 1)
    circuit.rz(T, [0, 1])
    circuit.cz(0, 1)
    circuit.h([0, 1])
    circuit.measure_all()
    values = np.array([[0.0], [np.pi], [0.0], [2 * np.pi], [-np.pi]])
    program = Program((Item(circuit, values, 20),), datetime(2026, 1, 1, tzinfo=UTC))
    outcome = load("sim_stabilizer").run(program, np.random.default_rng(1)).items[0]
    bits = unpack_bits(outcome.bits["meas"], 3)
    assert (bits[..., :2] == (np.cos(values) < 0)[:, None, :]).all()


def test_last_measurement_into_a_bit_counts():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 1)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure(0, 1)
    circuit.measure(1, 0)
    (component,) = components(circuit)
    writer = Writer(component, None, None)
    writer.add(component.instructions, NONE)
    assert writer.last == [2, 1]
    assert writer.take().num_measurements == 3
