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
