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
from coldplate.backends.clifford_gates import JOINS, moves, turns
from coldplate.backends.clifford_steps import read
from coldplate.backends.clifford_writer import Writer
from coldplate.backends.frames import Frames, propagate
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
    """What moves do, up to a phase."""
    circuit = QuantumCircuit(num_qubits)
    for move in found:
        for qubit, turn in zip(move.qubits, move.before, strict=True):
            circuit.unitary(stim.gate_data(turn.name).unitary_matrix, qubit)
        for join in move.joins:
            circuit.unitary(JOINS[join,], move.qubits)
        for qubit, turn in zip(move.qubits, move.after, strict=bool(move.after)):
            circuit.unitary(stim.gate_data(turn.name).unitary_matrix, qubit)
    return Operator(circuit)


@pytest.mark.parametrize("name", sorted({*CLIFFORD_GATES} - {"rz"}))
def test_gate_is_written_as_moves(name):
    instruction, expected = instruction_of(STANDARD[name])
    assert as_operator(moves(instruction, NONE), expected.num_qubits).equiv(expected, atol=1e-6)


@pytest.mark.parametrize("quarters", range(-4, 9))
@pytest.mark.parametrize("name", ["rz", "rx", "ry", "p", "rzz", "rxx", "cp"])
@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_quarter_turns_are_clifford_gates(name, quarters, rounding):
    turns = 2 * quarters if name == "cp" else quarters
    instruction, _ = instruction_of(STANDARD[name], turns * np.pi / 2 + rounding)
    _, expected = instruction_of(STANDARD[name], turns * np.pi / 2)
    assert as_operator(moves(instruction, NONE), expected.num_qubits).equiv(expected, atol=1e-6)


def test_there_are_24_turns():
    assert len(turns()) == 24


@pytest.mark.parametrize("num_qubits", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_any_clifford_unitary_is_written_as_moves(seed, num_qubits):
    gate = random_clifford(num_qubits, seed=seed).to_operator()
    circuit = QuantumCircuit(num_qubits)
    circuit.unitary(gate, range(num_qubits))
    assert as_operator(moves(circuit.data[0], NONE), num_qubits).equiv(gate, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_gates_of_two_qubits_are_written_the_right_way_round(seed):
    gate = random_clifford(2, seed=seed).to_operator()
    circuit = QuantumCircuit(2)
    circuit.unitary(gate, [0, 1])
    found = as_operator(moves(circuit.data[0], NONE), 2)
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
        moves(instruction, NONE)


def test_refusal_shows_the_value_not_the_parameter():
    circuit = QuantumCircuit(1)
    circuit.rz(2 * T, 0)
    with pytest.raises(NotIsa, match=r"rz\(0\.8\) is not"):
        moves(circuit.data[0], Angles([T], np.array([[0.4]])))


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
    written = written_of(component)
    assert written.last == [1, 2]  # those of the end are in the order of their bits
    assert written.circuit.num_measurements == 3


def written_of(component):
    steps = read(component, NONE, None, dt=None)
    writer = Writer(len(component.wires), len(component.bits))
    writer.write(steps, [step.moves for step in steps])
    return writer.finish()


def test_gates_at_the_same_time_are_one_line():
    circuit = QuantumCircuit(40, 40)
    for _ in range(3):
        for qubit in range(40):
            circuit.rz(np.pi / 2, qubit)
            circuit.sx(qubit)
            circuit.s(qubit)
        for qubit in range(0, 40, 2):
            circuit.cz(qubit, qubit + 1)
        for qubit in range(1, 39, 2):
            circuit.cz(qubit, qubit + 1)
    circuit.measure(range(40), range(40))
    (component,) = components(circuit)
    assert len(written_of(component).circuit) < 12


def tangled(seed: int) -> QuantumCircuit:
    """Random Clifford gates, measurements, resets, and rz with a parameter of their own."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 20)
    for place in range(60):
        first, second = (int(one) for one in rng.permutation(4)[:2])
        match rng.integers(8):
            case 0:
                circuit.measure(first, int(rng.integers(20)))
            case 1:
                circuit.reset(first)
            case 2 | 3:
                getattr(circuit, rng.choice(["cx", "cz", "ecr", "swap", "iswap"]))(first, second)
            case 4 | 5:
                circuit.rz(Parameter(f"t{place}"), first)
            case _:
                getattr(circuit, rng.choice(["h", "s", "sx", "x", "sdg"]))(first)
    for qubit in range(3):
        circuit.cz(qubit, qubit + 1)
    circuit.measure(range(4), range(4))
    return circuit


@pytest.mark.parametrize("seed", range(10))
def test_half_turns_flip_the_measurements_that_stim_says(seed):
    (component,) = components(tangled(seed))
    names = sorted({p for one in component.instructions for p in one.operation.params}, key=lambda p: p.name)
    angles = Angles(names, np.zeros((1, len(names))))
    steps = read(component, angles, None, dt=None)
    frames = Frames.of(steps, angles, alike=False)
    chosen = frames.moves(steps, angles, 0)
    seen = propagate(
        steps, chosen, {place: (1 << row).to_bytes(9) for row, place in enumerate(frames.places)}
    )
    for row, place in enumerate(frames.places):
        simulator = stim.FlipSimulator(batch_size=1, disable_stabilizer_randomization=True, num_qubits=4)
        for number, step in enumerate(steps):
            if number == place:
                simulator.do(stim.Circuit(f"Z_ERROR(1) {step.places[0]}"))
            if step.bit >= 0:
                simulator.do(stim.Circuit(f"M {step.places[0]}"))
            if step.instruction.name == "reset":  # stim may leave a Z, which means nothing there
                simulator.set_pauli_flip("I", qubit_index=step.places[0], instance_index=0)
            for move in chosen[number]:
                simulator.do(as_stim(move, step.places))
        expected = [bool(flipped >> row & 1) for flipped in seen.values()]
        assert simulator.get_measurement_flips()[:, 0].tolist() == expected


def as_stim(move, places) -> stim.Circuit:
    circuit, own = stim.Circuit(), [places[qubit] for qubit in move.qubits]
    for place, turn in zip(own, move.before, strict=True):
        circuit.append(turn.name, [place])
    for join in move.joins:
        circuit.append(join, own)
    for place, turn in zip(own, move.after, strict=bool(move.after)):
        circuit.append(turn.name, [place])
    return circuit
