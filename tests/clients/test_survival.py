"""What a client was told holds after a power cut: jobs run to their end once, results stay readable."""

from __future__ import annotations

import http.client
import json
import time

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Batch, SamplerV2

from coldplate.client import pointed_at
from coldplate.testing import running_server

PAUSED = pytest.mark.filterwarnings("ignore:The backend sim_paused currently has a status of paused")
LONG_SHOTS = 500_000  # at real pace: minutes


@pytest.fixture(scope="module")
def mortal(catalog):
    """A server of our own, to be killed; its leases are short, so that lost jobs are found soon."""
    with running_server(catalog=catalog, lease_s=3) as running:
        yield running


@pytest.fixture(scope="module")
def client(mortal):
    with pointed_at(mortal.url, mortal.key, mortal.crn) as pointed:
        yield pointed


def flip() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def submit(mode, shots):
    options = {"simulator": {"seed_simulator": 1}}
    return SamplerV2(mode=mode, options=options).run([flip()], shots=shots)


def wait_until_running(job) -> None:
    deadline = time.monotonic() + 60
    while job.status() == "QUEUED":
        assert time.monotonic() < deadline, "the job never started"
        time.sleep(0.05)
    assert job.status() == "RUNNING"


def body_of_results(service, job) -> str:
    return service._get_api_client().job_results(job.job_id())


# --- power cuts -------------------------------------------------------------------------------------


def test_accepted_jobs_survive_a_power_cut_and_each_runs_to_its_end_once(mortal, client):
    before = client.usage()["usage_consumed_seconds"]
    backend = client.backend("emu_slow")
    jobs = [submit(backend, shots=4000 + number) for number in range(3)]
    wait_until_running(jobs[0])
    assert jobs[-1].status() == "QUEUED"
    mortal.kill()
    mortal.restart()
    shown = [job.result()[0].data.meas for job in jobs]
    assert [bits.num_shots for bits in shown] == [4000, 4001, 4002]
    assert [job.status() for job in jobs] == ["DONE"] * 3
    listed = [job.job_id() for job in client.jobs(limit=None)]
    assert sorted(listed) == sorted({job.job_id() for job in jobs})
    # an attempt that a power cut ended is not charged
    charged = client.usage()["usage_consumed_seconds"] - before
    assert charged == pytest.approx(sum(job.usage() for job in jobs), abs=1)


def test_results_and_inputs_are_read_again_after_a_power_cut(mortal, client):
    job = submit(client.backend("emu_fast"), shots=321)
    job.result()
    body, inputs, metrics = body_of_results(client, job), job.inputs, job.metrics()
    mortal.kill()
    mortal.restart()
    again = client.job(job.job_id())
    assert body_of_results(client, again) == body
    assert again.result()[0].data.meas.num_shots == 321
    assert again.inputs["options"] == inputs["options"]
    assert again.inputs["pubs"][0][0] == flip()
    assert again.metrics() == metrics
    assert again.status() == "DONE"


def test_batch_and_its_jobs_survive_a_power_cut(mortal, client):
    batch = Batch(backend=client.backend("emu_slow"))
    jobs = [submit(batch, shots=4000) for _ in range(2)]
    wait_until_running(jobs[0])
    mortal.kill()
    mortal.restart()
    late = submit(Batch.from_id(batch.session_id, client), shots=50)
    batch.close()
    assert [job.result()[0].data.meas.num_shots for job in [*jobs, late]] == [4000, 4000, 50]
    deadline = time.monotonic() + 60
    while batch.status() != "Closed":
        assert time.monotonic() < deadline, "the batch never closed"
        time.sleep(0.05)


def test_cancel_is_remembered_over_a_power_cut(mortal, client):
    running = submit(client.backend("emu_slow"), shots=LONG_SHOTS)
    queued = submit(client.backend("emu_slow"), shots=LONG_SHOTS)
    wait_until_running(running)
    queued.cancel()
    running.cancel()
    mortal.kill()
    mortal.restart()
    for job in (running, queued):
        job.wait_for_final_state(timeout=60)
        assert job.status() == "CANCELLED"


def test_ordinary_stop_lets_no_job_get_lost_either(mortal, client):
    jobs = [submit(client.backend("emu_slow"), shots=4000) for _ in range(2)]
    wait_until_running(jobs[0])
    mortal.restart()
    assert [job.result()[0].data.meas.num_shots for job in jobs] == [4000, 4000]


# --- repeated requests ------------------------------------------------------------------------------


def call(mortal, method: str, path: str, body: bytes | None = None) -> dict:
    """What an HTTP request is answered with."""
    headers = {"Authorization": f"apikey {mortal.key}", "Service-CRN": mortal.crn}
    connection = http.client.HTTPConnection(mortal.host, mortal.port, timeout=60)
    try:
        connection.request(method, f"/api/v1/{path}", body, headers | {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200, told
        return told
    finally:
        connection.close()


def body_of_post(mortal, client, mark: str, backend: str = "sim_statevector") -> bytes:
    """The POST of a real job, as the client sent it, with a tag that only it has."""
    job = submit(client.backend("sim_statevector"), shots=7)
    job.wait_for_final_state()
    params = call(mortal, "GET", f"jobs/{job.job_id()}?exclude_params=false")["params"]
    if isinstance(params, str):
        params = json.loads(params)
    body = {"program_id": "sampler", "backend": backend, "params": params, "tags": [mark]}
    return json.dumps(body).encode()


def test_request_after_the_answer_to_the_same_one_is_another_job(mortal, client):
    body = body_of_post(mortal, client, mark := f"twice-{time.time_ns()}")
    first, second = (call(mortal, "POST", "jobs", body)["id"] for _ in range(2))
    assert {job.job_id() for job in client.jobs(job_tags=[mark])} == {first, second}
    assert first != second


@PAUSED
def test_request_that_is_repeated_because_a_power_cut_took_its_answer_is_one_job(mortal, client):
    body = body_of_post(mortal, client, mark := f"repeated-{time.time_ns()}", backend="sim_paused")
    first = call(mortal, "POST", "jobs", body)["id"]
    # the job is durable before its answer is sent, so the answer may be lost just here
    mortal.kill()
    mortal.restart()
    assert call(mortal, "POST", "jobs", body)["id"] == first
    (job,) = client.jobs(job_tags=[mark])
    job.cancel()
    assert job.status() == "CANCELLED"
