"""Stretches: as long as they can be without anything waiting for them."""

from __future__ import annotations

import pytest
from qiskit.circuit import Duration, QuantumCircuit
from qiskit.circuit.classical import expr
from qiskit.transpiler import Target

from coldplate.backends.catalog import load
from coldplate.circuits.schedule import lengths, schedule
from coldplate.circuits.stretches import resolve
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
