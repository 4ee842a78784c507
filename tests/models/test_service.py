"""Service, scheduler and store against a model: whatever users, processes and power cuts do, in any order."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from coldplate.audit import audit
from coldplate.auth import Auth, Principal
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import JobState
from coldplate.domain.query import JobFilter
from coldplate.domain.session import Mode, Ttls
from coldplate.domain.submission import Submission
from coldplate.domain.user import EVERYWHERE, Role
from coldplate.errors import JobNotCancellable, JobNotFinished, SessionClosed, UnknownJob
from coldplate.scheduler.loop import Loop
from coldplate.service import Service
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.workers.pool import Receipt

T0 = datetime(2026, 11, 25, tzinfo=UTC)
INSTANCES = [Instance(make_crn(name, "main"), name, account=name) for name in ("ada", "eve")]
ALL = {EVERYWHERE: Role.MANAGER}
USERS = [Principal(i.account, i.account, "k", i, roles=ALL) for i in INSTANCES]
DEVICE = BackendRecord("device", {"n_qubits": 5}, None)
IDEAL = BackendRecord("ideal", {"n_qubits": 5}, None, lanes=2, simulator=True)
PARAMS = b'{"pubs": [], "version": 2}'
ORDER = {JobState.QUEUED: 0, JobState.RUNNING: 1}


class PoolInHand:
    """A pool whose processes end when the machine says so, and all at once in a power cut."""

    def __init__(self):
        self.tickets, self.done, self.stopped = {}, {}, set()

    def start(self, ticket, done):
        key = (ticket.job, ticket.fence)
        self.tickets[key], self.done[key] = ticket, done

    def stop(self, job, fence):
        if (job, fence) in self.done:
            self.stopped.add((job, fence))

    def alive(self):
        return set(self.done)

    def capacity(self):
        return 3 - len(self.done)


@dataclass
class Known:
    """What must be true of a job that somebody was told of."""

    owner: int
    mark: str
    seen: JobState = JobState.QUEUED
    result: bytes | None = None
    cancelled: bool = False
    usage_s: float = 0.0
    fences: list[int] = field(default_factory=list)


class LifeOfAService(RuleBasedStateMachine):
    """Two users, an exclusive device and a simulator with two lanes."""

    jobs = Bundle("jobs")
    sessions = Bundle("sessions")
    users = st.integers(0, 1)
    backends = st.sampled_from(["device", "ideal"])

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.data = Path(self.directory.name)
        self.now, self.known, self.gone, self.posts = T0, {}, set(), 0
        self.open()
        for instance in INSTANCES:
            self.store.add_instance(instance)
        self.store.put_backends([DEVICE, IDEAL], T0)

    def open(self):
        """Start a server on what is on disk."""
        self.settings, self.changes, self.pool = Settings(data=self.data), Changes(), PoolInHand()
        self.store, self.blobs = Store(self.settings.database_url), LocalBlobs(self.data / "blobs")
        self.store.migrate()
        common = {"store": self.store, "blobs": self.blobs, "settings": self.settings}
        common |= {"changes": self.changes, "clock": lambda: self.now}
        auth = Auth(self.store, self.settings)
        self.service = Service(auth=auth, stop=self.pool.stop, **common)
        self.loop = Loop(pool=self.pool, **common)

    def teardown(self):
        self.drain()
        self.store.close()
        self.directory.cleanup()

    # --- users --------------------------------------------------------------------------------

    def post(self, user, mark, **fields):
        fields = {"program_id": "sampler", "params": msgspec.Raw(PARAMS)} | fields
        return self.service.submit(USERS[user], Submission(**fields), PARAMS, fingerprint=mark)

    @rule(target=jobs, user=users, backend=backends, private=st.booleans())
    def submit(self, user, backend, private):
        self.posts += 1
        mark = f"{user} {self.posts}"
        job = self.post(user, mark, backend=backend, private=private)
        self.known[job.id] = Known(user, mark)
        return job.id

    @rule(job=jobs)
    def repeat_the_post_that_was_not_answered(self, job):
        if job not in self.gone:
            known, before = self.known[job], self.service.job(USERS[self.known[job].owner], job)
            age = self.now - before.created
            if age < timedelta(seconds=100):
                again = self.post(known.owner, known.mark, backend=before.backend, private=before.private)
                assert again.id == job

    @rule(target=sessions, user=users, mode=st.sampled_from(Mode), backend=backends)
    def open_session(self, user, mode, backend):
        self.posts += 1
        session = self.service.open_session(
            USERS[user], mode, backend, Ttls(max_s=600), fingerprint=f"s {self.posts}"
        )
        return user, session.id, backend

    @rule(target=jobs, session=sessions)
    def submit_in_session(self, session):
        user, id, backend = session
        self.posts += 1
        mark = f"{user} {self.posts}"
        try:
            job = self.post(user, mark, backend=backend, session_id=id)
        except SessionClosed:
            job = self.post(user, mark, backend=backend)
        self.known[job.id] = Known(user, mark)
        return job.id

    @rule(session=sessions, cancel=st.booleans())
    def end_session(self, session, cancel):
        user, id, _ = session
        if cancel:
            self.service.cancel_session(USERS[user], id)
        else:
            self.service.close_session(USERS[user], id, False)

    @rule(job=jobs)
    def cancel(self, job):
        if job in self.gone:
            return
        known = self.known[job]
        try:
            self.service.cancel(USERS[known.owner], job)
        except JobNotCancellable:
            assert self.state(job).final
        else:
            known.cancelled = True

    @rule(job=consumes(jobs))
    def delete(self, job):
        if job in self.gone:
            return
        try:
            self.service.delete(USERS[self.known[job].owner], job)
        except JobNotFinished:
            assert self.state(job) is JobState.RUNNING
        else:
            self.gone.add(job)

    @rule(job=jobs)
    def stranger_asks(self, job):
        stranger = USERS[1 - self.known[job].owner]
        for verb in (self.service.job, self.service.cancel, self.service.delete, self.service.results):
            with suppress(UnknownJob):
                verb(stranger, job)
                raise AssertionError("a stranger was answered")

    # --- the machine --------------------------------------------------------------------------

    @rule()
    def look(self):
        self.loop.look()

    @rule(number=st.integers(0, 2), how=st.sampled_from(["Completed", "Completed", "Failed", "lost"]))
    def process_ends(self, number, how):
        if number < len(self.pool.done):
            self.end(sorted(self.pool.done)[number], how)

    def end(self, key, how):
        """A process ends, and says so; one that was stopped has nothing to say."""
        done, (job, fence) = self.pool.done.pop(key), key
        if key in self.pool.stopped:
            done(Receipt(job, fence, "Cancelled"))
        elif how == "lost":
            done(Receipt(job, fence, "Failed", lost=True))
        elif how == "Failed":
            done(Receipt(job, fence, "Failed", 1500, "no"))
        else:
            body = f"{job} {fence}".encode()
            size, digest = self.blobs.put(f"result/{job}/{fence}", body)
            self.known[job].result, self.known[job].usage_s = body, 2.0
            done(Receipt(job, fence, "Completed", usage_s=2.0, result_size=size, result_sha256=digest))

    @rule(seconds=st.sampled_from([1, 40, 61, 700]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def clock_jumps_back(self):
        self.now -= timedelta(seconds=30)

    @rule()
    def power_is_cut(self):
        """Whatever was not committed is gone, and all processes with it."""
        self.store._database.close()
        self.open()

    # --- what must be true --------------------------------------------------------------------

    def state(self, job):
        return self.service.job(USERS[self.known[job].owner], job).state

    @invariant()
    def jobs_go_forward_and_end_once(self):
        for id, known in self.known.items():
            if id in self.gone:
                continue
            job = self.service.job(USERS[known.owner], id)
            assert ORDER.get(job.state, 2) >= ORDER.get(known.seen, 2)
            assert not known.seen.final or job.state is known.seen
            if known.cancelled and job.state.final:
                assert job.state is JobState.CANCELLED
            known.seen = job.state
            if job.state is JobState.COMPLETED and not job.private:
                assert self.service.results(USERS[known.owner], id).read_bytes() == known.result

    @invariant()
    def drivers_are_alone(self):
        alive = [self.pool.tickets[key] for key in self.pool.done]
        assert len({ticket.job for ticket in alive}) == len(alive)
        on_device = [ticket for ticket in alive if ticket.backend == "device"]
        assert len(on_device) <= 1
        for ticket in alive:
            fences = self.known[ticket.job].fences
            if not fences or fences[-1] != ticket.fence:
                assert not fences or ticket.fence > fences[-1]
                fences.append(ticket.fence)

    @invariant()
    def lists_have_what_there_is(self):
        for number, user in enumerate(USERS):
            jobs, total = self.service.jobs(user, JobFilter(user.instance.id, limit=1000))
            mine = {id for id, known in self.known.items() if known.owner == number} - self.gone
            assert {job.id for job in jobs} == mine
            assert total == len(mine)

    def drain(self):
        """When nothing goes wrong any more, every job ends, and the store is whole."""
        for _ in range(400):
            self.loop.look()
            for key in sorted(self.pool.done):
                self.end(key, "Completed")
            if all(self.state(id).final for id in set(self.known) - self.gone):
                break
            self.now += timedelta(seconds=31)
        left = {id: self.state(id) for id in set(self.known) - self.gone if not self.state(id).final}
        assert left == {}
        self.jobs_go_forward_and_end_once()
        assert audit(self.store, self.blobs).problems == []


TestLifeOfAService = LifeOfAService.TestCase
TestLifeOfAService.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


class LongLifeOfAService(LifeOfAService):
    """The same, longer and oftener: a search for what short lives don't meet."""


TestLongLifeOfAService = pytest.mark.slow(pytest.mark.timeout(1800)(LongLifeOfAService.TestCase))
TestLongLifeOfAService.settings = settings(max_examples=100, stateful_step_count=80, deadline=None)
