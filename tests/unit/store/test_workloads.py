"""Jobs outside sessions, sessions and batches, in one list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState, WorkloadFilter
from coldplate.domain.session import Mode, SessionState

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ids(store, add_job, add_session, foreign, now):
    """A job that completed, a batch with a job in it, a session, a job that waits: a minute apart."""
    done = add_job(tags=("a", "b"))
    store.start(done.id, lane=0, now=now, lease_s=30)
    store.finish(done.id, 1, FinalState(JobState.COMPLETED, reason="fine", usage_s=2.5), now=now + 9 * MINUTE)
    batch = add_session(mode=Mode.BATCH, created=now + MINUTE)
    add_job(session=batch.id, tags=("a",))
    session = add_session(created=now + 2 * MINUTE, backend="eagle")
    ended = replace(session, state=SessionState.CLOSED, closed=now + 3 * MINUTE, usage_s=60.0)
    store.update_session(ended, expect=SessionState.OPEN)
    waiting = add_job(created=now + 3 * MINUTE, user="bob", tags=("ab-c",))
    add_job(instance=foreign.id)
    return [done.id, batch.id, session.id, waiting.id]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"descending": True}, [3, 2, 1, 0]),
        ({"mode": "job"}, [0, 3]),
        ({"mode": "batch"}, [1]),
        ({"mode": "session"}, [2]),
        ({"user": "bob"}, [3]),
        ({"backend": "eagle"}, [2]),
        ({"status": ("completed",)}, [0, 2]),
        ({"status": ("pending",)}, [1, 3]),
        ({"status": ("pending", "completed"), "mode": "job"}, [0, 3]),
        ({"tags": ("a", "b")}, [0]),
        ({"tags": ("a",)}, [0]),
        ({"search": "b-c"}, [3]),  # no id has a hyphen
        ({"search": "%"}, []),
    ],
)
def test_filters_are_all_met(store, ours, ids, wanted, found):
    workloads, total = store.workloads(WorkloadFilter(ours.id, **wanted))
    assert [workload.id for workload in workloads] == [ids[index] for index in found]
    assert total == len(found)


def test_search_finds_a_part_of_the_id(store, ours, ids):
    (workload,), total = store.workloads(WorkloadFilter(ours.id, search=ids[1][2:18]))
    assert (workload.id, total) == (ids[1], 1)


def test_times_of_creation_are_bounds_that_belong_to_the_range(store, ours, ids, now):
    f = WorkloadFilter(ours.id, created_after=now + MINUTE, created_before=now + 2 * MINUTE)
    assert [workload.id for workload in store.workloads(f)[0]] == ids[1:3]


@pytest.mark.parametrize(
    ("limit", "offset", "found"), [(2, 0, [0, 1]), (2, 3, [3]), (9, 4, []), (10**30, 0, [0, 1, 2, 3])]
)
def test_every_page_tells_the_exact_number_of_matches(store, ours, ids, limit, offset, found):
    workloads, total = store.workloads(WorkloadFilter(ours.id, limit=limit, offset=offset))
    assert [workload.id for workload in workloads] == [ids[index] for index in found]
    assert total == 4


def test_job_tells_its_end(store, ours, ids, now):
    (job, _), _ = store.workloads(WorkloadFilter(ours.id, mode="job"))
    assert (job.status, job.status_reason, job.usage_s) == ("completed", "fine", 2.5)
    assert (job.created, job.ended, job.tags) == (now, now + 9 * MINUTE, ("a", "b"))
    assert job.accepting_jobs is None


def test_session_tells_whether_it_accepts_jobs_and_what_it_used(store, ours, ids, now):
    (session,), _ = store.workloads(WorkloadFilter(ours.id, mode="session"))
    assert (session.status, session.usage_s, session.ended) == ("completed", 60.0, now + 3 * MINUTE)
    assert session.accepting_jobs is True
