"""The mock answers in the right shapes, runs nothing and charges nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter, QuantumRegister

from coldplate.backends.catalog import load
from coldplate.circuits.program import Item, Program, unpack_bits
from coldplate.errors import NotIsa

START = datetime(2026, 1, 1, tzinfo=UTC)


def circuit_of() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(60), ClassicalRegister(3, "a"), ClassicalRegister(10, "b"))
    circuit.rz(Parameter("t"), 0)
    for qubit in range(59):  # nobody could simulate this with noise
        circuit.cz(qubit, qubit + 1)
    circuit.measure(range(13), range(13))
    return circuit


def run(name: str = "mock_heron_r1", *, shots: int = 7, shape=(2, 4), circuit=None, **how):
    item = Item(circuit or circuit_of(), np.full((*shape, 1), 0.3), shots)
    return load(name).run(Program((item, item), START, **how), np.random.default_rng(5))


@pytest.mark.parametrize(
    ("level", "bits", "iq"),
    [
        ("classified", {"a": (2, 4, 7, 1), "b": (2, 4, 7, 2)}, {}),
        ("kerneled", {}, {"a": (2, 4, 7, 3), "b": (2, 4, 7, 10)}),
        ("avg_kerneled", {}, {"a": (2, 4, 3), "b": (2, 4, 10)}),
        (
            "both",
            {"a": (2, 4, 7, 1), "b": (2, 4, 7, 2)},
            {"a": (2, 4, 7, 3), "b": (2, 4, 7, 10)},
        ),
    ],
)
def test_shapes(level, bits, iq):
    outcomes = run(meas_level=level)
    assert len(outcomes.items) == 2
    for item in outcomes.items:
        assert {name: table.shape for name, table in item.bits.items()} == bits
        assert {name: table.shape for name, table in item.iq.items()} == iq


def test_nothing_is_charged_and_no_time_goes_by():
    outcomes = run()
    assert outcomes.usage_s == 0
    assert outcomes.made_up
    assert {item.span for item in outcomes.items} == {(START, START)}


def test_bits_are_random():
    bits = unpack_bits(run(shots=2000).items[0].bits["b"], 10)
    assert bits.mean(axis=(0, 1, 2)) == pytest.approx([0.5] * 10, abs=0.03)


def test_spare_bits_of_a_byte_are_0():
    assert (run(shots=500).items[0].bits["a"] < 8).all()


def test_duration_is_that_of_the_device():
    ours, twins = run(shots=1), load("emu_heron_r1")
    longest = ours.items[0].duration_s
    assert longest > 0
    assert longest == twins.execution_s(Item(circuit_of(), np.zeros((1,)), 1), Program((), START))[1]


def test_mock_refuses_what_its_twin_refuses():
    circuit = QuantumCircuit(2)
    circuit.rzz(Parameter("t"), 0, 1)
    circuit.measure_all()
    with pytest.raises(NotIsa, match="rzz"):
        item = Item(circuit, np.array([2.0]), 1)
        load("mock_heron_r2").run(Program((item,), START), np.random.default_rng(1))


@pytest.mark.parametrize(("mock", "twin"), [("mock_eagle", "emu_eagle"), ("mock_mps", "sim_mps")])
def test_mock_is_as_its_twin(mock, twin):
    ours, theirs = load(mock), load(twin)
    assert ours.name == mock
    assert ours.simulator is theirs.simulator
    assert set(ours.target.operation_names) == set(theirs.target.operation_names)
    assert ours.target.num_qubits == theirs.target.num_qubits
