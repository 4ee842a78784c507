"""What is told of a device's noise is what its emulation does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit.library import CPhaseGate, ECRGate, RZXGate
from qiskit.quantum_info import PTM, Operator, Pauli, SuperOp, average_gate_fidelity

from coldplate.backends import snapshot, truth
from coldplate.backends.catalog import Entry
from coldplate.errors import BadInput

PART = 0.03


def of(name="lagos", kind="emulated", **switches):
    return truth.truth(Entry("emu_a", kind, snapshot=name, **switches))


def gates(found, name):
    return [one for one in found["gates"] if one["gate"] == name]


@pytest.fixture(scope="module")
def told():
    return of(
        zz_khz={"0-1": 12.0},
        detuning_khz=[1.0, 2, 3, 4, 5, 6, 7],
        detuning_spectrum="1/f",
        over_rotation=PART,
        readout_crosstalk=0.01,
    )


def test_plain_device_has_the_errors_of_its_calibration():
    found = of("torino")
    _, properties = snapshot.read("torino")
    calibrated = {
        tuple(gate["qubits"]): next(one["value"] for one in gate["parameters"] if one["name"] == "gate_error")
        for gate in properties["gates"]
        if gate["gate"] == "cz"
    }
    for gate in gates(found, "cz"):
        error = calibrated[tuple(gate["qubits"])]
        assert gate["by_over_rotation"] == gate["over_rotation_rad"] == 0
        if gate["depolarization"] and error < 0.5:
            assert gate["error"] == pytest.approx(error, rel=1e-6)
            assert gate["by_relaxation"] + gate["by_depolarization"] == pytest.approx(error, rel=0.02)
        else:
            assert gate["error"] >= min(error, 0.5)
    assert found["spectrum"] == {"kind": "none"}
    assert {pair["zz_khz"] for pair in found["pairs"]} == {0.0}


def test_switches_are_told(told):
    assert [pair for pair in told["pairs"] if pair["zz_khz"]] == [{"qubits": [0, 1], "zz_khz": 12.0}]
    assert [qubit["detuning_khz"] for qubit in told["qubits"]] == [1, 2, 3, 4, 5, 6, 7]
    assert told["spectrum"]["kind"] == "1/f"
    assert len(told["spectrum"]["correlation_times_us"]) == 14
    assert (told["over_rotation"], told["readout_crosstalk"]) == (PART, 0.01)


def test_over_rotation_is_told_as_the_infidelity_it_makes(told):
    for gate in gates(told, "cx"):
        assert gate["over_rotation_rad"] == pytest.approx(np.pi / 2 * PART)
        assert gate["by_over_rotation"] == pytest.approx(
            1 - average_gate_fidelity(Operator(RZXGate(np.pi / 2 * PART)))
        )
    assert {gate["by_over_rotation"] for gate in gates(told, "sx")} == {0.0}


@pytest.mark.parametrize(
    ("name", "actual"),
    [
        ("cz", Operator(CPhaseGate(np.pi * (1 + PART)))),
        ("ecr", Operator(RZXGate(np.pi / 2 * PART)) & Operator(ECRGate())),
    ],
)
def test_over_rotation_follows_the_ideal_gate(name, actual):
    ideal = Operator(truth.STANDARD[name])
    transfer, _ = truth.excess(name, PART, num_qubits=2)
    expected = PTM(actual).data
    assert_allclose(transfer @ PTM(ideal).data, expected, atol=1e-9)


def test_rates_are_those_of_the_twirled_gate(told):
    gate = gates(told, "cx")[2]
    strings = ["".join(letters) for letters in product("IXYZ", repeat=2)]
    found = SuperOp(np.eye(16))
    for string, rate in gate["pauli_lindblad"].items():
        flip = (1 - np.exp(-2 * rate)) / 2
        found = found & ((1 - flip) * SuperOp(np.eye(16)) + flip * SuperOp(Operator(Pauli(string))))
    fidelities = PTM(found).data.diagonal().real
    process = fidelities.sum() / 16
    assert 1 - (4 * process + 1) / 5 == pytest.approx(gate["error"], rel=1e-6)
    assert list(gate["pauli_lindblad"]) == strings[1:]


def test_scaled_noise_is_told_scaled():
    plain, double, none = (of(noise=noise) for noise in (True, 2.0, False))
    assert double["qubits"][0]["t1_us"] == pytest.approx(plain["qubits"][0]["t1_us"] / 2)
    assert double["qubits"][0]["reads_1_for_0"] == pytest.approx(2 * plain["qubits"][0]["reads_1_for_0"])
    assert none["qubits"][0]["t1_us"] is None
    assert {gate["error"] for gate in none["gates"]} == {0.0}


def test_clifford_device_is_told_and_an_ideal_simulator_has_nothing_to_tell():
    assert of(kind="clifford")["kind"] == "clifford"
    with pytest.raises(BadInput, match="sim_a is an ideal simulator"):
        truth.truth(Entry("sim_a", "ideal", qubits=2))
