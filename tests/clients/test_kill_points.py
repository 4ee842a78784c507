"""SIGKILL at every point of a job's path: what was accepted ends once, and nothing is accepted by half."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import IBMRuntimeError

from coldplate.client import pointed_at
from coldplate.testing import running_server

OF_THE_SERVER = [
    "T1-body-received",
    "T2-params-stored",
    "T3-job-committed",
    "T4-answer-sent",
    "T5-claim-committed",
    "T9-end-not-committed",
    "T10-end-committed",
    "T11-lane-freed",
    "T12-result-read",
]
OF_THE_JOB = ["T6-child-started", "T7-device-opened", "T8-result-stored"]
NOT_ACCEPTED = OF_THE_SERVER[:2]


@pytest.fixture(scope="module")
def armed(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("failpoints")


@pytest.fixture(scope="module")
def mortal(catalog, armed):
    """A server whose points can be armed."""
    with running_server(catalog=catalog, lease_s=3, failpoints=armed) as running:
        yield running


def passages(armed: Path, job: str) -> list[tuple[str, int]]:
    """The points that a job passed, with the fence of the attempt."""
    lines = [json.loads(line) for line in (armed / "journal").read_text().splitlines()]
    return [(line["point"], line.get("fence", 0)) for line in lines if line.get("job") == job]


def submit(client, shots: int):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=client.backend("sim_statevector")).run([circuit], shots=shots)


@contextlib.contextmanager
def revived(mortal):
    """The server dies inside, and is started again at once, while the client goes on asking."""

    def revive() -> None:
        mortal._process.wait(30)
        mortal.restart()

    thread = threading.Thread(target=revive)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(("number", "point"), list(enumerate(OF_THE_SERVER)))
def test_server_killed_at_a_point_loses_nothing_and_doubles_nothing(mortal, armed, number, point):
    shots = 100 + number
    with pointed_at(mortal.url, mortal.key, mortal.crn) as client:
        before = {job.job_id() for job in client.jobs(limit=None)}
        (armed / point).write_text("kill")
        told = None
        # The client repeats what it reads, but a POST only after an answer: then it raises.
        with revived(mortal), contextlib.suppress(IBMRuntimeError, ConnectionError):
            told = submit(client, shots)
            told.result()
        new = [job for job in client.jobs(limit=None) if job.job_id() not in before]
        if point in NOT_ACCEPTED:
            assert (told, new) == (None, [])
            return
        (job,) = new
        assert told is None or told.job_id() == job.job_id()
        assert job.result()[0].data.meas.get_counts() == {"01": shots}
        assert job.status() == "DONE"
        ends = [each for each, _ in passages(armed, job.job_id()) if each == "T10-end-committed"]
        assert len(ends) == 1


@pytest.mark.parametrize(("number", "point"), list(enumerate(OF_THE_JOB)))
def test_job_process_killed_at_a_point_runs_again_and_ends_once(mortal, armed, number, point):
    shots = 200 + number
    with pointed_at(mortal.url, mortal.key, mortal.crn) as client:
        (armed / point).write_text("kill")
        job = submit(client, shots)
        assert job.result()[0].data.meas.get_counts() == {"01": shots}
    passed = passages(armed, job.job_id())
    assert (point, 1) in passed
    assert ("T10-end-committed", 2) in passed
    assert ("T10-end-committed", 1) not in passed


def test_job_that_is_killed_every_time_fails_after_three_attempts(mortal, armed):
    with pointed_at(mortal.url, mortal.key, mortal.crn) as client:
        (armed / "T7-device-opened").write_text("kill")
        job = submit(client, 10)
        deadline = time.monotonic() + 30
        for attempt in range(3):
            if attempt > 0:
                (armed / "T7-device-opened").write_text("kill")
            while (armed / "T7-device-opened").exists():
                assert time.monotonic() < deadline
                time.sleep(0.005)
        job.wait_for_final_state(timeout=30)
        assert job.status() == "ERROR"
        assert "3 times" in job.error_message()
        assert "4004" in job.error_message()


def test_full_disk_refuses_a_job_which_the_client_then_repeats(mortal, armed):
    with pointed_at(mortal.url, mortal.key, mortal.crn) as client:
        (armed / "blob-write").write_text("error ENOSPC")
        job = submit(client, 50)
        assert job.result()[0].data.meas.num_shots == 50
        assert not (armed / "blob-write").exists()
