"""Jobs and sessions over HTTP, as current clients ask for them."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest

from coldplate.api.turns import Turns
from coldplate.domain.job import JobState
from coldplate.errors import Unavailable

JOB = {"program_id": "sampler", "backend": "ideal", "params": {"pubs": [], "version": 2}}
UNKNOWN = "a" * 20


def error(answer) -> tuple[int, int]:
    """Status and code of a refusal in the official shape."""
    return answer.status_code, answer.json()["errors"][0]["code"]


# --- create ---------------------------------------------------------------------------------------


def test_new_job_is_told_with_its_backend(api):
    answer = api.ask("POST", "/api/v1/jobs", json=JOB)
    told = answer.json()
    assert answer.status_code == 200
    assert re.fullmatch("[a-z0-9]{20}", told.pop("id"))
    assert told == {"backend": "ideal", "session_id": None, "private": False, "calibration_id": None}


@pytest.mark.parametrize("base", ["/api/v1", "/v1", "/experimental"])
def test_every_base_serves_the_runtime(api, base):
    id = api.submit()
    assert api.get(f"{base}/jobs/{id}").json()["id"] == id
    assert api.get(f"{base}/backends").status_code == 200


def test_body_is_json_whatever_its_content_type_says(api):
    answer = api.ask("POST", "/v1/jobs", content=json.dumps(JOB), headers={"content-type": "image/png"})
    assert answer.status_code == 200


def test_same_body_after_delivery_is_another_job(api):
    assert api.submit() != api.submit()


def test_same_body_before_delivery_is_the_same_job(api, monkeypatch):
    monkeypatch.setattr(api.service, "delivered", lambda id: None)
    over, end = threading.Event(), Turns._end
    monkeypatch.setattr(Turns, "_end", lambda *turn: (end(*turn), over.set()))
    first = api.submit()
    assert over.wait(10)  # a moment after the answer; until then the same body is somebody else's
    assert api.submit() == first


def test_same_body_at_the_same_time_is_another_job(api):
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: api.submit(), range(40)))
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"program_id": "nothing"}, 404, 1207),
        ({"backend": "nowhere"}, 404, 1216),
        ({"session_id": UNKNOWN}, 404, 1209),
        ({"tags": ["t"] * 9}, 400, 1204),
        ({"tags": ["t" * 87]}, 400, 1205),
        ({"tags": ["\0"]}, 400, 1002),
        ({"params": 3}, 400, 1002),
        ({"cost": "long"}, 400, 1002),
        ({"cost": 10**30}, 400, 1002),
        ({"user_id": "root"}, 400, 1002),
    ],
)
def test_submission_is_refused_at_once_when_its_envelope_is_wrong(api, change, status, code):
    assert error(api.ask("POST", "/v1/jobs", json=JOB | change)) == (status, code)
    assert api.get("/v1/jobs").json()["count"] == 0


def test_body_above_the_limit_is_refused(api):
    body = json.dumps(JOB | {"params": "x" * api.settings.max_body})
    assert error(api.ask("POST", "/v1/jobs", content=body)) == (413, 5302)
    assert error(api.ask("POST", "/v1/jobs", content=iter([body.encode()] * 3))) == (413, 5302)


def test_stranger_is_told_so_before_the_body_is_read(api):
    answer = api.ask("POST", "/v1/jobs", key="cp_none", content="x" * (2 * api.settings.max_body))
    assert error(answer) == (401, 1201)


# --- read -----------------------------------------------------------------------------------------


def test_job_comes_back_with_its_params_byte_for_byte(api):
    params = '{"pubs":[],  "version":2,"options":{}}'
    body = f'{{"program_id":"sampler","backend":"ideal","params":{params}}}'
    id = api.ask("POST", "/v1/jobs", content=body).json()["id"]
    assert params in api.get(f"/v1/jobs/{id}").text
    assert "params" not in api.get(f"/v1/jobs/{id}?exclude_params=true").json()


def test_private_job_never_shows_its_params(api):
    id = api.submit(private=True)
    assert api.get(f"/v1/jobs/{id}").json()["private"] is True
    assert "params" not in api.get(f"/v1/jobs/{id}").json()
    assert "params" not in api.get("/v1/jobs?exclude_params=false").json()["jobs"][0]


def test_held_read_is_answered_when_the_job_ends(api, monkeypatch):
    monkeypatch.setattr("coldplate.api.held.HOLD_S", 60)
    id, answers = api.submit(), []

    def ask() -> None:
        answers.append(api.get(f"/v1/jobs/{id}?exclude_params=true").json()["state"]["status"])

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(0.1)
    assert answers == []
    assert api.ask("POST", f"/v1/jobs/{id}/cancel").status_code == 204
    thread.join(20)
    assert answers == ["Cancelled"]


def test_unheld_read_is_answered_at_once(api, monkeypatch):
    monkeypatch.setattr("coldplate.api.held.HOLD_S", 60)
    assert api.get(f"/v1/jobs/{api.submit()}").json()["state"] == {"status": "Queued"}


@pytest.mark.parametrize("verb_path", ["GET /", "DELETE /", "GET /results", "GET /logs", "GET /metrics"])
@pytest.mark.parametrize(
    "id", [UNKNOWN, "../../etc/passwd", "%2e%2e%2f", "A" * 20, "a" * 21, "'; --", "é" * 20]
)
def test_unknown_job_is_not_found_whatever_its_id_looks_like(api, verb_path, id):
    verb, path = verb_path.split()
    answer = api.ask(verb, f"/v1/jobs/{quote(id, safe='%')}{path.rstrip('/')}")
    assert error(answer)[0] == 404


@pytest.mark.parametrize("path", ["", "/results", "/logs", "/metrics"])
def test_job_of_another_instance_is_not_found(api, path):
    id, shop = api.submit(), api.crn.replace("lab", "shop")
    assert error(api.get(f"/v1/jobs/{id}{path}", crn=shop)) == (404, 1291)


# --- list -----------------------------------------------------------------------------------------


def ids(answer) -> list[str]:
    return [job["id"] for job in answer.json()["jobs"]]


def test_list_is_newest_first_and_pages_do_not_overlap(api):
    made = [api.submit(tags=[str(n)]) for n in range(5)]
    assert ids(api.get("/v1/jobs")) == made[::-1]
    assert ids(api.get("/v1/jobs?sort=ASC&limit=2&offset=2")) == made[2:4]


@pytest.mark.parametrize("limit", [0, -1, 201, 10**30])
def test_limit_out_of_range_means_the_default(api, limit):
    assert api.get(f"/v1/jobs?limit={limit}").json()["limit"] == 200


def test_count_is_never_smaller_than_the_offset(api):
    api.submit()
    assert api.get("/v1/jobs?offset=7").json()["count"] == 7
    assert api.get("/v1/jobs?limit=1").json()["count"] == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("backend=ideal", "ab"),
        ("backend=cold_eagle", "c"),
        ("program=estimator", "c"),
        ("tags=x", "ab"),
        ("tags=x&tags=y", "b"),
        ("pending=true", "abc"),
        ("pending=false", ""),
        ("created_after=2020-01-01T00:00:00%2B00:00", "abc"),
        ("created_before=2020-01-01T00:00:00Z", ""),
        ("created_before=2020-01-01", ""),
        (f"session_id={UNKNOWN}", ""),
    ],
)
def test_list_is_filtered(api, query, found):
    made = {
        "a": api.submit(tags=["x"]),
        "b": api.submit(tags=["x", "y"]),
        "c": api.submit(program_id="estimator", backend="cold_eagle"),
    }
    assert sorted(ids(api.get(f"/v1/jobs?{query}"))) == sorted(made[letter] for letter in found)


def test_list_with_params_shows_them(api):
    first, second = api.submit(tags=["1"]), api.submit(tags=["2"])
    page = api.get("/v1/jobs?exclude_params=false&limit=1&offset=1").json()
    assert [(job["id"], job["params"]["version"]) for job in page["jobs"]] == [(first, 2)]
    assert (page["count"], page["limit"], page["offset"]) == (2, 1, 1)
    assert second != first


@pytest.mark.parametrize(
    "query",
    ["limit=x", "offset=-1", f"offset={2**63}", "sort=UP", "pending=maybe", "created_after=soon"]
    + ["created_before=0001-01-01T00:00:00%2B23:59", "exclude_params=7"],
)
def test_query_that_makes_no_sense_is_refused(api, query):
    assert error(api.get(f"/v1/jobs?{query}")) == (400, 1002)


@pytest.mark.parametrize("path", ["jobs", "workloads"])
def test_query_with_more_tags_than_a_job_can_have_is_refused(api, path):
    query = "&".join(f"tags={n}" for n in range(5000))
    assert error(api.get(f"/v1/{path}?{query}")) == (400, 1204)
    assert api.get(f"/v1/{path}?{'tags=same&' * 5000}").status_code == 200


# --- tags, cancel, delete, logs, results ----------------------------------------------------------


def test_tags_are_replaced_with_204(api):
    id = api.submit(tags=["old"])
    assert api.ask("PUT", f"/v1/jobs/{id}/tags", json={"tags": ["é", "new"]}).status_code == 204
    assert api.get(f"/v1/jobs/{id}").json()["tags"] == ["é", "new"]
    assert api.ask("PUT", f"/v1/jobs/{id}/tags", json={"tags": []}).status_code == 204
    assert api.get(f"/v1/jobs/{id}").json()["tags"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags": "a"}', b'{"tags": [1]}', b'{"tags": ["\\u0000"]}'])
def test_tags_of_another_shape_are_refused(api, body):
    assert error(api.ask("PUT", f"/v1/jobs/{api.submit()}/tags", content=body)) == (400, 1002)


def test_cancel_is_204_and_again_too(api):
    id = api.submit()
    assert [api.ask("POST", f"/v1/jobs/{id}/cancel").status_code for _ in range(2)] == [204, 204]
    assert api.get(f"/v1/jobs/{id}").json()["state"] == {"status": "Cancelled"}
    assert api.get(f"/v1/jobs/{id}/results").status_code == 204


def test_deleted_job_is_gone(api):
    id = api.submit()
    assert api.ask("DELETE", f"/v1/jobs/{id}").status_code == 204
    assert error(api.get(f"/v1/jobs/{id}")) == (404, 1291)


def test_running_job_is_not_deleted(api):
    id = api.submit()
    api.start(id)
    assert error(api.ask("DELETE", f"/v1/jobs/{id}"))[0] == 409


def test_log_is_plain_text(api):
    answer = api.get(f"/v1/jobs/{api.submit()}/logs")
    assert answer.headers["content-type"].startswith("text/plain")


def test_metrics_have_the_times_and_the_caller(api):
    headers = {"X-Qx-Client-Application": "qiskit/my script"}
    id = api.ask("POST", "/v1/jobs", json=JOB, headers=headers).json()["id"]
    metrics = api.get(f"/v1/jobs/{id}/metrics").json()
    assert set(metrics["timestamps"]) == {"created", "running", "finished"}
    assert datetime.fromisoformat(metrics["timestamps"]["created"]).tzinfo == UTC
    assert metrics["usage"]["status"] == "pending"
    assert metrics["caller"] == "qiskit/my script"


def test_there_are_no_results_before_the_end(api):
    answer = api.get(f"/v1/jobs/{api.submit()}/results")
    assert (answer.status_code, answer.content) == (204, b"")


RESULT = b'{"__type__": "PrimitiveResult"} ' * 100_000


def test_results_are_the_very_bytes_uncompressed_and_as_often_as_asked(api):
    id = api.submit()
    api.end(id, JobState.COMPLETED, result=RESULT)
    for _ in range(2):
        answer = api.get(f"/v1/jobs/{id}/results", headers={"Accept-Encoding": "gzip, br"})
        assert answer.content == RESULT
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-length"] == str(len(RESULT))


def test_private_results_are_read_once(api):
    id = api.submit(private=True)
    api.end(id, JobState.COMPLETED, result=b"{}")
    assert api.get(f"/v1/jobs/{id}/results").content == b"{}"
    assert api.get(f"/v1/jobs/{id}/results").content == b"{}"  # within the grace
    eventually(lambda: api.store.job(id).results_read is not None)  # noted once the answer has left
    after_grace(api)
    assert api.get(f"/v1/jobs/{id}/results").status_code == 204


def test_private_results_that_did_not_arrive_whole_can_be_read_again(api):
    id = api.submit(private=True)
    api.end(id, JobState.COMPLETED, result=bytes(50 << 20))
    headers = {"Authorization": f"apikey {api.key}", "Service-CRN": api.crn}
    with api.client.stream("GET", f"/v1/jobs/{id}/results", headers=headers) as answer:
        next(answer.iter_raw(1000))
    after_grace(api)
    assert len(api.get(f"/v1/jobs/{id}/results").content) == 50 << 20


def eventually(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def after_grace(api) -> None:
    for _ in range(int(api.settings.private_grace_s) + 1):
        api.clock()


def test_failed_job_answers_with_its_reason_and_never_with_an_error(api):
    id = api.submit()
    api.end(id, JobState.FAILED, reason="Circuit 0 is not ISA.", code=1517, solution="Transpile.")
    answer = api.get(f"/v1/jobs/{id}/results")
    assert (answer.status_code, answer.text) == (200, "Circuit 0 is not ISA.")
    assert api.get(f"/v1/jobs/{id}").json()["state"]["reason_code"] == 1517


def test_damaged_result_is_gone_and_is_no_server_error(api):
    id = api.submit()
    api.end(id, JobState.COMPLETED, result=b"{}")
    api.blobs.path(f"result/{id}/1").write_bytes(b"[]")
    assert error(api.get(f"/v1/jobs/{id}/results")) == (410, 2306)


# --- surprises --------------------------------------------------------------------------------


def test_surprise_while_storing_closes_the_connection_without_a_status(api, monkeypatch):
    def broken(*_args, **_more):
        raise KeyError("after the commit")

    monkeypatch.setattr(api.service, "submit", broken)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending"):
        api.ask("POST", "/v1/jobs", json=JOB)


def test_busy_while_storing_is_told_because_nothing_was_stored(api, monkeypatch):
    def busy(*_args, **_more):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(api.service, "submit", busy)
    answer = api.ask("POST", "/v1/jobs", json=JOB)
    assert (error(answer), answer.headers["retry-after"]) == ((503, 3246), "1")


# --- sessions -------------------------------------------------------------------------------------


def open_session(api, **fields) -> str:
    body = {"mode": "dedicated", "backend": "ideal", "instance": api.crn} | fields
    answer = api.ask("POST", "/v1/sessions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


@pytest.mark.parametrize("mode", ["dedicated", "batch"])
def test_session_is_opened_and_read(api, mode):
    id = open_session(api, mode=mode, max_ttl=600)
    session = api.get(f"/v1/sessions/{id}").json()
    assert (session["id"], session["mode"], session["backend_name"]) == (id, mode, "ideal")
    assert (session["state"], session["accepting_jobs"], session["max_ttl"]) == ("open", True, 600)


def test_job_runs_in_its_session(api):
    session = open_session(api)
    id = api.submit(session_id=session)
    assert api.get(f"/v1/jobs/{id}").json()["session_id"] == session
    assert ids(api.get(f"/v1/jobs?session_id={session}")) == [id]


def test_session_is_closed_after_it_was_cancelled_as_contexts_do(api):
    session = open_session(api)
    job = api.submit(session_id=session)
    assert api.ask("DELETE", f"/v1/sessions/{session}/close").status_code == 204
    assert api.ask("PATCH", f"/v1/sessions/{session}", json={"accepting_jobs": False}).status_code == 204
    assert api.get(f"/v1/jobs/{job}").json()["state"]["status"] != "Queued"
    assert api.get(f"/v1/sessions/{session}").json()["accepting_jobs"] is False
    answer = api.ask("POST", "/v1/jobs", json=JOB | {"session_id": session})
    assert error(answer) == (409, 1217)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"mode": "dedicated"}, 400),
        ({"backend": "ideal"}, 400),
        ({"mode": "other", "backend": "ideal"}, 400),
        ({"mode": "batch", "backend": "nowhere"}, 404),
        ({"mode": "batch", "backend": "ideal", "max_ttl": -1}, 400),
        ({"mode": "batch", "backend": "ideal", "instance": "crn:of:another"}, 400),
        ({"mode": "batch", "backend": "ideal", "state": "active"}, 400),
    ],
)
def test_session_of_another_shape_is_refused(api, body, status):
    assert error(api.ask("POST", "/v1/sessions", json=body))[0] == status


@pytest.mark.parametrize("id", [UNKNOWN, "x", "..%2f"])
def test_unknown_session_is_not_found(api, id):
    assert error(api.get(f"/v1/sessions/{id}"))[0] == 404
    assert error(api.ask("PATCH", f"/v1/sessions/{id}", json={"accepting_jobs": False}))[0] == 404
    assert error(api.ask("DELETE", f"/v1/sessions/{id}/close"))[0] == 404
