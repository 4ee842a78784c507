"""Resilience levels through the client of 2023: each brings values nearer to those without noise."""

from __future__ import annotations

import pytest
from old_clients import ClientError


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_level_1_of_the_sampler_is_three_times_nearer(old, size):
    told = old.call("physics.sampled", size=size, layout=[0, 1, 2, 3][:size])
    without, mitigated = told["distances"]
    assert without > 0.03
    assert mitigated <= without / 3
    assert {"readout_mitigation_overhead", "readout_mitigation_time", "shots"} <= set(told["metadata"])


def test_levels_of_the_estimator_bring_it_nearer(old):
    values = [old.call("physics.estimated", level=level, shots=8000)["value"] for level in (0, 1, 2)]
    errors = [abs(1 - value) for value in values]
    assert errors[0] > errors[1] > errors[2]


def test_zne_tells_what_it_measured(old):
    told = old.call(
        "physics.estimated", level=2, noise_factors=[1, 2, 3], extrapolator="QuadraticExtrapolator"
    )
    zne = told["metadata"]["zne"]
    assert zne["extrapolation"] == {"extrapolator": "QuadraticExtrapolator"}
    assert zne["noise_amplification"]["noise_factors"] == [1, 2, 3]
    assert zne["noise_amplification"]["noise_amplifier"] == "TwoQubitAmplifier"
    values = zne["noise_amplification"]["values"]
    assert values[0] > values[1] > values[2]
    assert len(zne["noise_amplification"]["variance"]) == 3


def test_pec_is_unbiased_and_tells_its_progress(old):
    told = old.call("physics.estimated", level=3, shots=400)
    metadata = told["metadata"]
    low, high = metadata["confidence_interval"]
    assert low <= 1 <= high
    assert abs(told["value"] - 1) < 6 * metadata["standard_error"]
    assert metadata["samples"] == int(400 * metadata["sampling_overhead"])
    assert metadata["shots"] == 128 * metadata["samples"]
    assert metadata["total_mitigated_layers"] == 12
    found = told["told"][0]["unique_layers_detected"]
    assert told["told"][0]["total_layers"] == 12
    assert [sorted(message) for message in told["told"][1:-1]] == [["msg"]] * found
    assert told["told"][-1]["total_sampling_overhead"] == pytest.approx(metadata["sampling_overhead"])


def test_too_few_noise_factors_are_refused(old):
    chosen = {"noise_factors": [1, 1, 3], "extrapolator": "LinearExtrapolator"}
    with pytest.raises(ClientError, match="LinearExtrapolator needs"):
        old.call("physics.estimated", level=2, **chosen)


def test_v1_and_v2_agree_within_error_bars(old, old_server):
    """The client of 2023 and today's, on the same device at the same server."""
    from qiskit import QuantumCircuit, transpile
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_ibm_runtime import EstimatorV2

    from coldplate.client import pointed_at

    angles = [0.3, 1.1, 2.0]
    told = old.call("physics.rotated", angles=angles)
    with pointed_at(old_server.url, old_server.key, old_server.crn) as service:
        device = service.backend("emu_nairobi")
        pubs = []
        for angle in angles:
            circuit = QuantumCircuit(2)
            circuit.ry(angle, 0)
            circuit.cx(0, 1)
            placed = transpile(circuit, device, initial_layout=[1, 3], optimization_level=0)
            observable = SparsePauliOp(["ZI", "XX"], [1.0, 0.5]).apply_layout(placed.layout)
            pubs.append((placed, observable))
        options = {"resilience_level": 1, "default_shots": 20_000}
        result = EstimatorV2(mode=device, options=options).run(pubs).result()
    for value, error, pub in zip(told["values"], told["errors"], result, strict=True):
        together = (error**2 + float(pub.data.stds) ** 2) ** 0.5
        assert abs(value - float(pub.data.evs)) < 5 * together


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CxAmplifier", "LocalFoldingAmplifier", "GlobalFoldingAmplifier"])
def test_every_amplifier_brings_values_nearer(old, name):
    plain = old.call("physics.estimated", level=1, shots=8000)["value"]
    told = old.call("physics.estimated", level=2, shots=8000, noise_amplifier=name)
    assert told["metadata"]["zne"]["noise_amplification"]["noise_amplifier"] == name
    assert abs(1 - told["value"]) < abs(1 - plain)
