"""Programs that users upload, without a client: what a job of one keeps, and who may run it."""

from __future__ import annotations

import base64
import json

import pytest

from coldplate.domain.job import JobId, JobState
from coldplate.domain.user import EVERYWHERE, Role, User

TEXT = "def main(backend, user_messenger, **kwargs):\n    return 1\n"


@pytest.fixture
def run_uploads():
    return True


def log_in(api, key):
    answer = api.client.post("/api/users/loginWithToken", content=json.dumps({"apiToken": key}))
    return {"X-Access-Token": answer.json()["id"]}


@pytest.fixture
def token(api):
    return log_in(api, api.key)


@pytest.fixture
def colleague(api):
    api.store.add_user(User("bob", "local", api.clock(), roles={EVERYWHERE: Role.WRITER}))
    return log_in(api, api.service._auth.issue_key(user="bob", account="local", name="bob", expires=None))


def upload(api, headers, **more):
    body = {"name": "mine", "data": base64.b64encode(TEXT.encode()).decode(), "cost": 300} | more
    return api.client.post("/runtime/programs", content=json.dumps(body), headers=headers).json()["id"]


def run(api, headers, program, **more):
    body = {"program_id": program, "params": {"n": 1}, "backend": "cold_eagle"} | more
    return api.client.post("/runtime/jobs", content=json.dumps(body), headers=headers)


def code(api, id):
    path = api.blobs.path(f"code/{id}")
    return json.loads(path.read_bytes()) if path.exists() else None


def test_job_keeps_the_program_as_it_was(api, token):
    program = upload(api, token)
    id = run(api, token, program).json()["id"]
    new = base64.b64encode(b"def main(): pass")
    changed = api.client.put(f"/runtime/programs/{program}/data", content=new, headers=token)
    assert changed.status_code == 204
    assert code(api, id) == {"source": TEXT, "shown": True}
    assert api.client.delete(f"/runtime/programs/{program}", headers=token).status_code == 204
    assert code(api, id)["source"] == TEXT
    assert run(api, token, program).status_code == 404


def test_program_goes_with_its_job(api, token):
    id = run(api, token, upload(api, token)).json()["id"]
    assert api.client.post(f"/runtime/jobs/{id}/cancel", headers=token).status_code == 204
    assert code(api, id)
    assert api.client.delete(f"/runtime/jobs/{id}", headers=token).status_code == 204
    assert code(api, id) is None


def test_private_job_keeps_it_no_longer_than_its_inputs(api, token):
    id = run(api, token, upload(api, token), private=True).json()["id"]
    assert api.client.post(f"/runtime/jobs/{id}/cancel", headers=token).status_code == 204
    assert code(api, id) is None


@pytest.mark.parametrize(
    ("program", "job", "allowed"), [(300, None, 300), (300, 20, 20), (20, 300, 20), (0, 50, 50)]
)
def test_program_and_job_each_limit_the_time(api, token, program, job, allowed):
    id = run(api, token, upload(api, token, cost=program), cost=job).json()["id"]
    assert api.store.job(JobId(id)).cost_s == allowed


def test_inputs_are_an_object(api, token):
    assert run(api, token, upload(api, token), params=[1]).status_code == 400


def test_colleague_runs_a_shared_program_without_its_lines_and_no_other(api, token, colleague):
    public, private = upload(api, token, is_public=True), upload(api, token, name="other")
    id = run(api, colleague, public).json()["id"]
    assert code(api, id) == {"source": TEXT, "shown": False}
    answer = run(api, colleague, private)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 1207)


def test_other_account_has_none_of_them(api, token):
    public, stranger = upload(api, token, is_public=True), log_in(api, api.stranger)
    assert run(api, stranger, public).status_code == 404
    assert api.client.get(f"/runtime/programs/{public}", headers=stranger).status_code == 404


def test_session_of_such_a_job_begins_with_it(api, token):
    program = upload(api, token)
    first = run(api, token, program, start_session=True).json()
    assert first["session_id"] == first["id"]
    second = run(api, token, program, session_id=first["id"], params={"n": 2}).json()
    assert api.store.job(JobId(second["id"])).session == first["id"]
    assert api.store.job(JobId(second["id"])).state is JobState.QUEUED


class TestWhereTheyAreNotRun:
    @pytest.fixture
    def run_uploads(self):
        return False

    def test_each_is_refused_with_its_code(self, api, token):
        answer = run(api, token, upload(api, token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, 4052)
        assert list(api.blobs.list("")) == []
