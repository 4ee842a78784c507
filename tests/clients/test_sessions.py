"""Sessions and batches through the unmodified client: how they open, take jobs, end, and are found again."""

from __future__ import annotations

import time

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Batch, SamplerV2, Session
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMRuntimeError, RuntimeJobFailureError

KINDS = pytest.mark.parametrize(("kind", "mode"), [(Session, "dedicated"), (Batch, "batch")])
LONG_SHOTS = 500_000  # at real pace: minutes


def flip() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def submit(session, shots: int = 10):
    return SamplerV2(mode=session).run([flip()], shots=shots)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


# --- open -------------------------------------------------------------------------------------------


@KINDS
def test_jobs_of_a_session_run_in_order(service, kind, mode):
    with kind(backend=service.backend("emu_fast")) as session:
        jobs = [submit(session, shots=10 + number) for number in range(4)]
    counts = [job.result()[0].data.meas.num_shots for job in jobs]
    assert counts == [10, 11, 12, 13]
    assert {job.session_id for job in jobs} == {session.session_id}
    started = [job.metrics()["timestamps"]["running"] for job in jobs]
    assert started == sorted(started)
    assert session.details()["mode"] == mode


@KINDS
def test_details_tell_the_life_of_a_session(service, kind, mode):
    session = kind(backend=service.backend("emu_fast"), max_time="25m")
    try:
        details = session.details()
        assert (details["id"], details["backend_name"]) == (session.session_id, "emu_fast")
        assert (details["mode"], details["max_time"], details["state"]) == (mode, 1500, "open")
        assert details["accepting_jobs"] is True
        assert details["started_at"] is details["closed_at"] is details["last_job_started"] is None
        assert session.status() == "Pending"
        submit(session).result()
        wait_for(lambda: session.details()["last_job_completed"])
        details = session.details()
        assert (details["state"], session.status()) == ("active", "In progress, accepting new jobs")
        assert details["started_at"]
        assert details["last_job_started"] <= details["last_job_completed"]
        assert details["interactive_timeout"] > 0
    finally:
        session.close()
    details = session.details()
    assert (details["state"], details["accepting_jobs"], session.status()) == ("closed", False, "Closed")
    assert details["closed_at"] >= details["last_job_completed"]
    assert [entry["status"] for entry in details["timestamps"]] == ["open", "active", "closed"]
    assert session.usage() == details["usage_time"] >= 0


def test_usage_of_a_batch_is_that_of_its_jobs(service):
    with Batch(backend=service.backend("emu_fast")) as batch:
        jobs = [submit(batch) for _ in range(2)]
        for job in jobs:
            job.wait_for_final_state()
    wait_for(lambda: batch.details()["state"] == "closed")
    assert batch.usage() == pytest.approx(sum(job.usage() for job in jobs), abs=1)


@pytest.mark.parametrize(("max_time", "seconds"), [(600, 600), ("1h 30m", 5400), (10**6, 28_800)])
def test_max_time_is_kept_up_to_the_most_of_the_plan(service, max_time, seconds):
    with Session(backend=service.backend("emu_fast"), max_time=max_time) as session:
        assert session.details()["max_time"] == seconds


def test_max_time_that_is_too_short_is_refused(service):
    with pytest.raises(RequestsApiError, match="max_ttl is -5 s"):
        Session(backend=service.backend("emu_fast"), max_time=-5)


def test_session_ends_its_queue_when_its_time_is_over(service):
    session = Session(backend=service.backend("emu_slow"), max_time=2)
    first, second = submit(session, shots=LONG_SHOTS), submit(session, shots=LONG_SHOTS)
    try:
        second.wait_for_final_state(timeout=60)
        assert second.status() == "ERROR"
        wait_for(lambda: session.details()["accepting_jobs"] is False)
        with pytest.raises(IBMRuntimeError):
            submit(session)
    finally:
        cancel_unless_ended(first, second)
    wait_for(lambda: session.details()["state"] == "closed")


# --- end ----------------------------------------------------------------------------------------------


def cancel_unless_ended(*jobs) -> None:
    for job in jobs:
        if job.status() in ("QUEUED", "RUNNING"):
            job.cancel()
        job.wait_for_final_state(timeout=60)


@KINDS
def test_closed_session_takes_no_jobs_but_runs_those_it_has(service, kind, mode):
    session = kind(backend=service.backend("emu_fast"))
    jobs = [submit(session) for _ in range(3)]
    session.close()
    for job in jobs:
        assert job.result()[0].data.meas.get_counts()["01"] > 0
    wait_for(lambda: session.details()["state"] == "closed")
    session._active = True  # the client would refuse by itself; the server has to
    with pytest.raises(IBMRuntimeError, match="accepts no more jobs"):
        submit(session)


@KINDS
def test_cancelled_session_ends_its_queued_jobs(service, kind, mode):
    ahead = submit(service.backend("emu_slow"), shots=LONG_SHOTS)
    session = kind(backend=service.backend("emu_slow"))
    jobs = [submit(session) for _ in range(3)]
    try:
        session.cancel()
        for job in jobs:
            job.wait_for_final_state(timeout=30)
        for job in jobs:
            with pytest.raises(RuntimeJobFailureError, match="session was cancelled"):
                job.result()
        assert session.status() == "Closed"
    finally:
        cancel_unless_ended(ahead, *jobs)


def test_cancelled_session_lets_the_running_job_finish(service):
    session = Session(backend=service.backend("emu_slow"))
    running, queued = submit(session, shots=8000), submit(session)
    wait_for(lambda: running.status() != "QUEUED")
    assert running.status() == "RUNNING"
    session.cancel()
    queued.wait_for_final_state(timeout=30)
    assert queued.status() == "ERROR"
    assert running.result()[0].data.meas.num_shots == 8000
    wait_for(lambda: session.details()["state"] == "closed")


def test_cancel_inside_a_context_is_no_error_at_its_end(service):
    with Batch(backend=service.backend("emu_fast")) as batch:
        batch.cancel()
    assert batch.status() == "Closed"


# --- found again ----------------------------------------------------------------------------------------


@KINDS
def test_session_is_found_by_its_id_and_takes_jobs(service, kind, mode):
    session = kind(backend=service.backend("emu_fast"))
    again = kind.from_id(session.session_id, service)
    assert again.backend() == "emu_fast"
    job = submit(again)
    job.wait_for_final_state()
    assert job.session_id == session.session_id
    again.close()
    assert session.status() == "Closed"


def test_session_is_not_found_as_a_batch(service):
    with Session(backend=service.backend("emu_fast")) as session:
        with pytest.raises(IBMInputValueError, match="mode"):
            Batch.from_id(session.session_id, service)


def test_jobs_are_listed_by_session(service):
    with Batch(backend=service.backend("emu_fast")) as batch:
        jobs = [submit(batch) for _ in range(3)]
    outside = submit(service.backend("emu_fast"))
    for job in [*jobs, outside]:
        job.wait_for_final_state()
    listed = [job.job_id() for job in service.jobs(session_id=batch.session_id)]
    assert listed == [job.job_id() for job in reversed(jobs)]
    assert outside.session_id is None


def test_session_of_another_backend_takes_no_jobs(service):
    with Session(backend=service.backend("emu_fast")) as session:
        session._backend = service.backend("sim_statevector")
        with pytest.raises(IBMRuntimeError, match="is for backend emu_fast"):
            submit(session)
