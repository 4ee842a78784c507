"""Compiled circuits come back from bytes as they were, under a key that tells all they depend on."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from tests.unit.backends.test_contract import START

from coldplate.backends import kept
from coldplate.backends.array_data import unpack
from coldplate.backends.catalog import load
from coldplate.backends.kept import Kept, read, written
from coldplate.backends.running import Running
from coldplate.circuits import cache
from coldplate.circuits.content import content_of, derived
from coldplate.circuits.program import Item, Program
from coldplate.kernel import native
from coldplate.wire.qpy import load_circuits

pytestmark = pytest.mark.skipif(native() is None, reason="the kernel was not built")


class Shelf:
    """A cache that a test looks into."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def offer(self, key: bytes, value: bytes) -> None:
        self.held[key] = value


@pytest.fixture
def shelf(monkeypatch):
    found = Shelf()
    monkeypatch.setattr(kept, "cache", lambda: found)
    monkeypatch.setattr(kept, "_of_this_job", {})
    return found


def sent(circuit: QuantumCircuit) -> QuantumCircuit:
    """A circuit as it arrives."""
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return load_circuits(file.getvalue(), expected=1)[0]


def example(angle: float = 0.4) -> QuantumCircuit:
    free = Parameter("t")
    circuit = QuantumCircuit(5, 5)
    circuit.sx(0)
    circuit.rz(2 * free + angle, 0)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    circuit.delay(1000, 1)
    circuit.measure(1, 1)
    circuit.sx(3)
    circuit.measure(3, 4)
    return circuit


def run(name: str, circuit: QuantumCircuit, **program):
    item = Item(circuit, np.array([[0.3], [1.2]]), 50, content=content_of(circuit))
    return load(name).run(Program((item,), START, **program), np.random.default_rng(7)).items[0]


def test_second_job_has_the_bits_of_the_first_without_compiling(shelf, monkeypatch):
    circuit = example()
    first = run("emu_heron_r1", sent(circuit))
    assert len(shelf.held) == 1
    monkeypatch.setattr(kept, "_of_this_job", {})
    monkeypatch.setattr(Running, "parts", property(lambda self: pytest.fail("looked at the circuit again")))
    second = run("emu_heron_r1", sent(circuit))
    assert_array_equal(first.bits["c"], second.bits["c"])
    assert first.metadata == second.metadata


def test_key_tells_circuits_backends_and_methods_apart(shelf):
    for name, angle, program in (
        ("emu_heron_r1", 0.4, {}),
        ("emu_heron_r1", 0.5, {}),
        ("emu_heron_r2", 0.4, {}),
        ("emu_heron_r1", 0.4, {"method": "statevector"}),
    ):
        run(name, sent(example(angle)), **program)
    assert len(shelf.held) == 4


@pytest.mark.parametrize("program", [{"init_qubits": False}, {"method": "aer"}, {"meas_level": "kerneled"}])
def test_what_the_kernel_does_not_run_whole_is_not_kept(shelf, program):
    circuit = QuantumCircuit(1, 1)
    circuit.rz(Parameter("t"), 0)
    circuit.measure(0, 0)
    run("emu_heron_r1", sent(circuit), **program)
    assert not shelf.held


def test_changed_copy_of_a_circuit_has_no_name():
    circuit = example()
    assert content_of(circuit) is None
    assert content_of(sent(circuit)) == content_of(sent(circuit)) is not None
    assert content_of(sent(circuit)) != content_of(sent(example(0.5)))
    assert content_of(sent(circuit).copy()) is None
    assert derived(None, 1) is None
    assert derived(b"a", 1, (2,)) == derived(b"a", 1, (2,)) != derived(b"a", 1, (3,))


def test_damaged_bytes_are_refused(shelf):
    run("emu_heron_r1", sent(example()))
    (raw,) = shelf.held.values()
    assert written(read(raw)) == raw
    size = 8 + int.from_bytes(raw[:8], "little")
    for damaged in (raw[size:-3], raw[size:] + b"x"):
        with pytest.raises(ValueError, match="bytes|buffer"):
            unpack(damaged)
    assert cache.cache().get(b"unknown") is None
    assert Kept(None).load() is None
