"""Jobs and sessions of the client of 2023: their lives, lists and ends, by http."""

from __future__ import annotations

import pytest
from old_clients import ClientError


def test_job_tells_all_that_a_user_may_ask(old):
    told = old.call("jobs.life")
    assert told == {
        "status": "DONE",
        "program": "sampler",
        "backend": "ibmq_qasm_simulator",
        "tags": ["one", "two"],
        "same": True,
        "inputs": [
            *("circuit_indices", "circuits", "parameter_values", "parameters"),
            *("resilience_settings", "run_options", "transpilation_settings"),
        ],
        "shots": 4000,
        "circuit": True,
        "created": True,
        "times": ["created", "finished", "running"],
        "seconds": True,
        "logs": True,
        "interim": [],
        "error": None,
        "session": None,
        "estimate": ["quantum_seconds"],
        "image": None,
    }


def test_failed_job_says_why_with_its_code(old):
    told = old.call("jobs.failed")
    assert told["status"] == "ERROR"
    assert told["message"].splitlines()[1].startswith("Error code 1517; ")


def test_jobs_are_found_by_every_filter(old):
    assert old.call("jobs.listed") == {
        "newest": [2, 1, 0],
        "oldest": [0, 1, 2],
        "limit": [2, 1],
        "skip": [0],
        "pending": [],
        "ended": 3,
        "backend": 3,
        "other": 0,
        "program": 3,
        "after": 3,
        "before": 0,
        "instance": 3,
        "all": 3,
    }


def test_jobs_are_listed_by_the_cloud_channel(old_cloud):
    assert old_cloud.call("jobs.retagged") == ["new", "newer"]


def test_tags_can_be_changed(old):
    assert old.call("jobs.retagged") == ["new", "newer"]


@pytest.mark.parametrize("name", ["deleted", "unknown"])
def test_job_that_is_not_there_is_not_found(old, name):
    with pytest.raises(ClientError) as caught:
        old.call(f"jobs.{name}")
    assert caught.value.kind == "RuntimeJobNotFound"


def test_running_job_can_be_cancelled(old):
    assert old.call("jobs.cancelled") == {"status": "CANCELLED", "error": "RuntimeInvalidStateError"}


def test_ended_job_can_not_be_cancelled(old):
    with pytest.raises(ClientError) as caught:
        old.call("jobs.cancelled_late")
    assert caught.value.kind == "RuntimeInvalidStateError"


def test_patience_may_end_before_the_job(old):
    with pytest.raises(ClientError) as caught:
        old.call("jobs.timed_out")
    assert caught.value.kind == "RuntimeJobTimeoutError"


def test_job_that_runs_too_long_is_ended(old):
    with pytest.raises(ClientError) as caught:
        old.call("jobs.too_long")
    assert caught.value.kind == "RuntimeJobMaxTimeoutError"


def test_session_begins_with_its_first_job_and_ends_when_closed(old):
    told = old.call("jobs.session", max_time="25m")
    assert told["first"]
    assert told["ids"] == [True] * 4
    assert told["listed"]
    assert told["status"] == "ERROR"
    assert told["late"].splitlines()[1].startswith("Error code 4001; ")


def test_session_ends_at_its_longest_time(old):
    (first, _), *_, (last, why) = old.call("jobs.session_too_long")
    assert (first, last) == ("DONE", "ERROR")
    assert why.splitlines()[1].startswith("Error code 4001; ")


def test_unknown_session_can_be_closed(old):
    old.call("jobs.closed_unknown")


def test_circuit_without_classical_bits_fails_the_job(old):
    with pytest.raises(ClientError, match="no classical bits"):
        old.call("jobs.unmeasured")


def test_unknown_option_is_refused_by_name(old):
    with pytest.raises(ClientError, match="nonsense"):
        old.call("jobs.unknown_option")


def test_plain_http_has_no_stream_but_a_fast_result(old):
    told = old.call("jobs.follow", patience=0.5)
    assert told["told"] == []
