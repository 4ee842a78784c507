"""The JSON that clients read: exactly these fields, these words and these times."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from coldplate.api import render
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.session import Mode, Session, SessionId, SessionState

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
JOB = Job(JobId("j" * 20), InstanceId("crn"), "ada", "sampler", "ideal", NOW, tags=("a",))
SESSION = Session(SessionId("s" * 20), InstanceId("crn"), "ada", Mode.BATCH, "ideal", NOW)
DEVICE = BackendRecord("cold_eagle", {"n_qubits": 5, "backend_version": "1.2.3"}, None)


def test_times_are_utc_with_a_z():
    eastern = datetime(2026, 11, 24, 4, 30, 0, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert render.utc(eastern) == "2026-11-24T09:30:00.000005Z"


def test_job_has_all_that_clients_read_and_no_params():
    assert render.job_object(JOB) == {
        "id": "j" * 20,
        "backend": "ideal",
        "state": {"status": "Queued"},
        "status": "Queued",
        "program": {"id": "sampler"},
        "created": "2026-11-24T09:30:00.000000Z",
        "cost": 10_800,
        "tags": ("a",),
        "session_id": None,
        "user_id": "ada",
        "usage": {
            "qpu_charge_time_seconds": 0.0,
            "status": "pending",
            "quantum_seconds": 0.0,
            "seconds": 0.0,
        },
    }


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"private": True}, "private", True),
        ({"runtime": "image:tag"}, "runtime", "image:tag"),
        ({"calibration": "c1"}, "calibration_id", "c1"),
        ({"estimated_s": 2.5}, "estimated_running_time_seconds", 2.5),
    ],
)
def test_what_is_not_set_is_left_out(change, field, value):
    assert field not in render.job_object(JOB)
    assert render.job_object(replace(JOB, **change))[field] == value


@pytest.mark.parametrize("state", JobState)
def test_state_is_one_of_five_words_everywhere(state):
    value = render.job_object(replace(JOB, state=state))
    assert json.loads(render.job_bytes(replace(JOB, state=state), None))["state"]["status"] == state.value
    assert value["status"] == state.value


def test_only_the_published_twin_says_that_a_job_ran_too_long():
    late = replace(JOB, state=JobState.CANCELLED, reason="Ran longer than 1 s.", reason_code=1305)
    value = render.job_object(late)
    assert value["state"] == {"status": "Cancelled", "reason": "Ran longer than 1 s.", "reason_code": 1305}
    assert value["status"] == "Cancelled - Ran too long"


def test_a_code_without_a_reason_is_not_told():
    state = render.job_object(replace(JOB, state=JobState.FAILED, reason_code=1500))["state"]
    assert state == {"status": "Failed"}


def test_a_reason_comes_with_its_code_and_solution():
    failed = replace(JOB, state=JobState.FAILED, reason="no", reason_code=1517, reason_solution="Transpile.")
    assert render.job_object(failed)["state"] == {
        "status": "Failed",
        "reason": "no",
        "reason_code": 1517,
        "reason_solution": "Transpile.",
    }


def test_params_are_returned_byte_for_byte():
    sent = b'{"pubs" : [ ],\n "schema_version":"v2.0", "x":1.10}'
    body = render.job_bytes(JOB, sent)
    assert sent in body
    assert json.loads(body)["params"] == {"pubs": [], "schema_version": "v2.0", "x": 1.1}
    assert json.loads(body)["id"] == JOB.id


@pytest.mark.parametrize(
    ("state", "usage_s", "told"),
    [
        (JobState.RUNNING, None, "pending"),
        (JobState.COMPLETED, 2.5, "complete"),
        (JobState.FAILED, 0, "complete"),
    ],
)
def test_usage_is_complete_when_the_job_has_ended(state, usage_s, told):
    job = replace(JOB, state=state, usage_s=usage_s)
    usage = render.metrics_object(job)["usage"]
    assert (usage["status"], usage["qpu_charge_time_seconds"]) == (told, usage_s or 0)


def test_metrics_tell_times_caller_and_what_the_job_measured():
    job = replace(JOB, caller="me", started=NOW, metrics={"qiskit_version": "2.6.2", "usage": "mine"})
    metrics = render.metrics_object(job)
    now = "2026-11-24T09:30:00.000000Z"
    assert metrics["timestamps"] == {"created": now, "running": now, "finished": None}
    assert (metrics["caller"], metrics["qiskit_version"]) == ("me", "2.6.2")
    assert metrics["usage"]["status"] == "pending"


def test_session_has_all_that_clients_read():
    value = render.session_object(replace(SESSION, history=(("open", NOW),)))
    needed = {"id", "backend_name", "interactive_ttl", "max_ttl", "active_ttl", "state", "accepting_jobs"}
    needed |= {"last_job_started", "last_job_completed", "started_at", "closed_at", "activated_at", "mode"}
    assert set(value) >= needed | {"elapsed_time", "timestamps", "state_reason", "user_id"}
    assert (value["mode"], value["state"], value["accepting_jobs"]) == ("batch", "open", True)
    assert value["timestamps"] == [{"status": "open", "timestamp": "2026-11-24T09:30:00.000000Z"}]


@pytest.mark.parametrize(("state", "elapsed"), [(SessionState.ACTIVE, None), (SessionState.CLOSED, 3.0)])
def test_usage_of_a_session_is_unknown_while_it_is_active(state, elapsed):
    assert render.session_object(replace(SESSION, state=state, usage_s=3.0))["elapsed_time"] == elapsed


def test_backend_entry_says_what_least_busy_sorts_by():
    entry = render.backend_entry(replace(DEVICE, listing={"clops": {"type": "hardware", "value": 1}}), 7)
    assert entry == {
        "name": "cold_eagle",
        "status": {"name": "online"},
        "is_simulator": False,
        "qubits": 5,
        "physical_qubits": 5,
        "queue_length": 7,
        "clops": {"type": "hardware", "value": 1},
    }


def test_only_a_mock_has_a_class():
    assert render.backend_entry(replace(DEVICE, mock_of="cold_eagle"), 0)["class"] == "mock"


@pytest.mark.parametrize(
    ("status", "state", "word"),
    [("online", True, "active"), ("paused", True, "paused"), ("offline", False, "offline")],
)
def test_status_is_active_when_jobs_run(status, state, word):
    value = render.status_object(replace(DEVICE, status=status, status_reason="why"), 3)
    assert value == {
        "state": state,
        "status": word,
        "message": "why",
        "length_queue": 3,
        "backend_version": "1.2.3",
    }


def test_instances_carry_what_search_catalog_and_resources_are_asked_for():
    instance = Instance(make_crn("local", "lab"), "lab", plan="premium", pricing="free", tags=("x",))
    item = render.search_item(instance)
    assert item["doc"]["extensions"]
    assert (item["crn"], item["name"], item["tags"]) == (instance.id, "lab", ["x"])
    entry = render.catalog_entry(instance)
    assert entry["id"] == item["service_plan_unique_id"]
    assert entry["overview_ui"]["en"]["display_name"].lower() == "premium"
    assert entry["metadata"]["pricing"]["type"] == "free"
    assert render.resource_object(instance)["guid"] == "lab"


@pytest.mark.parametrize("limit_s", [None, 600])
def test_a_limit_that_does_not_exist_is_left_out_and_never_null(limit_s):
    value = render.instance_object(Instance(make_crn("local", "lab"), "lab", limit_s=limit_s))
    assert value.get("usage_limit_seconds", "absent") == (limit_s or "absent")
