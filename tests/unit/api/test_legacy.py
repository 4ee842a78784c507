"""The face of clients before 2025, without a client: what tests through one can't see or provoke."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest

from coldplate.domain.job import JobId, JobState
from coldplate.domain.query import FinalState
from coldplate.domain.user import EVERYWHERE, Role, User

PARAMS = {"circuits": [], "circuit_indices": [], "parameter_values": []}
GADGET = {"__type__": "settings", "__module__": "subprocess", "__class__": "Popen", "__value__": {}}


@pytest.fixture
def token(api):
    return log_in(api, api.key)


def log_in(api, key):
    answer = api.client.post("/api/users/loginWithToken", content=json.dumps({"apiToken": key}))
    return {"X-Access-Token": answer.json()["id"]}


def submit(api, headers, **more):
    body = {"program_id": "sampler", "params": PARAMS, "backend": "cold_eagle", "hub": "local"}
    body |= {"group": "premium", "project": "lab"} | more
    return api.client.post("/runtime/jobs", content=json.dumps(body), headers=headers)


def test_wrong_key_is_told_as_these_clients_read_it(api):
    answer = api.client.post("/api/users/loginWithToken", content=b'{"apiToken": "nonsense"}')
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == answer.json()["errors"][0]["code"] == 1201
    assert answer.headers["uber-trace-id"]


def test_addresses_are_those_that_the_client_came_by(api, token):
    urls = api.client.get("/api/users/me", headers=token | {"Host": "lab.example:81"}).json()["urls"]
    assert urls["services"]["runtime"] == "http://lab.example:81/runtime"
    behind = token | {"Host": "lab.example", "X-Forwarded-Proto": "https"}
    urls = api.client.get("/polling/api/users/me", headers=behind).json()["urls"]
    assert urls["services"]["runtime"] == "HTTPS://lab.example/runtime"


@pytest.mark.parametrize(
    ("forwarded", "host"),
    [
        ("lab.example", "lab.example"),
        ("[::1]:443", "[::1]:443"),
        ("first.example:8, second.example", "first.example:8"),
        ("lab.example/evil", "inside:80"),
        ("a@b", "inside:80"),
        ("", "inside:80"),
    ],
)
def test_proxy_may_say_by_what_name_it_was_asked(api, token, forwarded, host):
    headers = token | {"Host": "inside:80", "X-Forwarded-Host": forwarded}
    urls = api.client.get("/api/users/me", headers=headers).json()["urls"]
    assert urls["services"]["runtime"].removeprefix("http://") == f"{host}/runtime"


def test_instances_have_old_names(api, token):
    (hub,) = api.client.get("/api/Network", headers=token).json()
    projects = {group: list(found["projects"]) for group, found in hub["groups"].items()}
    assert (hub["name"], projects) == ("local", {"premium": ["lab"], "open": ["shop"]})


@pytest.mark.parametrize("path", ["/runtime/backends", "/backends", "/backends/"])
def test_runtime_has_a_prefix_or_none(api, token, path):
    answer = api.client.get(path, params={"provider": "local/premium/lab"}, headers=token)
    assert answer.json() == {"devices": ["ideal", "cold_eagle"]}


def test_strategy_of_others_has_no_backends(api, token):
    answer = api.client.get("/runtime/backends", params={"channel_strategy": "q-ctrl"}, headers=token)
    assert answer.json() == {"devices": []}
    assert submit(api, token, channel_strategy="q-ctrl").status_code == 400


def test_repeated_first_job_of_a_session_makes_one_job_and_one_session(api, token):
    # a client repeats a POST whose answer it did not get: here the answer counts as not delivered
    delivered, api.service.delivered = api.service.delivered, lambda id: None
    first = submit(api, token, start_session=True, session_time=60).json()
    time.sleep(0.3)  # a repeat comes when the first is over
    again = submit(api, token, start_session=True, session_time=60).json()
    api.service.delivered = delivered
    assert first == again
    assert first["id"] == first["session_id"]


def test_job_of_another_instance_of_the_account_is_found(api, token):
    id = submit(api, token, project="shop", group="open").json()["id"]
    found = api.client.get(f"/runtime/jobs/{id}", headers=token).json()
    assert (found["hub"], found["group"], found["project"]) == ("local", "open", "shop")
    assert api.client.get("/runtime/jobs", headers=token).json()["count"] == 1
    other = api.client.get("/runtime/jobs", params={"provider": "local/premium/lab"}, headers=token)
    assert other.json()["count"] == 0


def test_job_that_may_exceed_the_limit_is_accepted_with_a_warning(api, token):
    def messages(**where):
        return submit(api, token, **where).json()["messages"]

    shop = {"group": "open", "project": "shop"}  # its plan has 600 s
    id = submit(api, token, **shop).json()["id"]
    assert messages(**shop) == []
    job = api.store.start(JobId(id), lane=0, now=api.clock(), lease_s=60)
    ended = api.clock() + timedelta(seconds=30)
    api.store.finish(JobId(id), job.fence, FinalState(JobState.COMPLETED, usage_s=595.0), now=ended)
    (message,) = messages(**shop, tags=["another"])
    assert "has used 595 of its 600 quantum seconds" in message["data"]
    assert messages(**shop, backend="ideal") == []
    assert messages() == []
    usage = {
        one["instance"]: one for one in api.client.get("/runtime/usage", headers=token).json()["byInstance"]
    }
    assert usage["local/open/shop"]["usageRemaining"] == 5


def test_job_of_another_account_is_unknown(api, token):
    id = submit(api, token).json()["id"]
    stranger = log_in(api, api.stranger)
    for path in ("", "/results", "/logs", "/interim_results"):
        assert api.client.get(f"/runtime/jobs/{id}{path}", headers=stranger).status_code == 404


@pytest.mark.parametrize("end", [None, JobState.FAILED, JobState.COMPLETED])
@pytest.mark.parametrize("face", ["old", "current"])
def test_colleague_gets_only_params_that_were_read(api, token, face, end):
    """Decoders of 2023 call what params name: nobody else's are shown before ours has read them all."""
    id = submit(api, token, params=PARAMS | {"run_options": {"noise_model": GADGET}}).json()["id"]
    if end is not None:
        job = api.store.start(JobId(id), lane=0, now=api.clock(), lease_s=60)
        api.store.finish(JobId(id), job.fence, FinalState(end), now=api.clock() + timedelta(seconds=1))
    api.store.add_user(User("bob", "local", api.clock(), roles={EVERYWHERE: Role.READER}))
    key = api.service._auth.issue_key(user="bob", account="local", name="bob", expires=None)
    if face == "old":
        path, theirs, mine = f"/runtime/jobs/{id}", log_in(api, key), token
    else:
        path = f"/api/v1/jobs/{id}"
        theirs, mine = ({"Authorization": f"apikey {one}", "Service-CRN": api.crn} for one in (key, api.key))
    shown = api.client.get(path, headers=theirs).json()
    assert ("params" in shown) == (end is JobState.COMPLETED)
    assert "params" in api.client.get(path, headers=mine).json()


def test_results_of_a_failed_job_are_an_empty_text(api, token):
    id = submit(api, token).json()["id"]
    job = api.store.start(JobId(id), lane=0, now=api.clock(), lease_s=60)
    api.store.finish(
        JobId(id), job.fence, FinalState(JobState.FAILED, reason="Why.", code=1500), now=api.clock()
    )
    answer = api.client.get(f"/runtime/jobs/{id}/results", headers=token)
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_sampler_results_have_a_type_that_the_client_of_2024_knows(api, token):
    id = submit(api, token).json()["id"]
    job = api.store.start(JobId(id), lane=0, now=api.clock(), lease_s=60)
    body = b'{"__type__":"SamplerPubResult","__value__":{}}'
    size, digest = api.blobs.put(job.attempt_key("result"), body)
    end = FinalState(JobState.COMPLETED, result_size=size, result_sha256=digest)
    api.store.finish(JobId(id), job.fence, end, now=api.clock())
    for release, kind in (("0.23.0", "PubResult"), ("0.40.1", "SamplerPubResult")):
        headers = token | {"X-Qx-Client-Application": f"qiskit-version-2/qiskit_ibm_runtime-{release}"}
        answer = api.client.get(f"/runtime/jobs/{id}/results", headers=headers)
        assert answer.json()["__type__"] == kind
