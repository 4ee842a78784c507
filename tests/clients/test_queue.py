"""Who runs when, through the unmodified client: sessions, batches, timers, plans and limits.

The server runs in this process, so that its clock can be put forward.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
import uvicorn
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Batch, SamplerV2, Session
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import (
    IBMRuntimeError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
)
from tests.clients.house import Clock, House

from coldplate import server
from coldplate.api.limits import GuardedHttp
from coldplate.client import pointed_at
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.user import Role
from coldplate.ids import new_id
from coldplate.settings import Settings
from coldplate.testing import running_server

pytestmark = pytest.mark.filterwarnings("ignore:The backend emu_fast currently has a status of paused")


@pytest.fixture(scope="module")
def house(catalog, tmp_path_factory):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(server, "now", clock)
        settings = Settings(data=tmp_path_factory.mktemp("data"), catalog=catalog)
        running = server.build(settings)
        stack.callback(running.close)
        assert running.pool.warm()
        config = uvicorn.Config(
            running.app, http=GuardedHttp, loop="uvloop", ws="none", lifespan="off", log_config=None, port=0
        )
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, daemon=True)
        thread.start()
        while not serving.started:
            time.sleep(0.01)
        port = serving.servers[0].sockets[0].getsockname()[1]
        yield House(running, clock, stack, f"http://127.0.0.1:{port}")
        serving.should_exit = True
        thread.join()


@pytest.fixture
def paused(house):
    """Pauses the fast device until `resume`, so that a queue can be made."""
    house.store.set_status("emu_fast", "paused", "a test")
    yield lambda: house.store.set_status("emu_fast", None, None)
    house.store.set_status("emu_fast", None, None)


def submit(mode, shots=10, **options):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=mode, options=options).run([circuit], shots=shots)


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def started(*jobs):
    """The jobs in the order in which they started."""
    for job in jobs:
        job.result()
    return sorted(jobs, key=lambda job: job.metrics()["timestamps"]["running"])


# --- sessions ---------------------------------------------------------------------------------------


def test_session_owns_the_device_while_jobs_of_another_user_wait(house):
    chem, qec = house.client("chem"), house.client("qec", account="qec")
    session = Session(backend=chem.backend("emu_fast"), max_time=3600)
    submit(session).result()
    wait_for(lambda: session.details()["state"] == "active")
    other = submit(qec.backend("emu_fast"))
    submit(session).result()
    assert other.status() == "QUEUED"
    assert "a session of another account holds the device until at most" in house.why(qec, other)
    assert session.status() == "In progress, accepting new jobs"
    session.close()
    other.result()
    assert session.status() == "Closed"


def test_idle_session_loses_its_device_after_a_minute_and_waits_in_line_again(house):
    chem, qec = house.client("chem"), house.client("qec")
    session = Session(backend=chem.backend("emu_fast"))
    submit(session).result()
    wait_for(lambda: session.details()["state"] == "active")
    other = submit(qec.backend("emu_fast"))
    house.clock.pass_(seconds=50)
    time.sleep(1.5)  # more than a look of the scheduler
    assert other.status() == "QUEUED"
    house.clock.pass_(seconds=10)
    other.result()
    assert session.status() == "Pending"
    submit(session).result()
    wait_for(lambda: session.status() == "In progress, accepting new jobs")
    session.close()
    states = [entry["status"] for entry in session.details()["timestamps"]]
    assert states == ["open", "active", "inactive", "active", "closed"]


def test_session_is_charged_by_the_clock_and_its_jobs_not_beside(house):
    chem = house.client("chem")
    with Session(backend=chem.backend("emu_fast")) as session:
        job = submit(session)
        job.result()
        wait_for(lambda: session.details()["state"] == "active")
        house.clock.pass_(seconds=30)
    wait_for(lambda: session.status() == "Closed")
    assert session.usage() >= 30 > job.usage() > 2
    assert chem.usage()["usage_consumed_seconds"] == pytest.approx(session.usage(), abs=1)


def test_max_time_ends_the_queue_of_a_session(house):
    chem = house.client("chem")
    session = Session(backend=chem.backend("emu_fast"), max_time=600)
    submit(session).result()
    house.store.set_status("emu_fast", "paused", None)
    late = submit(session)
    house.clock.pass_(seconds=601)
    with pytest.raises(RuntimeJobFailureError, match="1217"):
        late.result()
    wait_for(lambda: session.status() == "Closed")
    house.store.set_status("emu_fast", None, None)
    assert session.details()["accepting_jobs"] is False


@pytest.mark.parametrize("kind", [Session, Batch])
def test_session_without_a_job_is_closed_after_half_an_hour(house, kind):
    session = kind(backend=house.client("chem").backend("emu_fast"))
    house.clock.pass_(minutes=29)
    time.sleep(1.5)
    assert session.status() == "Pending"
    house.clock.pass_(minutes=1)
    wait_for(lambda: session.status() == "Closed")


def test_session_that_was_closed_with_jobs_says_that_it_takes_no_more(house):
    session = Session(backend=house.client("chem").backend("emu_fast"))
    submit(session).result()
    wait_for(lambda: session.status() == "In progress, accepting new jobs")
    house.store.set_status("emu_fast", "paused", None)
    last = submit(session)
    session.close()
    assert session.status() == "In progress, not accepting new jobs"
    assert session.details()["accepting_jobs"] is False
    house.store.set_status("emu_fast", None, None)
    last.result()
    wait_for(lambda: session.status() == "Closed")


def test_active_time_that_was_asked_for_ends_the_priority_of_a_session(house):
    chem = house.client("chem")
    wish = {"mode": "dedicated", "backend": "emu_fast", "active_ttl": 300, "interactive_ttl": 200}
    made = httpx.post(f"{house.url}/api/v1/sessions", headers=chem.headers, json=wish).json()
    session = Session.from_id(made["id"], chem)
    submit(session).result()
    wait_for(lambda: session.details()["state"] == "active")
    assert session.details()["active_timeout"] == 300
    house.store.set_status("emu_fast", "paused", None)
    job = submit(session)  # with it the session is not idle
    house.clock.pass_(seconds=301)
    wait_for(lambda: session.details()["state"] == "inactive")
    house.store.set_status("emu_fast", None, None)
    job.result()
    session.close()


# --- batches and fair share -------------------------------------------------------------------------


def test_batch_jumps_the_line_once_its_first_job_has_started(house, paused):
    chem, qec = house.client("chem"), house.client("qec")
    batch = Batch(backend=chem.backend("emu_fast"))
    first = submit(batch)
    other = submit(qec.backend("emu_fast"))
    rest = [submit(batch) for _ in range(2)]
    batch.close()
    paused()
    assert started(other, first, *rest) == [first, *rest, other]
    wait_for(lambda: batch.status() == "Closed")


def test_next_job_is_of_the_instance_that_used_the_least_of_its_allocation(house, paused):
    chem, qec = house.client("chem", allocation_s=1000), house.client("qec", allocation_s=1000)
    house.charge(chem, 500)
    first, second = submit(chem.backend("emu_fast")), submit(qec.backend("emu_fast"))
    paused()
    assert started(first, second) == [second, first]


def test_instance_without_an_allocation_is_served_after_one_that_has_one(house, paused):
    new, qec = house.client("new"), house.client("qec", allocation_s=1000)
    house.charge(qec, 500)
    first, second = submit(new.backend("emu_fast")), submit(qec.backend("emu_fast"))
    paused()
    assert started(first, second) == [second, first]


def test_queued_jobs_are_told_where_they_stand_and_when_they_may_start(house):
    chem, qec = house.client("chem"), house.client("qec")
    session = Session(backend=chem.backend("emu_fast"), max_time=3600)
    submit(session).result()
    wait_for(lambda: session.details()["state"] == "active")
    jobs = [submit(qec.backend("emu_fast")) for _ in range(2)]
    metrics = [job.metrics() for job in jobs]
    assert [each["position_in_queue"] for each in metrics] == [1, 2]
    assert all(each["estimated_start_time"] > each["timestamps"]["created"] for each in metrics)
    url = f"{house.url}/api/v1/backends?fields=wait_time_seconds"
    devices = httpx.get(url, headers=qec.headers).json()["devices"]
    waits = next(device["wait_time_seconds"] for device in devices if device["name"] == "emu_fast")
    assert 0 < waits["p50"] <= waits["p95"]
    assert 0 < waits["average"] <= 3600
    listed = house.cli(qec, "jobs", "list")
    assert [row["position"] for row in listed] == [2, 1]
    assert "holds the device" in house.cli(qec, "jobs", "why", jobs[0].job_id())["reason"]
    session.close()
    started(*jobs)


# --- maintenance ------------------------------------------------------------------------------------


def test_job_that_would_run_into_maintenance_waits_until_it_is_over(house):
    chem = house.client("chem")
    house.have_run(chem, "emu_fast", seconds=100, times=20)  # a tenth of what is looked at, at least
    begin = house.clock() + timedelta(seconds=60)
    end = begin + timedelta(hours=1)
    house.store.add_reservation(Reservation(new_id(), "emu_fast", Claim.MAINTENANCE, begin, end))
    job = submit(chem.backend("emu_fast"), max_execution_time=300)
    assert "and the job would run into that" in house.why(chem, job)
    time.sleep(1.5)
    assert job.status() == "QUEUED"
    house.clock.pass_(hours=1, seconds=61)
    assert job.result()[0].data.meas.num_shots == 10


# --- plans and limits -------------------------------------------------------------------------------


def test_plan_without_sessions_has_batches_of_ten_minutes(house):
    free = house.client("free", plan="open")
    with pytest.raises(RequestsApiError, match="1352"):
        Session(backend=free.backend("emu_fast"))
    with Batch(backend=free.backend("emu_fast"), max_time="2h") as batch:
        submit(batch).result()
        assert batch.details()["max_time"] == 600


def test_instance_at_the_limit_of_a_stopping_plan_submits_nothing(house):
    paying = house.client("paying", plan="payg", limit_s=60)
    submit(paying.backend("emu_fast")).result()
    house.charge(paying, 60)
    assert paying.usage()["usage_limit_reached"] is True
    with (
        pytest.warns(UserWarning, match="usage limit"),
        pytest.raises(IBMRuntimeError, match="limit of 60 s"),
    ):
        submit(paying.backend("emu_fast"))


def test_instance_at_the_limit_of_a_waiting_plan_waits_for_the_window(house):
    premium = house.client("premium", limit_s=60)
    house.charge(premium, 60)
    with pytest.warns(UserWarning, match="usage limit"):
        job = submit(premium.backend("emu_fast"))
    time.sleep(1.5)
    assert job.status() == "QUEUED"
    assert "has used its limit" in house.why(premium, job)
    house.clock.pass_(days=28)
    assert job.result()[0].data.meas.num_shots == 10


def test_job_that_needs_more_than_its_execution_time_ends_as_ran_too_long(house):
    job = submit(house.client("chem").backend("emu_fast"), shots=100_000, max_execution_time=5)
    with pytest.raises(RuntimeJobMaxTimeoutError):
        job.result()
    assert job.status() == "ERROR"
    assert job.usage() == 2


def test_limit_that_a_manager_sets_counts_up_to_the_operators_cap(house):
    client = house.client("capped", plan="payg", cap_s=60, role=Role.MANAGER)
    url = f"{house.url}/api/v1/instances/configuration"
    refused = httpx.put(url, headers=client.headers, json={"instance_limit": 61})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, 4053)
    assert httpx.put(url, headers=client.headers, json={"instance_limit": 50}).status_code == 204
    assert client.usage()["usage_limit_seconds"] == 50
    house.charge(client, 50)
    with (
        pytest.warns(UserWarning, match="usage limit"),
        pytest.raises(IBMRuntimeError, match="limit of 50 s"),
    ):
        submit(client.backend("emu_fast"))


# --- in real time -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_idle_session_loses_its_device_after_a_real_minute(catalog):
    with running_server(catalog=catalog) as real, pointed_at(real.url, real.key, real.crn) as service:
        session = Session(backend=service.backend("emu_fast"))
        submit(session).result()
        wait_for(lambda: session.details()["state"] == "active")
        other = submit(service.backend("emu_fast"))
        began = time.monotonic()
        other.wait_for_final_state(timeout=120)
        assert time.monotonic() - began > 50
        assert session.details()["state"] == "inactive"
        session.close()
