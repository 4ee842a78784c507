"""Backends over HTTP."""

from __future__ import annotations

import pytest

from coldplate.domain.job import JobState

PATHS = ["configuration", "properties", "defaults", "status"]


def names(answer) -> list[str]:
    return [device["name"] for device in answer.json()["devices"]]


def test_mocks_are_listed_only_when_asked_for_with_a_capital_t(api):
    assert names(api.get("/v1/backends")) == ["ideal", "cold_eagle"]
    assert names(api.get("/v1/backends?include_mocks=True")) == ["ideal", "cold_eagle", "mock_eagle"]


def test_queue_length_counts_the_jobs_that_have_not_ended(api):
    api.end(api.submit(backend="cold_eagle"), JobState.FAILED)
    api.submit(backend="cold_eagle")
    api.start(api.submit(backend="cold_eagle"))
    queues = {d["name"]: d["queue_length"] for d in api.get("/v1/backends").json()["devices"]}
    assert queues == {"ideal": 0, "cold_eagle": 2}
    assert api.get("/v1/backends/cold_eagle/status").json()["length_queue"] == 2


def test_configuration_is_the_published_object(api):
    configuration = api.get("/v1/backends/cold_eagle/configuration").json()
    assert configuration["backend_name"] == "cold_eagle"
    assert configuration["n_qubits"] == 5


@pytest.mark.parametrize("path", ["configuration", "properties"])
def test_unknown_calibration_is_not_found(api, path):
    answer = api.get(f"/v1/backends/cold_eagle/{path}?calibration_id=none")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 1218)


@pytest.mark.parametrize("before", ["2020-01-01T00:00:00%2B00:00", "2026-11-25T00:00:00%2B00:00"])
def test_properties_are_answered_for_any_moment(api, before):
    answer = api.get(f"/v1/backends/cold_eagle/properties?updated_before={before}")
    assert answer.json()["backend_name"] == "cold_eagle"


def test_ideal_simulator_has_no_properties(api):
    assert api.get("/v1/backends/ideal/properties").json() is None


def test_nothing_has_pulse_defaults(api):
    assert api.get("/v1/backends/cold_eagle/defaults").json() is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["nowhere", "..", "%2e%2e%2fetc", "a" * 5000, "%0d%0a", "%ff"])
def test_unknown_backend_is_not_found(api, path, name):
    assert api.get(f"/v1/backends/{name}/{path}").status_code == 404


def test_properties_before_a_moment_that_is_none_are_refused(api):
    assert api.get("/v1/backends/cold_eagle/properties?updated_before=yesterday").status_code == 400
