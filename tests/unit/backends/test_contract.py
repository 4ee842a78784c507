"""What every backend of the catalog that ships does alike."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Parameter

from coldplate.backends.catalog import load, read
from coldplate.circuits.isa import check_isa
from coldplate.circuits.program import Item, Program, unpack_bits
from coldplate.errors import NotIsa

NAMES = [entry.name for entry in read()]
DEVICES = [entry.name for entry in read() if entry.kind != "ideal"]
START = datetime(2026, 1, 1, tzinfo=UTC)
SHOTS = 400


@pytest.fixture(params=NAMES)
def backend(request):
    return load(request.param)


def bell(backend) -> QuantumCircuit:
    """A Bell pair in the backend's own gates on its best pair, beside bits that nothing is measured into."""
    target = backend.target
    native = next(name for name in ("ecr", "cz") if name in target.operation_names)
    first, second = (0, 1)
    if not backend.simulator:
        first, second = min(target[native], key=lambda one: target[native][one].error)
    circuit = QuantumCircuit(target.num_qubits)
    circuit.add_register(ClassicalRegister(9, "silent"), ClassicalRegister(3, "pair"))
    hadamard(circuit, first)
    if native == "cz":
        hadamard(circuit, second)
        circuit.cz(first, second)
        hadamard(circuit, second)
    else:  # a cx up to turns of each qubit
        circuit.rz(np.pi / 2, first)
        circuit.sx(second)
        circuit.x(first)
        circuit.ecr(first, second)
    circuit.rz(Parameter("t"), first)  # changes nothing that is measured
    circuit.measure([first, second], circuit.cregs[1][:2])
    return circuit


def hadamard(circuit: QuantumCircuit, qubit: int) -> None:
    circuit.rz(np.pi / 2, qubit)
    circuit.sx(qubit)
    circuit.rz(np.pi / 2, qubit)


def outcome_of(backend, circuit, values, **how):
    return backend.run(Program((Item(circuit, values, SHOTS),), START, **how), np.random.default_rng(2))


def test_bell_pair_in_the_backends_own_gates(backend):
    circuit = bell(backend)
    check_isa(circuit, backend.target, simulator=backend.simulator)
    values = np.array([[[0.0], [np.pi / 2]], [[np.pi], [0.0]], [[0.0], [-np.pi / 2]]])
    outcomes = outcome_of(backend, circuit, values)
    (item,) = outcomes.items
    assert {name: table.shape for name, table in item.bits.items()} == {
        "silent": (3, 2, SHOTS, 2),
        "pair": (3, 2, SHOTS, 1),
    }
    assert all(table.dtype == np.uint8 for table in item.bits.values())
    if outcomes.made_up:
        return
    assert not item.bits["silent"].any()
    bits = unpack_bits(item.bits["pair"], 3)
    assert not bits[..., 2].any()
    assert bits[..., 0].mean() == pytest.approx(0.5, abs=0.08)
    assert (bits[..., 0] == bits[..., 1]).mean() > 0.9


def test_outcomes_say_when_and_how_long(backend):
    circuit = bell(backend)
    outcomes = outcome_of(backend, circuit, np.zeros((3, 1)), rep_delay_s=0.001)
    start, stop = outcomes.items[0].span
    assert start == START
    if outcomes.made_up:
        assert (stop, outcomes.usage_s) == (START, 0)
    elif backend.simulator:
        assert (stop - start).total_seconds() == pytest.approx(3 * SHOTS * (0.001 + 1e-6))
    else:
        seconds = 3 * SHOTS * (0.001 + outcomes.items[0].duration_s)
        assert (stop - start).total_seconds() == pytest.approx(seconds, abs=2e-6)
        assert outcomes.usage_s == pytest.approx(2 + seconds)


def test_metadata_is_plain_and_names_a_method(backend):
    circuit = bell(backend)
    metadata = outcome_of(backend, circuit, np.zeros((1,))).items[0].metadata
    methods = [one["method"] for one in metadata.get("components", [metadata])]
    assert methods
    assert all(isinstance(method, str) for method in methods)


def test_too_wide_a_circuit_is_refused(backend):
    circuit = QuantumCircuit(backend.target.num_qubits + 1)
    with pytest.raises(NotIsa, match="qubits, the backend"):
        check_isa(circuit, backend.target, simulator=backend.simulator)


@pytest.mark.parametrize("name", DEVICES)
def test_devices_refuse_gates_that_are_not_theirs(name):
    backend = load(name)
    circuit = QuantumCircuit(3)
    circuit.ccx(0, 1, 2)
    with pytest.raises(NotIsa, match="ccx"):
        check_isa(circuit, backend.target, simulator=backend.simulator)
