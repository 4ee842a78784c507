"""`backend.run` of the provider of 2023, and the programs behind it."""

from __future__ import annotations

import pytest
from old_clients import ClientError


def test_provider_runs_circuits_on_a_device(old, old_server):
    told = old.call("runners.provider_run", token=old_server.key, url=f"{old_server.url}/api")
    assert sum(told["counts"].values()) == 1000
    assert told["counts"]["00"] + told["counts"]["11"] > 800
    assert set(map(len, told["wide"])) == {3}
    assert told["same"]
    assert told["listed"]
    assert told["status"] == "DONE"


def test_provider_knows_what_is_not_there(old, old_server):
    told = old.call("runners.provider_unknown", token=old_server.key, url=f"{old_server.url}/api")
    assert told == {"archive": [], "unknown": "IBMJobNotFoundError"}


def test_provider_has_sessions(old, old_server):
    assert old.call("runners.provider_session", token=old_server.key, url=f"{old_server.url}/api")


@pytest.mark.slow
@pytest.mark.parametrize(("end", "last"), [("close", {"DONE"}), ("cancel", {"CANCELLED", "ERROR"})])
def test_provider_ends_sessions_by_letting_jobs_finish_or_not(old, old_server, end, last):
    login = {"token": old_server.key, "url": f"{old_server.url}/api"}
    first, *_, waited = old.call("runners.provider_session_ends", end=end, **login)
    assert waited in last
    assert first in {"DONE"} | last  # it may not have begun


@pytest.mark.slow
def test_provider_sees_the_queue_and_cancels(old, old_server):
    told = old.call("runners.provider_queue", token=old_server.key, url=f"{old_server.url}/api")
    places = told.pop("places")  # the first may run already
    assert places == sorted(places)
    assert places[-1] in (2, 3)
    assert told == {"cancelled": "CANCELLED", "properties": 7, "backends": True}


def test_circuit_runner_gives_counts_and_memory(old):
    assert old.call("runners.circuit_runner") == {"counts": {"10 1": 5}, "memory": ["10 1"] * 5}


def test_qasm3_runner_takes_text(old):
    assert old.call("runners.qasm3_runner") == {"1": 7}


@pytest.mark.slow
def test_circuit_runner_mitigates_readout(old):
    told = old.call("runners.mitigated")
    assert told["sum"] == pytest.approx(1)
    assert set(map(len, told["keys"])) == {2}
    assert told["right"] > told["counted"] + 0.01


@pytest.mark.slow  # this client asks every 3 s
def test_provider_prepares_qubits_before_dynamic_circuits(old, old_server):
    told = old.call("runners.prepared", token=old_server.key, url=f"{old_server.url}/api")
    assert told == {"circuit": {"1": 50}, "resets": {"0": 50}}


def test_option_that_is_not_offered_is_refused_by_name(old):
    with pytest.raises(ClientError, match="use_measure_esp"):
        old.call("runners.circuit_runner", use_measure_esp=True)
