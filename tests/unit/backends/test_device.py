"""A device is read from what is published of it, with what is missing left out."""

from __future__ import annotations

import numpy as np
import pytest

from coldplate.backends.catalog import Entry
from coldplate.backends.device import Device, ideal_target
from coldplate.backends.snapshot import IDEAL_GATES, ideal_configuration

CONFIGURATION = {
    "n_qubits": 2,
    "supported_instructions": ["sx", "cx", "rz", "measure", "reset", "delay", "if_else"],
    "gates": [
        {"name": "sx", "coupling_map": [[0], [1]]},
        {"name": "cx", "coupling_map": [[1, 0]]},
        {"name": "delay", "coupling_map": None},
    ],
    "dt": 0.25,
    "default_rep_delay": 100.0,
    "timing_constraints": {"granularity": 16, "pulse_alignment": 4},
}


def entry(name: str, value: float | None, unit: str = "") -> dict:
    return {"name": name, "value": value, "unit": unit}


PROPERTIES = {
    "qubits": [
        [
            entry("T1", 120.0, "us"),
            entry("T2", 0.05, "ms"),
            entry("readout_error", 0.2),
            entry("prob_meas1_prep0", 0.01),
            entry("prob_meas0_prep1", 0.04),
            entry("readout_length", 800.0, "ns"),
            entry("frequency", 4.9, "GHz"),
        ],
        [entry("T1", None, "us"), entry("readout_error", 0.2)],
    ],
    "gates": [
        {
            "gate": "sx",
            "qubits": [0],
            "parameters": [entry("gate_error", 0.002), entry("gate_length", 35.5, "ns")],
        },
        {"gate": "cx", "qubits": [1, 0], "parameters": [entry("gate_length", 0.4, "µs")]},
    ],
}


@pytest.fixture
def device() -> Device:
    return Device.of(CONFIGURATION, PROPERTIES)


def test_figures_are_in_base_units(device):
    assert device.t1[0] == pytest.approx(120e-6)
    assert device.t2[0] == pytest.approx(50e-6)
    assert device.readout_s[0] == pytest.approx(800e-9)
    assert device.frequencies[0] == pytest.approx(4.9e9)
    assert device.dt == pytest.approx(0.25e-9)
    assert device.rep_delay_s == pytest.approx(100e-6)


def test_what_is_unknown_does_no_harm(device):
    assert (device.t1[1], device.t2[1]) == (np.inf, np.inf)
    assert (device.readout_s[1], device.frequencies[1]) == (0, 0)


def test_misreadings_are_told_apart_where_they_are_known(device):
    assert device.readout.tolist() == [[0.01, 0.04], [0.2, 0.2]]


@pytest.mark.parametrize(
    ("name", "qubits", "seconds"),
    [
        ("sx", (0,), 35.5e-9),
        ("cx", (1, 0), 0.4e-6),
        ("measure", (0,), 800e-9),
        ("sx", (1,), 0.0),
        ("cx", (0, 1), 0.0),
        ("barrier", (0, 1), 0.0),
    ],
)
def test_seconds(device, name, qubits, seconds):
    assert device.seconds(name, qubits) == pytest.approx(seconds)


def test_target_has_the_instructions_where_they_are(device):
    target = device.target
    assert set(target.operation_names) == set(CONFIGURATION["supported_instructions"])
    assert set(target["cx"]) == {(1, 0)}
    assert set(target["rz"]) == {(0,), (1,)}  # nothing is said of its places
    assert target.instruction_supported("if_else", (0, 1))
    assert (target.granularity, target.pulse_alignment, target.min_length) == (16, 4, 1)


def test_target_has_the_figures(device):
    target = device.target
    assert target["sx"][(0,)].error == 0.002
    assert target["sx"][(1,)] is None
    assert target["cx"][(1, 0)].duration == pytest.approx(0.4e-6)
    assert target["measure"][(0,)].error == pytest.approx(0.025)
    assert target.qubit_properties[0].t1 == pytest.approx(120e-6)


@pytest.mark.parametrize("missing", ["dt", "default_rep_delay", "timing_constraints"])
def test_configuration_may_say_less(missing):
    short = {key: value for key, value in CONFIGURATION.items() if key != missing}
    device = Device.of(short, PROPERTIES)
    assert {"dt": device.dt, "default_rep_delay": device.rep_delay_s, "timing_constraints": device.timing}[
        missing
    ] == {"dt": None, "default_rep_delay": 250e-6, "timing_constraints": {}}[missing]


@pytest.mark.parametrize("name", [*IDEAL_GATES, "measure", "reset", "delay", "if_else", "while_loop"])
def test_ideal_simulator_can_do_everything_everywhere(name):
    target = ideal_target(ideal_configuration(Entry("sim_a", "ideal", qubits=5)))
    assert target.num_qubits == 5
    operation = target.operation_from_name(name)
    width = 2 if isinstance(operation, type) else operation.num_qubits
    assert target.instruction_supported(name, tuple(range(4, 4 - width, -1)))
