"""Any order of calls leaves the store where a dictionary would be."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import ALLOWED, FINAL, Job, JobId, JobState
from coldplate.domain.query import FinalState, JobFilter
from coldplate.ids import new_id
from coldplate.store.store import Store

OURS = Instance(make_crn("ada", "ours"), "ours")
T0 = datetime(2026, 11, 24, tzinfo=UTC)
QUEUED, RUNNING = JobState.QUEUED, JobState.RUNNING


@dataclass(frozen=True)
class Known:
    """What must be true of a job."""

    state: JobState = QUEUED
    fence: int = 0
    lane: int | None = None
    cancelled: bool = False
    usage_s: float = 0.0


class LifeOfJobs(RuleBasedStateMachine):
    """Two lanes, a few jobs, stale and current workers, users who cancel and delete, restarts."""

    jobs = Bundle("jobs")
    ends = st.sampled_from(sorted(FINAL))
    fences = st.integers(0, 3)

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.directory.name) / 'coldplate.db'}"
        self.told: list[str] = []
        self.open()
        self.store.migrate()
        self.store.add_instance(OURS)
        self.known: dict[JobId, Known] = {}
        self.charged_s = 0.0

    def open(self):
        self.store = Store(self.url, on_change=self.told.append)

    def teardown(self):
        self.store.close()
        self.directory.cleanup()

    def change(self, id, **changes):
        """The model changes, and somebody was told of it."""
        after = replace(self.known[id], **changes)
        assert after.state == self.known[id].state or after.state in ALLOWED[self.known[id].state]
        self.known[id] = after
        assert self.told[-1] == id

    @rule(target=jobs)
    def submit(self):
        id = JobId(new_id())
        job = Job(id, OURS.id, "ada", "sampler", "heron", created=T0)
        self.store.add_job(job, fingerprint=id, now=T0)
        self.known[id] = Known()
        assert self.told[-1] == id
        return id

    @rule(id=jobs, lane=st.integers(0, 1))
    def start(self, id, lane):
        taken = any(job.lane == lane for job in self.known.values())
        may = id in self.known and self.known[id].state is QUEUED and not taken
        job = self.store.start(id, lane=lane, now=T0, lease_s=30)
        assert (job is not None) is may
        if may:
            self.change(id, state=RUNNING, fence=self.known[id].fence + 1, lane=lane)

    def is_current(self, id, fence):
        return id in self.known and self.known[id].state is RUNNING and self.known[id].fence == fence

    @rule(id=jobs, fence=fences)
    def restart(self, id, fence):
        may = self.is_current(id, fence)
        assert (self.store.restart(id, fence=fence, now=T0, lease_s=30) is not None) is may
        if may:
            self.change(id, fence=fence + 1)

    @rule(id=jobs, fence=fences)
    def beat(self, id, fence):
        wanted = self.known[id].cancelled if self.is_current(id, fence) else None
        assert self.store.beat(id, fence, now=T0, lease_s=30) is wanted

    @rule(id=jobs, fence=fences, state=ends, usage_s=st.integers(0, 5))
    def finish(self, id, fence, state, usage_s):
        may = self.is_current(id, fence) and (state is JobState.CANCELLED or not self.known[id].cancelled)
        assert self.store.finish(id, fence, FinalState(state, usage_s=usage_s), now=T0) is may
        if may:
            self.change(id, state=state, lane=None, usage_s=usage_s)
            self.charged_s += usage_s

    @precondition(lambda self: self.known)
    @rule(id=jobs)
    def cancel(self, id):
        if id not in self.known:
            return
        before = self.known[id]
        after = self.store.request_cancel(id, T0)
        if before.state is QUEUED:
            self.change(id, state=JobState.CANCELLED)
        elif before.state is RUNNING:
            self.known[id] = replace(before, cancelled=True)
        assert after is self.known[id].state

    @rule(id=jobs)
    def delete(self, id):
        self.store.delete_job(id)
        if id in self.known and self.known[id].state in FINAL:
            del self.known[id]

    @rule()
    def reopen(self):
        self.store.close()
        self.open()

    @invariant()
    def store_is_the_model(self):
        jobs, total = self.store.jobs(JobFilter(OURS.id, limit=1000, ascending=True))
        seen = {j.id: Known(j.state, j.fence, j.lane, j.cancel_requested, j.usage_s or 0.0) for j in jobs}
        assert seen == self.known
        assert list(seen) == list(self.known)
        assert total == len(self.known)
        assert self.store.used_s(OURS.id, T0 - timedelta(days=1)) == self.charged_s
        snapshot = self.store.snapshot(T0, alive=set(), free_slots=1000)
        assert [job.id for job in snapshot.waiting] == [i for i, k in self.known.items() if k.state is QUEUED]
        assert {job.id for job in snapshot.running} == {
            i for i, k in self.known.items() if k.state is RUNNING
        }


LifeOfJobs.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestLifeOfJobs = LifeOfJobs.TestCase
