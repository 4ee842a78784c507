"""Who runs when, through the unmodified client: sessions, batches, timers, plans and limits.

The server runs in this process, so that its clock can be put forward.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

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

from coldplate import server
from coldplate.api.limits import GuardedHttp
from coldplate.client import pointed_at
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.query import FinalState
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.ids import new_id
from coldplate.settings import Settings
from coldplate.testing import running_server

pytestmark = pytest.mark.filterwarnings("ignore:The backend emu_fast currently has a status of paused")


class Clock:
    """Real time, and what it was put forward."""

    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return datetime.now(UTC) + self.ahead

    def pass_(self, **time):
        self.ahead += timedelta(**time)


class House:
    """A server whose clock is ours, and clients of several instances."""

    def __init__(self, running, clock, stack, url):
        self.running, self.clock, self.url, self._stack = running, clock, url, stack
        self.store = running.store

    def client(self, name, *, account="local", **instance):
        """A client of a new instance, as its writer."""
        crn = make_crn(account, f"{name}-{new_id()}")
        self.store.add_instance(Instance(crn, name, account=account, **instance))
        user = User(f"user-{new_id()}", account, self.clock(), roles={EVERYWHERE: Role.WRITER})
        self.store.add_user(user)
        key = self.running.auth.issue_key(user.name, account, "test")
        service = self._stack.enter_context(pointed_at(self.url, key, crn))
        service.headers = {"Authorization": f"apikey {key}", "Service-CRN": crn}
        return service

    def why(self, service, job):
        answer = httpx.get(f"{self.url}/api/v1/jobs/{job.job_id()}/why", headers=service.headers)
        return answer.json()["reason"]

    def charge(self, service, seconds):
        """Use up quantum seconds."""
        crn = service.headers["Service-CRN"]
        job = Job(JobId(new_id()), crn, "ada", "sampler", "sim_paused", self.clock())
        self.store.add_job(job, fingerprint=job.id, now=self.clock())
        lane = 1000 + len(self.store.all_job_ids())
        fence = self.store.start(job.id, lane=lane, now=self.clock(), lease_s=30).fence
        self.store.finish(job.id, fence, FinalState(JobState.CANCELLED, usage_s=seconds), now=self.clock())


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
