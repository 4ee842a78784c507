"""The loop carries decisions out on a real store; a pool of our own stands in for the processes."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.errors import Unavailable
from coldplate.scheduler import loop as loop_module
from coldplate.scheduler.loop import Loop
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.workers.pool import Receipt

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
INSTANCE = Instance(make_crn("local", "default"), "default")
HERON = BackendRecord("heron", {"n_qubits": 133}, None)
IDEAL = BackendRecord("ideal", {"n_qubits": 30}, None, lanes=4, simulator=True)


class Clock:
    def __init__(self):
        self.now = T0

    def __call__(self):
        return self.now


class PoolInHand:
    """A pool whose jobs end when the test says so."""

    def __init__(self, slots=2):
        self.slots, self.tickets, self.stopped, self.done = slots, {}, [], {}
        self.granted = []

    def start(self, ticket, done):
        key = (ticket.job, ticket.fence)
        self.tickets[key], self.done[key] = ticket, done

    def stop(self, job, fence):
        if (job, fence) in self.done:
            self.stopped.append((job, fence))

    def grant(self, job, fence):
        self.granted.append((job, fence))

    def alive(self):
        return set(self.done)

    def capacity(self):
        return self.slots - len(self.done)

    def close(self):
        for job, fence in list(self.done):
            self.end(job, fence, "Failed", lost=True)

    def end(self, job, fence=1, outcome="Completed", **fields):
        done = self.done[job, fence]
        done(Receipt(job, fence, outcome, **fields))
        del self.done[job, fence]


class Office:
    """A loop and all that it works on."""

    def __init__(self, data, **settings):
        self.data, self.clock, self.changes, self.pool = data, Clock(), Changes(), PoolInHand()
        self.settings = Settings(data=data, **settings)
        self.store = Store(self.settings.database_url, on_change=self.changes.publish)
        self.store.migrate()
        self.blobs = LocalBlobs(data / "blobs")
        if not self.store.instances():
            self.store.add_instance(INSTANCE)
        self.store.put_backends([HERON, IDEAL], T0)
        self.loop = self.new_loop()

    def new_loop(self):
        return Loop(
            store=self.store,
            pool=self.pool,
            blobs=self.blobs,
            settings=self.settings,
            changes=self.changes,
            clock=self.clock,
        )

    def add(self, name, **fields):
        id = JobId(name.ljust(20, "0"))
        job = Job(
            id,
            fields.pop("instance", INSTANCE.id),
            "ada",
            fields.pop("program", "sampler"),
            fields.pop("backend", "heron"),
            self.clock(),
            **fields,
        )
        self.blobs.put(job.params_key, b"{}")
        self.store.add_job(job, fingerprint=name, now=self.clock())
        return id

    def add_session(self, mode=Mode.DEDICATED, **fields):
        session = Session(SessionId("s" * 20), INSTANCE.id, "ada", mode, "heron", self.clock(), **fields)
        return self.store.add_session(session, fingerprint="session", now=self.clock())

    def settle(self):
        """Look until nothing is left to do."""
        while self.loop.look() == 0:
            pass

    def state(self, id):
        return self.store.job(id).state

    def pass_time(self, seconds):
        self.clock.now += timedelta(seconds=seconds)
        self.settle()


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.store.close()


# --- attempts ---------------------------------------------------------------------------------


def test_queued_job_runs_and_ends_with_what_its_receipt_says(office):
    id = office.add("a")
    office.settle()
    assert office.state(id) is JobState.RUNNING
    office.pool.end(id, usage_s=3.5, result_size=2, result_sha256="ab", metrics={"num_circuits": 1})
    job = office.store.job(id)
    assert (job.state, job.usage_s, job.result_sha256) == (JobState.COMPLETED, 3.5, "ab")
    assert job.metrics == {"num_circuits": 1}
    assert office.store.used_s(INSTANCE.id, T0 - timedelta(1)) == 3.5


@pytest.mark.parametrize("run_uploads", [True, False])
def test_uploaded_program_is_handed_over_only_where_they_are_run(tmp_path, run_uploads):
    office = Office(tmp_path, run_uploads=run_uploads)
    own, uploaded = office.add("a"), office.add("b", program="p" * 20)
    office.settle()
    office.pool.end(own)
    office.settle()
    tickets = {id: ticket for (id, _), ticket in office.pool.tickets.items()}
    assert tickets[own].code_key is None
    assert tickets[uploaded].code_key == (f"code/{uploaded}" if run_uploads else None)
    assert (tickets[own].owner, tickets[uploaded].owner) == (INSTANCE.id, None)
    office.store.close()


def test_start_is_on_disk_once_its_process_begins(office, monkeypatch):
    id, order = office.add("a"), []
    start, flush = office.pool.start, office.store.flush
    monkeypatch.setattr(office.pool, "start", lambda *given: order.append("begins") or start(*given))
    monkeypatch.setattr(office.store, "flush", lambda: order.append("flushed") or flush())
    office.settle()
    assert (office.state(id), order) == (JobState.RUNNING, ["begins", "flushed"])


def test_start_that_a_power_cut_has_undone_is_made_again(office, tmp_path):
    id, later = office.add("a"), tmp_path / "later"
    later.mkdir()
    with (
        closing(sqlite3.connect(tmp_path / "coldplate.db")) as now,
        closing(sqlite3.connect(later / "coldplate.db")) as kept,
    ):
        now.backup(kept)
    office.settle()
    ticket = office.pool.tickets[id, 1]
    office.blobs.put(ticket.result_key, b"of the attempt that the power cut ended")
    shutil.copytree(office.blobs.root, later / "blobs")
    after = Office(later)
    assert after.state(id) is JobState.QUEUED
    after.settle()
    assert after.pool.tickets[id, 1].result_key == ticket.result_key
    after.blobs.put(ticket.result_key, b"{}")  # takes the place of the other
    after.pool.end(id)
    assert after.state(id) is JobState.COMPLETED
    assert after.blobs.path(ticket.result_key).read_bytes() == b"{}"
    after.store.close()


def test_failed_job_tells_code_reason_and_solution(office):
    id = office.add("a")
    office.settle()
    office.pool.end(id, outcome="Failed", code=1517, reason="not ISA", solution="transpile")
    job = office.store.job(id)
    assert (job.state, job.reason_code) == (JobState.FAILED, 1517)
    assert (job.reason, job.reason_solution) == ("not ISA", "transpile")


def test_ticket_has_all_that_a_process_needs(tmp_path):
    office = Office(tmp_path, memory_per_job=1 << 28, threads_per_job=2, catalog=tmp_path / "c.toml")
    id = office.add("a", cost_s=100, log_level="INFO", calibration="slow")
    office.settle()
    ticket = office.pool.tickets[id, 1]
    assert (ticket.program, ticket.backend, ticket.log_level) == ("sampler", "heron", "INFO")
    assert (ticket.params_key, ticket.result_key) == (f"params/{id}", f"result/{id}/1")
    assert (ticket.log_key, ticket.blobs_root) == (f"log/{id}/1", str(tmp_path / "blobs"))
    assert (ticket.catalog, ticket.calibration) == (str(tmp_path / "c.toml"), "slow")
    limits = ticket.limits
    assert (limits.memory_bytes, limits.threads, limits.wall_s, limits.cpu_s) == (1 << 28, 2, 100, 200)
    office.store.close()


@pytest.mark.parametrize(("cost_s", "wall_s"), [(5, 5), (10_800, 60)])
def test_job_runs_as_long_as_it_asked_for_and_the_operator_allows(tmp_path, cost_s, wall_s):
    office = Office(tmp_path, max_execution_s=60)
    id = office.add("a", cost_s=cost_s)
    office.settle()
    assert office.pool.tickets[id, 1].limits.wall_s == wall_s
    office.store.close()


@pytest.mark.parametrize(("mode", "in_session"), [(Mode.DEDICATED, True), (Mode.BATCH, False)])
def test_ticket_says_whether_the_job_is_in_a_dedicated_session(office, mode, in_session):
    session = office.add_session(mode)
    id = office.add("a", session=session.id)
    office.settle()
    assert office.pool.tickets[id, 1].in_session is in_session


def test_next_job_starts_when_a_process_is_free(office):
    office.pool.slots = 1
    first, second = office.add("a", backend="ideal"), office.add("b", backend="ideal")
    office.settle()
    assert (office.state(first), office.state(second)) == (JobState.RUNNING, JobState.QUEUED)
    office.pool.end(first)
    office.settle()
    assert office.state(second) is JobState.RUNNING


def test_job_cancelled_while_running_ends_as_cancelled_though_it_completed(office):
    id = office.add("a")
    office.settle()
    office.store.request_cancel(id, T0)
    office.pool.end(id, usage_s=9, result_size=2, result_sha256="ab")
    job = office.store.job(id)
    assert (job.state, job.usage_s, job.result_sha256) == (JobState.CANCELLED, 2.0, None)
    assert (job.reason, job.reason_code) == (None, None)


def test_cancel_between_claim_and_start_stops_the_attempt(office):
    id = office.add("a")
    start = office.pool.start

    def start_after_cancel(ticket, done):
        office.store.request_cancel(id, T0)
        office.pool.stop(ticket.job, ticket.fence)  # the pool doesn't know the attempt yet
        start(ticket, done)

    office.pool.start = start_after_cancel
    office.settle()
    assert office.pool.stopped == [(id, 1)]


def test_job_cancelled_before_it_was_claimed_does_not_start(office):
    id = office.add("a")
    claim = office.store.start

    def cancel_first(*args, **kwargs):
        office.store.request_cancel(id, T0)
        return claim(*args, **kwargs)

    office.store.start = cancel_first
    office.settle()
    assert (office.state(id), office.pool.tickets) == (JobState.CANCELLED, {})


def test_private_params_are_erased_when_the_job_ends(office):
    id, other = office.add("a", private=True), office.add("b", backend="ideal")
    office.settle()
    office.pool.end(id)
    office.pool.end(other)
    assert list(office.blobs.list("params")) == [f"params/{other}"]


# --- lost workers -----------------------------------------------------------------------------


def test_lost_attempt_runs_again_with_a_higher_fence_and_the_old_one_commits_nothing(office):
    id = office.add("a")
    office.settle()
    first_done = office.pool.done[id, 1]
    office.pool.end(id, outcome="Failed", lost=True)
    office.settle()
    assert office.state(id) is JobState.RUNNING
    assert set(office.pool.done) == {(id, 2)}
    first_done(Receipt(id, 1, "Completed"))
    assert office.state(id) is JobState.RUNNING
    office.pool.end(id, 2)
    assert office.state(id) is JobState.COMPLETED


def test_job_that_loses_every_worker_fails(tmp_path):
    office = Office(tmp_path, max_attempts=2)
    id = office.add("a")
    for fence in (1, 2):
        office.settle()
        office.pool.end(id, fence, outcome="Failed", lost=True)
    office.settle()
    job = office.store.job(id)
    assert (job.state, job.reason_code, job.attempts) == (JobState.FAILED, 4004, 2)
    office.store.close()


def test_running_jobs_of_an_earlier_server_run_again_at_once(office):
    id = office.add("a")
    office.settle()
    office.loop.stop()
    office.pool.close()  # everything is lost
    assert office.state(id) is JobState.RUNNING
    office.loop = office.new_loop()
    office.settle()
    assert set(office.pool.done) == {(id, 2)}


def test_cancelled_job_whose_worker_is_lost_does_not_run_again(office):
    id = office.add("a")
    office.settle()
    office.store.request_cancel(id, T0)
    office.pool.end(id, outcome="Failed", lost=True)
    office.settle()
    assert (office.state(id), office.pool.done) == (JobState.CANCELLED, {})


def test_end_that_cannot_be_stored_is_tried_again(office, monkeypatch):
    monkeypatch.setattr(loop_module, "FINISH_PAUSES_S", (0.0, 0.0))
    id = office.add("a")
    office.settle()
    finish, broken = office.store.finish, [Unavailable("disk full")]

    def finish_later(*args, **kwargs):
        if broken:
            raise broken.pop()
        return finish(*args, **kwargs)

    office.store.finish = finish_later
    office.pool.end(id)
    assert office.state(id) is JobState.COMPLETED


def test_end_that_could_not_be_stored_at_all_means_another_attempt_after_the_lease(office, monkeypatch):
    monkeypatch.setattr(loop_module, "FINISH_PAUSES_S", (0.0,))
    id = office.add("a")
    office.settle()
    finish = office.store.finish
    office.store.finish = lambda *args, **kwargs: 1 / 0
    office.pool.end(id)
    office.store.finish = finish
    office.settle()
    assert office.pool.done == {}
    office.pass_time(office.settings.lease_s)
    assert set(office.pool.done) == {(id, 2)}


def test_end_is_kept_until_a_store_that_is_not_available_takes_it(office, monkeypatch):
    monkeypatch.setattr(loop_module, "FINISH_PAUSES_S", (0.0,))
    monkeypatch.setattr(loop_module, "LAST_PAUSE_S", 0.0)
    id = office.add("a")
    office.settle()
    finish, times = office.store.finish, iter(range(20))

    def full(*args, **kwargs):
        if next(times, None) is not None:
            raise Unavailable("disk full")
        return finish(*args, **kwargs)

    office.store.finish = full
    office.pool.end(id)
    assert office.state(id) is JobState.COMPLETED


def test_attempts_of_another_scheduler_are_lost_only_when_nobody_renewed_their_lease(office, monkeypatch):
    passed_s = 0.0
    monkeypatch.setattr(office.loop._leases, "_monotonic", lambda: passed_s)
    id = office.add("a")
    office.store.start(id, lane=0, now=office.clock(), lease_s=30, worker="another")
    office.pass_time(7200)  # clocks jump
    assert office.pool.done == {}
    passed_s = 29.0
    office.settle()
    office.store.beat(id, 1, now=office.clock(), lease_s=30)
    office.settle()
    passed_s = 58.0
    office.settle()
    assert office.pool.done == {}
    passed_s = 59.0
    office.settle()
    assert set(office.pool.done) == {(id, 2)}


@pytest.mark.parametrize("shared", [False, True])
def test_processes_end_with_their_lease_where_somebody_else_may_take_over(tmp_path, shared):
    office = Office(tmp_path, shared=shared)
    office.add("a")
    before = time.monotonic()
    office.settle()
    (ticket,) = office.pool.tickets.values()
    assert (ticket.until is not None) is shared
    assert not shared or before + 30 <= ticket.until <= time.monotonic() + 30
    office.store.close()


def test_cancel_that_comes_between_the_look_and_the_end_is_the_end(office):
    id = office.add("a")
    office.settle()
    finish = office.store.finish

    def cancelled_first(*args, **kwargs):
        office.store.finish = finish
        office.store.request_cancel(id, office.clock())
        return finish(*args, **kwargs)

    office.store.finish = cancelled_first
    office.pool.end(id)
    assert office.state(id) is JobState.CANCELLED


# --- devices ----------------------------------------------------------------------------------


@pytest.fixture
def lanes(office):
    """An office whose device has lanes; three jobs run in them."""
    office.store.put_backends([replace(HERON, lanes=3), IDEAL], T0)
    office.pool.slots = 9
    office.ids = [office.add(name) for name in "abc"]
    office.settle()
    return office


def ask(office, id, seconds=5.0):
    return office.store.ask_for_device(id, 1, seconds=seconds, now=office.clock())


def test_only_jobs_of_devices_have_to_ask(lanes):
    ideal = lanes.add("i", backend="ideal")
    lanes.settle()
    assert [lanes.pool.tickets[id, 1].exclusive for id in (*lanes.ids, ideal)] == [True, True, True, False]


def test_first_job_of_a_session_drives_its_device_from_its_start(office):
    office.store.put_backends([replace(HERON, lanes=3), IDEAL], T0)
    office.pool.slots = 9
    session = office.add_session()
    first, second = (office.add(name, session=session.id) for name in "ab")
    office.settle()
    assert [office.pool.tickets[id, 1].driving for id in (first, second)] == [True, False]
    assert ask(office, second) is False
    office.pool.end(first)
    office.settle()
    assert office.pool.granted == [(second, 1)]


def test_job_outside_of_sessions_asks_for_its_device_when_it_is_prepared(lanes):
    assert not any(lanes.pool.tickets[id, 1].driving for id in lanes.ids)


def test_first_who_asks_drives_at_once_and_the_next_when_it_has_left(lanes):
    first, second, third = lanes.ids
    assert ask(lanes, second) is True
    assert (ask(lanes, third), ask(lanes, first)) == (False, False)
    lanes.settle()
    assert lanes.pool.granted == []
    lanes.store.leave_device(second, 1, now=lanes.clock())
    lanes.settle()
    assert lanes.pool.granted == [(first, 1)]  # in the order of the line, not of asking


def test_device_of_a_lost_driver_is_free_when_its_death_is_known(lanes):
    first, second, _ = lanes.ids
    ask(lanes, first), ask(lanes, second)
    lanes.settle()
    assert lanes.pool.granted == []
    lanes.pool.end(first, outcome="Failed", lost=True)
    lanes.settle()
    assert lanes.pool.granted == [(second, 1)]
    assert lanes.store.job(first).driving is None


def test_end_of_a_driver_frees_its_device(lanes):
    first, second, _ = lanes.ids
    ask(lanes, first), ask(lanes, second)
    lanes.pool.end(first)
    lanes.settle()
    assert lanes.pool.granted == [(second, 1)]


def test_job_that_is_cut_short_is_charged_for_its_time_at_the_device(lanes):
    id, *_ = lanes.ids
    ask(lanes, id)
    lanes.pass_time(30)
    lanes.store.leave_device(id, 1, now=lanes.clock())
    lanes.pass_time(30)
    lanes.store.request_cancel(id, lanes.clock())
    lanes.pool.end(id)
    assert lanes.store.job(id).usage_s == 30


def test_estimate_is_known_once_the_program_is_ready(lanes):
    ask(lanes, lanes.ids[0], seconds=7.5)
    assert lanes.store.job(lanes.ids[0]).estimated_s == 7.5


@pytest.mark.parametrize(("plan", "device_s"), [("premium", 60), ("payg", 3)])
def test_job_may_use_what_it_asked_for_and_what_a_stopping_plan_has_left(tmp_path, plan, device_s):
    office = Office(tmp_path)
    instance = Instance(make_crn("local", plan), plan, plan=plan, limit_s=10)
    office.store.add_instance(instance)
    first = office.add("a", instance=instance.id)
    office.settle()
    office.pool.end(first, usage_s=7.0)
    second = office.add("b", instance=instance.id, cost_s=60)
    office.settle()
    assert office.pool.tickets[second, 1].device_s == device_s
    office.store.close()


# --- sessions ---------------------------------------------------------------------------------


def test_session_lives_from_its_first_job_to_its_last(office):
    session = office.add_session()
    id = office.add("a", session=session.id)
    office.settle()
    session = office.store.session(session.id)
    assert (session.state, session.started, session.last_job_started) == (SessionState.ACTIVE, T0, T0)
    office.pass_time(10)
    office.pool.end(id, usage_s=2)
    office.store.update_session(
        replace(session, accepting_jobs=False), expect=SessionState.ACTIVE, now=office.clock()
    )
    office.settle()
    session = office.store.session(session.id)
    assert (session.state, session.state_reason) == (SessionState.CLOSED, "session_closed_early")
    assert (session.usage_s, session.closed) == (10, T0 + timedelta(seconds=10))
    assert [state for state, _ in session.history][-2:] == [SessionState.ACTIVE, SessionState.CLOSED]


def test_idle_session_loses_its_backend_and_comes_back_with_its_next_job(office):
    session = office.add_session()
    id = office.add("a", session=session.id)
    office.settle()
    office.pool.end(id)
    other = office.add("b")
    office.pass_time(59)
    assert office.state(other) is JobState.QUEUED
    office.pass_time(1)
    session = office.store.session(session.id)
    assert (session.state, session.state_reason) == (
        SessionState.INACTIVE,
        "session_inactivated_by_interactive_ttl",
    )
    assert office.state(other) is JobState.RUNNING
    again = office.add("c", session=session.id)
    office.pool.end(other)
    office.settle()
    assert office.state(again) is JobState.RUNNING
    assert office.store.session(session.id).state is SessionState.ACTIVE


def test_max_ttl_fails_queued_jobs_lets_the_running_one_finish_and_closes(office):
    session = office.add_session(max_ttl_s=100)
    running, waiting = office.add("a", session=session.id), office.add("b", session=session.id)
    office.settle()
    office.pass_time(100)
    job = office.store.job(waiting)
    assert (job.state, job.reason_code) == (JobState.FAILED, 1217)
    assert office.state(running) is JobState.RUNNING
    assert office.store.session(session.id).accepting_jobs is False
    office.pool.end(running)
    office.settle()
    session = office.store.session(session.id)
    assert (session.state, session.state_reason) == (SessionState.CLOSED, "session_closed_by_max_ttl")
    assert office.state(running) is JobState.COMPLETED


def test_job_that_slipped_into_a_closed_session_fails(office):
    session = office.add_session()
    closed = replace(session, state=SessionState.CLOSED, accepting_jobs=False, closed=T0)
    office.store.update_session(closed, expect=SessionState.OPEN, now=T0)
    id = office.add("a", session=session.id)
    office.settle()
    job = office.store.job(id)
    assert (job.state, job.reason_code) == (JobState.FAILED, 1217)


def test_batch_has_used_what_its_jobs_have(office):
    session = office.add_session(Mode.BATCH)
    for name, usage_s in (("a", 3.0), ("b", 4.5)):
        id = office.add(name, session=session.id)
        office.settle()
        office.pool.end(id, usage_s=usage_s)
    office.store.delete_job(id)  # what it was charged stays
    office.pass_time(60)
    assert office.store.session(session.id).usage_s == 7.5


# --- the thread -------------------------------------------------------------------------------


def test_thread_starts_jobs_as_they_come(office):
    begun = threading.Event()
    start = office.pool.start
    office.pool.start = lambda ticket, done: (start(ticket, done), begun.set())
    office.loop.start()
    office.add("a")
    assert begun.wait(30)
    office.loop.stop()


def test_pass_that_fails_is_repeated(office):
    looked_again = threading.Event()
    snapshot, broken = office.store.snapshot, [RuntimeError("no")]

    def snapshot_later(*args, **kwargs):
        if broken:
            raise broken.pop()
        looked_again.set()
        return snapshot(*args, **kwargs)

    office.store.snapshot = snapshot_later
    office.loop.start()
    assert looked_again.wait(30)
    office.loop.stop()


def test_decision_that_fails_keeps_no_other_back(office):
    bad, good = office.add("a"), office.add("b", backend="ideal")
    claim = office.store.start

    def claim_unless_bad(id, **kwargs):
        if id == bad:
            raise RuntimeError("no")
        return claim(id, **kwargs)

    office.store.start = claim_unless_bad
    office.loop.look()
    assert office.state(good) is JobState.RUNNING


@pytest.mark.parametrize(("interactive_ttl_s", "pause_s"), [(60, 1.0), (0, 0.0)])
def test_loop_waits_until_the_next_timer_but_at_most_a_second(office, interactive_ttl_s, pause_s):
    session = office.add_session(interactive_ttl_s=interactive_ttl_s)
    id = office.add("a", session=session.id)
    office.settle()
    office.pool.end(id)
    assert office.loop.look() == pause_s
