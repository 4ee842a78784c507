"""What can't be laid out in time is refused by name; without switches nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_aer.noise import NoiseModel

from coldplate.backends import drift
from coldplate.backends.build import build
from coldplate.backends.catalog import Entry
from coldplate.backends.coherent import Coherent
from coldplate.backends.layout import lay_out
from coldplate.circuits.program import Item, Program
from coldplate.errors import LimitExceeded

START = datetime(2026, 1, 1, tzinfo=UTC)
NOISY = {"zz_khz": 40.0, "detuning_khz": 5.0}


def backend(**switches):
    return build(Entry("emu_a", "emulated", snapshot="lagos", **switches))


def waiting() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.sx([0, 1])
    circuit.delay(1000, 0, unit="ns")
    circuit.rz(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.sx([0, 1])
    circuit.measure([0, 1], [0, 1])
    return circuit


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    return circuit


def run(device, circuit, *, seed=1, shots=50, **how):
    values = np.zeros((2, circuit.num_parameters))
    return device.run(Program((Item(circuit, values, shots),), START, **how), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("switches", "circuit", "how", "what"),
    [
        (NOISY, dynamic(), {}, "coherent noise, which can't be simulated with circuits with control flow"),
        (NOISY, waiting(), {"init_qubits": False}, "init_qubits = false"),
        (NOISY, waiting(), {"method": "stabilizer"}, "the method stabilizer"),
        ({"readout_crosstalk": 0.1}, dynamic(), {}, "readout crosstalk, which can't be .* control flow"),
    ],
)
def test_what_cannot_be_laid_out_in_time_is_refused_by_name(switches, circuit, how, what):
    with pytest.raises(LimitExceeded, match=f"emu_a has .*{what}"):
        run(backend(**switches), circuit, **how)


@pytest.mark.parametrize("mock", [False, True])
def test_mock_refuses_what_its_twin_does(mock):
    entry = Entry("emu_a", "emulated", snapshot="lagos", **NOISY)
    with pytest.raises(LimitExceeded, match="coherent noise"):
        run(build(entry.twin() if mock else entry), dynamic())


def test_noise_model_of_the_user_replaces_this_noise_too():
    device = backend(**NOISY, readout_crosstalk=0.1, over_rotation=0.1)
    plain = backend()
    found = [run(one, waiting(), noise=NoiseModel()).items[0].bits["c"] for one in (device, plain)]
    assert np.array_equal(*found)
    run(device, dynamic(), noise=NoiseModel())


@pytest.mark.parametrize(
    "off",
    [
        {"zz_khz": 0.0, "detuning_khz": 0.0, "over_rotation": 0.0, "readout_crosstalk": 0.0},
        {"zz_khz": {}, "detuning_spectrum": "1/f"},
        {"zz_khz": {"0-1": 0.0}, "detuning_khz": [0.0] * 7},
    ],
)
def test_switches_that_are_off_change_no_bit(off):
    device = backend(**off)
    assert device.coherent is None
    assert device.crosstalk is None
    found = [run(one, waiting()).items[0].bits["c"] for one in (device, backend())]
    assert np.array_equal(*found)


def test_too_many_phases_are_refused_before_they_are_drawn(monkeypatch):
    monkeypatch.setattr(drift, "memory", lambda: 10_000)
    with pytest.raises(LimitExceeded, match="The noise of 100 shots needs .* GiB of phases"):
        run(backend(**NOISY), waiting())


def test_same_seed_gives_the_same_shots():
    device = backend(**NOISY, detuning_spectrum="1/f")
    first, second, other = (run(device, waiting(), seed=seed).items[0].bits["c"] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_gates_are_as_late_as_they_can_be():
    device = backend().device
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    circuit.x(2)
    circuit.barrier(0, 1)
    circuit.cx(0, 1)
    slots = {slot.instruction.name: slot for slot in lay_out(circuit, device)}
    lengths = {name: device.seconds(name, slot.qubits) for name, slot in slots.items()}
    assert {name: round((slot.stop - slot.start) / 1000) for name, slot in slots.items()} == {
        name: round(seconds * 1e9) for name, seconds in lengths.items()
    }
    assert slots["x"].stop == slots["cx"].stop == 0
    assert slots["sx"].stop == slots["cx"].start


def test_written_gates_are_none_that_a_device_has():
    coherent = Coherent({(0, 1): 4e4}, np.full(7, 5e3), over_rotation=0.1)
    device = backend().device
    item = drift.drifted(
        Item(waiting(), np.zeros((1, 1)), 3), device, coherent, np.random.default_rng(1), relaxing=True
    )
    added = set(item.circuit.count_ops()) - set(waiting().count_ops())
    assert added == {"p", "cp", "rzx"}
    assert not added & {name for name, _ in device.gates}
    assert (item.shape, item.shots) == ((3,), 1)


def test_compiled_programs_of_other_noise_are_not_taken_for_this_one():
    item = Item(waiting(), np.zeros((1, 1)), 3, content=b"a circuit")
    device = backend().device
    kinds = [
        Coherent({(0, 1): rate}, np.full(7, spread), flicker=flicker, over_rotation=excess)
        for rate, spread, flicker, excess in [
            (1.0, 1.0, False, 0.0),
            (2.0, 1.0, False, 0.0),
            (1.0, 2.0, False, 0.0),
        ]
        + [(1.0, 1.0, True, 0.0), (1.0, 1.0, False, 0.1)]
    ]
    names = {
        drift.drifted(item, device, kind, np.random.default_rng(1), relaxing=relaxing).content
        for kind in kinds
        for relaxing in (True, False)
    }
    assert len(names | {item.content}) == 11
    none = drift.drifted(
        replace(item, content=None), device, kinds[0], np.random.default_rng(1), relaxing=True
    )
    assert none.content is None


@pytest.mark.parametrize(
    ("level", "shape"), [("kerneled", (2, 50, 2)), ("both", (2, 50, 2)), ("avg_kerneled", (2, 2))]
)
def test_points_have_the_shape_that_was_asked_for(level, shape):
    (outcome,) = run(backend(**NOISY, readout_crosstalk=0.1), waiting(), meas_level=level).items
    assert outcome.iq["c"].shape == shape
    assert outcome.bits == {} or outcome.bits["c"].shape == (2, 50, 1)


def test_no_elements_are_no_shots():
    circuit = waiting()
    program = Program((Item(circuit, np.zeros((0, 1)), 5),), START)
    (outcome,) = backend(**NOISY).run(program, np.random.default_rng(1)).items
    assert outcome.bits["c"].shape == (0, 5, 1)
