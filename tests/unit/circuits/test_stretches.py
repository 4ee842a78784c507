"""Stretches: as long as they can be without anything waiting for them."""

from __future__ import annotations

import pytest
from qiskit.circuit import Duration, QuantumCircuit
from qiskit.circuit.classical import expr
from qiskit.transpiler import Target

from coldplate.backends.catalog import load
from coldplate.circuits.schedule import lengths, schedule
from coldplate.circuits.stretches import has_stretches, resolve
from coldplate.errors import BadInput


@pytest.fixture(scope="module")
def target() -> Target:
    """A Heron: x and sx take 8 dt, dt is 4 ns."""
    return load("emu_heron_r1").target


def delays(circuit, qubit):
    return [
        one.operation.duration
        for one in circuit.data
        if one.name == "delay" and one.qubits[0] == circuit.qubits[qubit]
    ]


def end(circuit, target):
    return max(one.stop for one in schedule(circuit, lengths(target), method="asap"))


def test_delays_fill_what_another_qubit_takes_and_no_more(target):
    circuit = QuantumCircuit(2)
    a, b = circuit.add_stretch("a"), circuit.add_stretch("b")
    circuit.delay(1000, 1, unit="dt")
    circuit.sx(0)
    circuit.delay(a, 0)
    circuit.delay(expr.mul(2.0, a), 0)
    circuit.delay(expr.add(b, Duration.dt(5)), 0)
    circuit.barrier()
    made = resolve(circuit, target)
    assert sum(delays(made.circuit, 0)) == 1000 - 8
    assert end(made.circuit, target) == 1000
    assert [(one["name"], one["value"]) for one in made.values] == [("a", 246), ("b", 246)]


def test_a_barrier_does_not_move(target):
    circuit = QuantumCircuit(2)
    gap = circuit.add_stretch("gap")
    circuit.x(1)
    circuit.delay(gap, 0)
    circuit.barrier()
    circuit.delay(gap, 0)
    circuit.delay(500, 1, unit="dt")
    circuit.barrier()
    made = resolve(circuit, target)
    assert delays(made.circuit, 0) == [8, 8]


def test_units_of_time_are_taken_as_the_device_counts(target):
    circuit = QuantumCircuit(1)
    circuit.delay(expr.lift(Duration.us(1)), 0)
    circuit.delay(expr.div(expr.lift(Duration.ns(80)), 2.0), 0)
    assert [one.operation.duration for one in resolve(circuit, target).circuit.data] == [250, 10]


def test_durations_that_are_not_linear_are_refused(target):
    circuit = QuantumCircuit(1)
    gap = circuit.add_stretch("gap")
    circuit.delay(expr.mul(expr.div(gap, expr.lift(Duration.dt(1))), gap), 0)
    with pytest.raises(BadInput, match="not linear"):
        resolve(circuit, target)


# --- beside and in control flow -----------------------------------------------------------------------------


def test_a_stretch_lasts_as_long_as_the_longest_branch_beside_it(target):
    circuit = QuantumCircuit(2, 1)
    gap = circuit.add_stretch("gap")
    circuit.barrier()
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.delay(300, 0, unit="dt")
    with otherwise:
        circuit.x(0)
    circuit.delay(gap, 1)
    circuit.barrier()
    made = resolve(circuit, target)
    assert delays(made.circuit, 1) == [300]
    assert made.values[0]["expanded_values"] == [[0, 300]]
    assert end(made.circuit, target) == 300


def test_a_stretch_in_a_branch_fills_what_the_other_takes(target):
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        gap = circuit.add_stretch("gap")
        circuit.x(0)
        circuit.delay(gap, 0)
        circuit.x(0)
    with otherwise:
        circuit.delay(100, 0, unit="dt")
    made = resolve(circuit, target)
    first = made.circuit.data[1].operation.blocks[0]
    assert delays(first, 0) == [100 - 16]
    assert not has_stretches(made.circuit)
    assert made.values[0]["expanded_values"] == [[16, 84]]
    assert end(made.circuit, target) == 108


def test_one_stretch_has_one_value_in_and_outside_of_control_flow(target):
    circuit = QuantumCircuit(2, 1)
    gap = circuit.add_stretch("gap")
    circuit.delay(40, 1, unit="dt")
    circuit.delay(gap, 0)
    circuit.barrier()
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.delay(gap, 0)
    with otherwise:
        circuit.delay(500, 0, unit="dt")
    made = resolve(circuit, target)
    assert delays(made.circuit, 0) == [40]
    assert delays(made.circuit.data[-1].operation.blocks[0], 0) == [40]


def test_stretches_of_one_name_in_two_blocks_are_two(target):
    circuit = QuantumCircuit(1, 1)
    for length in (50, 70):
        with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
            circuit.delay(circuit.add_stretch("gap"), 0)
        with otherwise:
            circuit.delay(length, 0, unit="dt")
    assert [one["value"] for one in resolve(circuit, target).values] == [50, 70]


def test_a_delay_in_a_loop_is_told_for_every_turn(target):
    circuit = QuantumCircuit(2)
    with circuit.for_loop(range(3)):
        circuit.delay(circuit.add_stretch("gap"), 0)
        circuit.x(1)
    (told,) = resolve(circuit, target).values
    assert told["expanded_values"] == [[0, 8], [8, 8], [16, 8]]


def test_variables_stay(target):
    circuit = QuantumCircuit(1, 1)
    kept = circuit.add_var("kept", expr.lift(False))
    gap = circuit.add_stretch("gap")
    circuit.delay(gap, 0)
    with circuit.if_test(kept):
        circuit.store(kept, expr.lift(True))
    made = resolve(circuit, target).circuit
    assert [one.name for one in made.iter_vars()] == ["kept"]


def test_beside_a_loop_of_unknown_length_stretches_are_refused(target):
    circuit = QuantumCircuit(1, 1)
    circuit.delay(circuit.add_stretch("gap"), 0)
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.x(0)
    with pytest.raises(BadInput, match="while_loop that takes nobody knows how long"):
        resolve(circuit, target)
