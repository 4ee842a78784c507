"""The life of a job as the unmodified client sees it: submitted, listed, read, cancelled, deleted."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import (
    IBMInputValueError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobNotFound,
)

LONG_SHOTS = 500_000  # at real pace: minutes


def flip(num_qubits: int = 2) -> QuantumCircuit:
    """Qubit 0 in state 1, all measured; in the gates of every backend here."""
    circuit = QuantumCircuit(num_qubits)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def submit(service, backend="sim_statevector", *, shots=10, **environment):
    """A small sampler job."""
    sampler = SamplerV2(mode=service.backend(backend), options={"environment": environment})
    return sampler.run([flip()], shots=shots)


def wait_until_running(job):
    deadline = time.monotonic() + 60
    while job.status() == "QUEUED":
        assert time.monotonic() < deadline, "the job never started"
        time.sleep(0.05)
    assert job.status() == "RUNNING"


# --- the ordinary life ----------------------------------------------------------------------------


def test_job_is_submitted_and_gives_its_result(service):
    job = submit(service, shots=10)
    assert job.result()[0].data.meas.get_counts() == {"01": 10}
    assert job.status() == "DONE"
    assert job.backend().name == "sim_statevector"
    assert job.primitive_id == "sampler"


def test_metrics_tell_when_the_job_ran_and_usage_is_charged_once(service):
    before = service.usage()["usage_consumed_seconds"]
    job = submit(service, "emu_fast", shots=4096)
    job.result()
    times = {name: datetime.fromisoformat(told) for name, told in job.metrics()["timestamps"].items()}
    assert times["created"] <= times["running"] <= times["finished"]
    assert job.usage() >= 2  # an emulated device charges 2 s and the time of its shots
    charged = service.usage()["usage_consumed_seconds"] - before
    assert charged == pytest.approx(job.usage(), abs=1)


def test_job_is_read_again_by_another_process(server, service):
    job = submit(service, shots=123)
    job.result()
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from qiskit_ibm_runtime import QiskitRuntimeService\n"
        "job = QiskitRuntimeService().job(sys.argv[1])\n"
        "print(job.status(), job.result()[0].data.meas.get_counts(), len(job.inputs['pubs']))"
    )
    command = [sys.executable, "-c", code, job.job_id()]
    done = subprocess.run(command, env={**server.env, "PATH": "/usr/bin"}, capture_output=True, text=True)
    assert done.stdout == "DONE {'01': 123} 1\n", done.stderr


def test_log_of_a_job_is_text(service):
    job = submit(service)
    job.result()
    assert isinstance(job.logs(), str)


# --- lists ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(service):
    """Five jobs, all ended, oldest first: three with tags, the second one created at a known time."""
    mark = f"listed-{time.time_ns()}"
    jobs = []
    for number in range(5):
        jobs.append(submit(service, job_tags=[mark, "even" if number % 2 == 0 else "odd"]))
        jobs[-1].wait_for_final_state()
    return mark, [job.job_id() for job in jobs]


def ids(jobs) -> list[str]:
    return [job.job_id() for job in jobs]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, [4, 3, 2, 1, 0], id="newest first"),
        pytest.param({"descending": False}, [0, 1, 2, 3, 4], id="oldest first"),
        pytest.param({"limit": 2}, [4, 3], id="limit"),
        pytest.param({"limit": 2, "skip": 1}, [3, 2], id="limit and skip"),
        pytest.param({"limit": 10, "skip": 3}, [1, 0], id="the last page is short"),
        pytest.param({"skip": 5}, [], id="skip as many as there are"),
        pytest.param({"skip": 50}, [], id="skip more than there are"),
        pytest.param({"limit": None}, [4, 3, 2, 1, 0], id="without a limit"),
        pytest.param({"pending": True}, [], id="pending"),
        pytest.param({"pending": False}, [4, 3, 2, 1, 0], id="not pending"),
        pytest.param({"backend_name": "sim_statevector"}, [4, 3, 2, 1, 0], id="backend"),
        pytest.param({"backend_name": "emu_fast"}, [], id="another backend"),
        pytest.param({"program_id": "sampler"}, [4, 3, 2, 1, 0], id="program"),
        pytest.param({"program_id": "estimator"}, [], id="another program"),
        pytest.param({"job_tags": ["odd"]}, [3, 1], id="both tags"),
        pytest.param({"job_tags": ["odd", "even"]}, [], id="no job has all tags"),
        pytest.param({"session_id": "aaaaaaaaaaaaaaaaaaaa"}, [], id="another session"),
    ],
)
def test_list_of_jobs_is_filtered(service, listed, filters, expected):
    mark, made = listed
    tags = [mark, *filters.pop("job_tags", [])]
    assert ids(service.jobs(job_tags=tags, **filters)) == [made[number] for number in expected]


def test_list_of_jobs_is_filtered_by_time(service, listed):
    mark, made = listed
    middle = service.job(made[2]).creation_date
    newer = service.jobs(job_tags=[mark], created_after=middle + timedelta(microseconds=1))
    older = service.jobs(job_tags=[mark], created_before=middle - timedelta(microseconds=1))
    assert ids(newer) == [made[4], made[3]]
    assert ids(older) == [made[1], made[0]]
    assert service.jobs(job_tags=[mark], created_after=datetime.now(UTC) + timedelta(days=1)) == []


PAUSED = pytest.mark.filterwarnings("ignore:The backend sim_paused currently has a status of paused")


@PAUSED
def test_long_list_is_read_in_pages(service):
    backend = service.backend("sim_paused")
    mark = f"many-{time.time_ns()}"
    sampler = SamplerV2(mode=backend, options={"environment": {"job_tags": [mark]}})
    made = [sampler.run([flip()], shots=1 + number).job_id() for number in range(45)]
    try:
        assert ids(service.jobs(limit=None, job_tags=[mark])) == made[::-1]
        assert ids(service.jobs(limit=None, skip=30, job_tags=[mark])) == made[14::-1]
    finally:
        for job in service.jobs(limit=None, job_tags=[mark]):
            job.cancel()


# --- tags, privacy, deletion ------------------------------------------------------------------------


def test_tags_are_replaced(service):
    job = submit(service, job_tags=["first"])
    assert job.tags == ["first"]
    job.update_tags(["second", "third"])
    assert sorted(service.job(job.job_id()).tags) == ["second", "third"]


def test_inputs_of_a_private_job_are_never_returned_and_its_results_are_there_once(service):
    job = submit(service, private=True)
    assert job.result()[0].data.meas.get_counts() == {"01": 10}
    again = service.job(job.job_id())
    assert again.private
    assert not again.inputs


def test_deleted_job_is_gone(service):
    job = submit(service)
    job.wait_for_final_state()
    service.delete_job(job.job_id())
    with pytest.raises(RuntimeJobNotFound):
        service.job(job.job_id())


# --- cancel ------------------------------------------------------------------------------------------


@PAUSED
def test_queued_job_is_cancelled(service):
    job = submit(service, "sim_paused")
    assert job.status() == "QUEUED"
    job.cancel()
    assert job.status() == "CANCELLED"
    with pytest.raises(RuntimeInvalidStateError):
        job.result()


def test_running_job_is_cancelled_and_the_next_one_runs(service):
    job = submit(service, "emu_slow", shots=LONG_SHOTS)
    wait_until_running(job)
    job.cancel()
    job.wait_for_final_state(timeout=30)
    assert job.status() == "CANCELLED"
    assert submit(service).result()[0].data.meas.get_counts() == {"01": 10}


def test_job_that_has_ended_cant_be_cancelled(service):
    job = submit(service)
    job.wait_for_final_state()
    with pytest.raises(RuntimeInvalidStateError):
        job.cancel()


# --- failures -----------------------------------------------------------------------------------------


def test_unknown_job_is_not_found(service):
    with pytest.raises(RuntimeJobNotFound):
        service.job("aaaaaaaaaaaaaaaaaaaa")


def test_circuit_that_is_not_isa_fails_with_the_official_code(service, monkeypatch):
    backend = service.backend("emu_fast")
    monkeypatch.setattr("qiskit_ibm_runtime.base_primitive.validate_isa_circuits", lambda *_: None)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    job = SamplerV2(mode=backend).run([circuit])
    with pytest.raises(RuntimeJobFailureError, match="1517"):
        job.result()
    assert job.status() == "ERROR"


def test_job_over_its_execution_time_is_told_so(service):
    job = submit_with_limit(service, seconds=1)
    with pytest.raises(RuntimeJobMaxTimeoutError):
        job.result()
    assert job.status() == "ERROR"


def submit_with_limit(service, *, seconds: int):
    sampler = SamplerV2(mode=service.backend("emu_slow"), options={"max_execution_time": seconds})
    return sampler.run([flip()], shots=LONG_SHOTS)


def test_unknown_session_is_refused(service):
    from qiskit_ibm_runtime import Session

    with pytest.raises(IBMInputValueError):
        Session.from_id("aaaaaaaaaaaaaaaaaaaa", service=service)
