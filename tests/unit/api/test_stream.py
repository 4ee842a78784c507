"""The websocket of clients before 2025, without a client: who is let in, what is told, and how it ends."""

from __future__ import annotations

import json
import threading
import time

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from coldplate.domain.job import JobId, JobState

RESULT = b'{"quasi_dists":[],"metadata":[]}'


@pytest.fixture(scope="module")
def address(served):
    """Of a server that lets websockets through to the app of each test."""
    config = uvicorn.Config(served, ws="websockets-sansio", lifespan="off", log_config=None, port=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(api, address):
    """Opens the stream of a job."""
    return lambda id, headers: connect(f"{address}/runtime/stream/jobs/{id}", additional_headers=headers)


@pytest.fixture
def token(api):
    return log_in(api, api.key)


def log_in(api, key):
    answer = api.client.post("/api/users/loginWithToken", content=json.dumps({"apiToken": key}))
    return {"X-Access-Token": answer.json()["id"]}


def heard(client, id, headers):
    """All messages of a stream, and how it was closed."""
    messages = []
    with client(id, headers) as stream:
        try:
            while True:
                messages.append(stream.recv(timeout=20))
        except ConnectionClosed as end:
            return messages, end.rcvd.code


def told(api, id, *messages):
    """Write interim results, as a job's process does."""
    job = api.store.job(JobId(id))
    path = api.blobs.path(job.attempt_key("interim"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


def test_job_that_has_ended_is_told_whole_and_closed_normally(api, client, token):
    id = api.submit()
    api.end(id, JobState.COMPLETED, result=RESULT)
    told(api, id, {"round": 1}, {"round": 2})
    messages, code = heard(client, id, token)
    assert messages == ["ACK", '{"round": 1}', '{"round": 2}', RESULT.decode()]
    assert code == 1000


def test_who_connects_again_at_once_is_only_acknowledged(api, client, token):
    id = api.submit()
    api.end(id, JobState.COMPLETED, result=RESULT)
    heard(client, id, token)
    for _ in range(2):
        assert heard(client, id, token) == (["ACK"], 1000)


def test_failed_job_has_no_last_message(api, client, token):
    id = api.submit()
    api.end(id, JobState.FAILED, reason="Why.", code=1500)
    assert heard(client, id, token) == (["ACK"], 1000)


def test_stream_is_open_until_the_job_is_cancelled(api, client, token):
    id = api.submit()
    api.start(id)
    with client(id, token) as stream:
        assert stream.recv(timeout=20) == "ACK"
        told(api, id, {"round": 1})
        assert stream.recv(timeout=20) == '{"round": 1}'
        assert api.client.post(f"/runtime/jobs/{id}/cancel", headers=token).status_code == 204
        with pytest.raises(ConnectionClosed) as end:
            stream.recv(timeout=20)
        assert end.value.rcvd.code == 1000


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_others_are_not_let_in(api, client, who):
    id = api.submit()
    headers = log_in(api, api.stranger) if who == "stranger" else {"X-Access-Token": "nonsense"}
    with pytest.raises(InvalidStatus) as denied:
        heard(client, id, headers)
    answer = denied.value.response
    assert answer.status_code == (404 if who == "stranger" else 401)
    assert json.loads(answer.body)["error"]["code"] == (3250 if who == "stranger" else 1201)


def test_cloud_channel_is_let_in_by_its_key(api, client):
    id = api.submit()
    api.end(id, JobState.COMPLETED, result=RESULT)
    headers = {"Authorization": f"apikey {api.key}", "Service-CRN": api.crn}
    assert heard(client, id, headers) == (["ACK", RESULT.decode()], 1000)
