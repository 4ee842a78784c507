"""Dynamical decoupling: which idle times get pulses, when, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import Delay, Measure, Parameter, QuantumCircuit, Reset
from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
from qiskit.quantum_info import Operator
from qiskit.transpiler import InstructionProperties, Target

from coldplate.circuits.schedule import lengths, schedule, tell_times
from coldplate.errors import IncompatibleOptions
from coldplate.mitigation.dd import DdOptions, decouple

DT = 1e-9
X, CZ, MEASURE = 10, 30, 100  # dt


def target() -> Target:
    found = Target(num_qubits=4, dt=DT)
    one, pairs = [(qubit,) for qubit in range(4)], [(0, 1), (1, 2), (2, 3)]

    def properties(places, duration):
        return {place: InstructionProperties(duration=duration * DT) for place in places}

    found.add_instruction(RZGate(Parameter("a")), properties(one, 0))
    found.add_instruction(XGate(), properties(one, X))
    found.add_instruction(SXGate(), properties(one, X))
    found.add_instruction(CZGate(), properties(pairs, CZ))
    found.add_instruction(Reset(), properties(one, MEASURE))
    found.add_instruction(Measure(), properties(one, MEASURE))
    found.add_instruction(Delay(Parameter("t")), properties(one, None or 0))
    return found


TARGET = target()


def staircase() -> QuantumCircuit:
    """Qubit 0 idles for 100 dt after its gate, qubit 3 before its own."""
    circuit = QuantumCircuit(4, 4)
    circuit.sx(range(4))
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    circuit.rz(Parameter("phi"), 0)
    circuit.cz(2, 3)
    circuit.cz(1, 2)
    circuit.cz(0, 1)
    circuit.sx(0)
    circuit.measure(range(4), range(4))
    return circuit


def timeline(circuit, qubit, method="asap"):
    """(name, start, duration) of what a qubit does, without what takes no time."""
    timed = schedule(circuit, lengths(TARGET), method=method)
    return [
        (one.instruction.name, one.start, one.duration)
        for one in timed
        if qubit in one.qubits and one.duration
    ]


@pytest.mark.parametrize("sequence", ["XX", "XpXm", "XY4"])
@pytest.mark.parametrize("slack", ["middle", "edges"])
@pytest.mark.parametrize("method", ["alap", "asap"])
def test_a_decoupled_circuit_does_the_same_in_the_same_time(sequence, slack, method):
    circuit = staircase()
    made = decouple(circuit, TARGET, DdOptions(sequence, slack, method))
    assert made.sequences > 0
    bare = circuit.remove_final_measurements(inplace=False)
    padded = made.circuit.remove_final_measurements(inplace=False)
    assert Operator(padded.assign_parameters([0.7])).equiv(Operator(bare.assign_parameters([0.7])))
    ends = [
        max(one.stop for one in schedule(one, lengths(TARGET), method="asap"))
        for one in (circuit, made.circuit)
    ]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("method", ["alap", "asap"])
def test_nothing_idles_any_more_unsaid(method):
    made = decouple(staircase(), TARGET, DdOptions(method=method))
    for qubit in range(4):
        line = timeline(made.circuit, qubit)
        assert all(first[1] + first[2] == second[1] for first, second in zip(line, line[1:], strict=False))
        assert line[0][1] == 0


def test_gates_start_as_late_or_as_soon_as_they_can():
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.x(1)
    circuit.barrier()
    circuit.x(0)
    circuit.x(0)
    circuit.x(1)
    last = [timeline(circuit, 1, method)[-1] for method in ("asap", "alap")]
    assert last == [("x", 50, 10), ("x", 60, 10)]


def test_the_middle_of_a_window_has_the_pulses_where_the_sequence_says():
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.delay(101, 0, unit="dt")
    circuit.sx(0)
    line = timeline(decouple(circuit, TARGET, DdOptions()).circuit, 0)
    assert line[1:-1] == [
        ("delay", 10, 20), ("x", 30, 10), ("delay", 40, 41), ("x", 81, 10), ("delay", 91, 20),
    ]  # fmt: skip
    edges = timeline(decouple(circuit, TARGET, DdOptions(slack="edges")).circuit, 0)
    assert [row[2] for row in edges[1:-1]] == [20, 10, 40, 10, 21]


def test_a_window_that_is_too_short_is_a_delay():
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.delay(20, 0, unit="dt")
    circuit.sx(0)
    made = decouple(circuit, TARGET, DdOptions())
    assert made.sequences == 0
    assert made.windows == 1
    assert [row[0] for row in timeline(made.circuit, 0)] == ["sx", "delay", "sx"]


@pytest.mark.parametrize("start", ["nothing", "reset"])
def test_qubits_that_wait_after_a_reset_can_be_left_alone(start):
    circuit = QuantumCircuit(1)
    if start == "reset":
        circuit.x(0)
        circuit.reset(0)
    circuit.rz(0.1, 0)
    circuit.delay(200, 0, unit="dt")
    circuit.sx(0)
    assert decouple(circuit, TARGET, DdOptions()).sequences == 1
    assert decouple(circuit, TARGET, DdOptions(skip_reset=True)).sequences == 0


def test_a_dynamic_circuit_is_refused_by_name():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    with pytest.raises(IncompatibleOptions, match=r"dynamical_decoupling.enable.*if_else"):
        decouple(circuit, TARGET, DdOptions())


def test_without_durations_nothing_is_added():
    ideal = Target.from_configuration(["rz", "sx", "cz"], 4)
    circuit = staircase()
    assert decouple(circuit, ideal, DdOptions()).circuit == circuit


@pytest.mark.parametrize(
    ("sequence", "refocused"), [("XX", True), ("XpXm", True), ("XY4", True), (None, False)]
)
def test_a_static_detuning_is_refocused(sequence, refocused):
    """A Ramsey fringe: <X> is cos(detuning x time) without decoupling, and 1 with it."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.delay(1001, 0, unit="dt")
    circuit.rz(0, 0)
    wait = circuit
    if sequence is not None:
        wait = decouple(circuit, TARGET, DdOptions(sequence)).circuit
    total = np.eye(2)
    for one in wait.data:
        if one.name == "delay":
            total = Operator(RZGate(2e-3 * one.operation.duration)).data @ total
        else:
            total = Operator(one.operation).data @ total
    plus = total[:, 0]
    fringe = 2 * (plus[0].conj() * plus[1]).real
    assert fringe == pytest.approx(1.0 if refocused else np.cos(2.002), abs=1e-5)


def test_times_are_told_as_clients_read_them():
    rows = [
        line.split(",")
        for line in tell_times(schedule(staircase(), lengths(TARGET), method="alap")).split("\n")
    ]
    assert {len(row) for row in rows} == {6}
    assert sum(row[1].startswith("cz_") for row in rows) == 10
    assert [row[2:] for row in rows if row[1].startswith("measure")][0] == [
        "Qubit 0",
        "170",
        "100",
        "acquire",
    ]
