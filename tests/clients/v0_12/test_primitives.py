"""V1 primitives of the unmodified client of 2023: every option, on simulators and devices."""

from __future__ import annotations

import pytest
from old_clients import ClientError


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def close(dist, expected, tolerance=0.05):
    keys = dist.keys() | expected.keys()
    return all(abs(dist.get(key, 0) - expected.get(key, 0)) < tolerance for key in keys)


BELL = {"00": 0.5, "11": 0.5}


def test_sampler_gives_a_quasi_distribution_with_its_metadata(old):
    result = old.call("primitives.sample")
    assert close(result["dist"], BELL)
    assert result["metadata"]["shots"] == 4000
    assert result["metadata"]["circuit_metadata"] == {"size": 2}
    assert result["bound"] == pytest.approx(4000**-0.5)


def test_sampler_runs_by_the_cloud_channel_too(old_cloud):
    assert close(old_cloud.call("primitives.sample")["dist"], BELL)


def test_many_circuits_keep_their_order_and_parameters(old):
    first, second, third = old.call("primitives.sample_many")
    assert (first, third) == ({"1": 1.0}, {"0": 1.0})
    assert set(second) <= {"00", "11"}


@pytest.mark.parametrize(
    "name", [slow("simulator_mps"), slow("simulator_stabilizer"), "simulator_extended_stabilizer"]
)
def test_every_hosted_simulator_runs(old, name):
    assert close(old.call("primitives.sample", backend=name)["dist"], BELL)


def test_estimator_gives_values_and_variances(old):
    result = old.call("primitives.estimate", resilience_level=0, execution={"shots": 2000})
    assert result["values"] == pytest.approx([1, 1, 1.5], abs=0.15)
    assert [one["shots"] for one in result["metadata"]] == [2000] * 3
    assert result["metadata"][0]["variance"] == pytest.approx(0, abs=1e-9)
    assert result["metadata"][2]["variance"] == pytest.approx(4, rel=0.1)  # of 2 ZI, whose value is 0


def test_estimator_takes_library_circuits_with_parameters(old):
    told = old.call("primitives.estimate_ansatz", values=[0.1, 0.2, 0.3, 0.4])
    assert abs(told["value"] - told["exact"]) < 5 * told["error"]


@pytest.mark.parametrize("level", [slow(0), slow(1), slow(2), 3])
def test_every_optimization_level_runs_on_a_device(old, level):
    options = {"optimization_level": level, "resilience_level": 0}
    dist = old.call("primitives.sample", backend="emu_nairobi", size=3, **options)["dist"]
    assert dist["000"] + dist["111"] > 0.8


@pytest.mark.parametrize("method", [slow("trivial"), slow("dense"), "noise_adaptive", slow("sabre")])
def test_every_layout_method_runs(old, method):
    dist = old.call("primitives.sample_transpiled", backend="emu_nairobi", layout_method=method)
    assert dist["000"] + dist["111"] > 0.8


@pytest.mark.parametrize("method", [slow("basic"), slow("lookahead"), "stochastic", slow("sabre")])
def test_every_routing_method_runs(old, method):
    dist = old.call(
        "primitives.sample_transpiled",
        backend="emu_nairobi",
        routing_method=method,
        initial_layout=[0, 6, 4],
        approximation_degree=1.0,
    )
    assert dist["000"] + dist["111"] > 0.6


def test_circuit_that_is_not_to_be_transpiled_must_fit(old):
    with pytest.raises(ClientError, match="1517") as caught:
        old.call("primitives.sample_as_it_is", backend="emu_nairobi")
    assert caught.value.kind == "RuntimeJobFailureError"


@pytest.mark.parametrize("as_dict", [False, True])
def test_noise_model_of_the_user_acts(old, as_dict):
    dist = old.call("primitives.sample_noisy", as_dict=as_dict)
    # depolarizing leaves 0.45 of 00 and 11, and 0.05 of the others; reading flips 0 with 0.1 and 1 with 0.2
    expected = 0.45 * (2 * 0.1 * 0.9) + 0.45 * (2 * 0.2 * 0.8) + 0.1 * (0.9 * 0.8 + 0.1 * 0.2)
    assert dist["01"] + dist["10"] == pytest.approx(expected, abs=0.04)


def test_same_seed_gives_the_same_result(old):
    first, again, other = (old.call("primitives.sample_noisy", seed_simulator=seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_coupling_map_of_a_simulator_is_kept_to(old):
    dist = old.call("primitives.sample_noisy", coupling_map=[[0, 1], [1, 0]])
    assert 0.2 < dist["01"] + dist["10"] < 0.5


@pytest.mark.parametrize(
    ("simulator", "told"), [({"coupling_map": []}, "coupling_map"), ({"basis_gates": ["unheard"]}, "unheard")]
)
def test_simulator_that_can_not_be_fails_the_job(old, simulator, told):
    with pytest.raises(ClientError, match=told) as caught:
        old.call("primitives.sample", simulator=simulator)
    assert caught.value.kind == "RuntimeJobFailureError"
