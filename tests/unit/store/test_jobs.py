"""The life of a job in the store: acceptance, attempts, its only end, lists."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState, JobFilter
from coldplate.errors import UnknownJob
from coldplate.ids import new_id
from coldplate.store import jobs as jobs_module

DONE = FinalState(
    JobState.COMPLETED, usage_s=2.5, result_size=7, result_sha256="f" * 64, metrics={"num_circuits": 1}
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def rows(url, query):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.fixture
def start(store, now):
    def start(job, lane=0):
        return store.start(job.id, lane=lane, now=now, lease_s=30)

    return start


# --- acceptance ---------------------------------------------------------------------------------


def test_job_comes_back_as_it_was_stored(store, new_job, now):
    job = new_job(
        tags=("b", "a", "b"),
        private=True,
        runtime="image:tag",
        calibration="slow",
        caller="qiskit/1",
        cost_s=7,
        estimated_s=1.5,
        params_size=12,
        params_sha256="e" * 64,
    )
    store.add_job(job, fingerprint="x", now=now)
    assert store.job(job.id) == job


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXT)
def test_any_text_without_nul_and_surrogates_is_kept(store, add_job, ours, now, text):
    job = add_job(user=text, runtime=text, caller=text, tags=(text,))
    assert store.job(job.id) == job
    assert job in store.jobs(JobFilter(ours.id, tags=(text,), limit=1000))[0]
    end = FinalState(JobState.FAILED, reason=text, solution=text, metrics={"text": text})
    store.start(job.id, lane=int(job.id, 36) % 2**40, now=now, lease_s=1)
    store.finish(job.id, 1, end, now=now)
    assert store.job(job.id).reason == text


def test_surrogates_in_a_reason_do_not_keep_a_job_from_ending(store, add_job, start, now):
    job = start(add_job())
    assert store.finish(job.id, job.fence, FinalState(JobState.FAILED, reason="\ud800 is odd"), now=now)
    assert store.job(job.id).reason == "? is odd"


def test_job_of_another_instance_is_unknown(store, add_job, foreign, ours):
    job = add_job()
    assert store.job(job.id, ours.id) == job
    assert store.job(job.id, foreign.id) is None


def test_job_that_never_was_is_unknown(store):
    assert store.job("0" * 20) is None


# --- attempts -----------------------------------------------------------------------------------


def test_start_counts_the_attempt_and_takes_lane_and_lease(start, add_job, now):
    job = start(add_job(tags=("kept",)), lane=3)
    assert (job.state, job.fence, job.attempts, job.lane, job.started) == (JobState.RUNNING, 1, 1, 3, now)
    assert job.lease_until == now + timedelta(seconds=30)
    assert job.tags == ("kept",)


def test_job_starts_once(start, add_job):
    job = add_job()
    assert start(job, lane=0) is not None
    assert start(job, lane=1) is None


def test_lane_of_a_backend_holds_one_job(store, start, add_job):
    first, second = add_job(), add_job()
    start(first)
    assert start(second) is None
    assert store.job(second.id) == second
    assert start(second, lane=1) is not None
    assert start(add_job(backend="eagle")) is not None


def test_lane_is_free_again_after_the_end(store, start, add_job, now):
    job = start(add_job())
    store.finish(job.id, job.fence, DONE, now=now)
    assert start(add_job()) is not None


def test_one_of_many_that_start_at_the_same_time_gets_the_lane(start, add_job):
    jobs = [add_job() for _ in range(12)]
    started = []
    threads = [threading.Thread(target=lambda job=job: started.append(start(job))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 12
    assert len([job for job in started if job is not None]) == 1


def test_restart_gives_a_new_fence_and_is_not_seen_outside(store, start, add_job, now):
    job = start(add_job(), lane=2)
    later = now + timedelta(seconds=40)
    again = store.restart(job.id, fence=1, now=later, lease_s=30)
    assert (again.state, again.fence, again.attempts, again.lane) == (JobState.RUNNING, 2, 2, 2)
    assert (again.started, again.lease_until) == (now, later + timedelta(seconds=30))


def test_stale_fence_can_do_nothing(store, url, start, add_job, now):
    job = start(add_job())
    current = store.restart(job.id, fence=1, now=now, lease_s=30)
    assert store.beat(job.id, 1, now=now, lease_s=99) is None
    assert store.restart(job.id, fence=1, now=now, lease_s=99) is None
    assert store.finish(job.id, 1, DONE, now=now) is False
    assert store.job(job.id) == current
    assert rows(url, "SELECT * FROM terminal_event UNION ALL SELECT job, 1, 1, 1 FROM usage") == []


def test_beat_renews_the_lease_and_tells_of_a_cancel(store, start, add_job, now):
    job = start(add_job())
    later = now + timedelta(seconds=10)
    assert store.beat(job.id, 1, now=later, lease_s=30) is False
    assert store.job(job.id).lease_until == later + timedelta(seconds=30)
    store.request_cancel(job.id, now)
    assert store.beat(job.id, 1, now=later, lease_s=30) is True


# --- ends ---------------------------------------------------------------------------------------


def test_end_writes_state_charge_and_event_once(store, url, start, add_job, ours, now):
    job = start(add_job())
    assert store.finish(job.id, 1, DONE, now=now) is True
    assert store.finish(job.id, 1, FinalState(JobState.FAILED, usage_s=9), now=now) is False
    ended = store.job(job.id)
    assert (ended.state, ended.usage_s, ended.ended, ended.lane) == (JobState.COMPLETED, 2.5, now, None)
    assert (ended.result_size, ended.result_sha256, ended.metrics) == (7, "f" * 64, {"num_circuits": 1})
    assert rows(url, "SELECT job, state, fence FROM terminal_event") == [(job.id, "Completed", 1)]
    assert rows(url, "SELECT instance, backend, seconds, job FROM usage") == [(ours.id, "heron", 2.5, job.id)]


def test_end_is_written_whole_or_not_at_all(store, url, start, add_job, now):
    job = start(add_job())
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        other.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON usage BEGIN SELECT RAISE(ABORT, 'no charge'); END"
        )
    other.close()
    with pytest.raises(Exception, match="no charge"):
        store.finish(job.id, 1, DONE, now=now)
    assert store.job(job.id) == job
    assert rows(url, "SELECT * FROM terminal_event") == []


def test_many_ends_at_the_same_time_are_one(store, url, start, add_job, now):
    job = start(add_job())
    ends = [FinalState(state, usage_s=1) for state in (JobState.COMPLETED, JobState.FAILED) * 6]
    written = []
    threads = [
        threading.Thread(target=lambda end=end: written.append(store.finish(job.id, 1, end, now=now)))
        for end in ends
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [False] * 11 + [True]
    assert rows(url, "SELECT count(*), sum(seconds) FROM usage") == [(1, 1.0)]


def test_cancel_ends_a_queued_job(store, url, add_job, now):
    job = add_job()
    assert store.request_cancel(job.id, now) is JobState.CANCELLED
    assert store.request_cancel(job.id, now) is JobState.CANCELLED
    ended = store.job(job.id)
    assert (ended.state, ended.ended, ended.started, ended.usage_s) == (JobState.CANCELLED, now, None, 0)
    assert rows(url, "SELECT job, state, fence FROM terminal_event") == [(job.id, "Cancelled", 0)]


def test_cancel_marks_a_running_job(store, start, add_job, now):
    job = start(add_job())
    assert store.request_cancel(job.id, now) is JobState.RUNNING
    assert store.job(job.id).cancel_requested


def test_cancel_leaves_an_ended_job_alone(store, start, add_job, now):
    job = start(add_job())
    store.finish(job.id, 1, DONE, now=now)
    ended = store.job(job.id)
    assert store.request_cancel(job.id, now) is JobState.COMPLETED
    assert store.job(job.id) == ended


def test_cancel_of_a_deleted_job_says_that_it_is_unknown(store, now):
    with pytest.raises(UnknownJob):
        store.request_cancel(new_id(), now)


def test_queued_jobs_of_a_session_end_some_at_a_time(store, add_job, add_session, told, now, monkeypatch):
    monkeypatch.setattr(jobs_module, "AT_ONCE", 2)
    session, other = add_session().id, add_job()
    waiting = [add_job(session=session).id for _ in range(3)]
    end, rounds = FinalState(JobState.FAILED, code=1217), []
    told.clear()
    while ended := store.end_some_queued(session, end, now=now):
        rounds.append([job.id for job in ended])
    assert rounds == [waiting[:2], waiting[2:]]
    assert told == waiting
    assert {store.job(id).reason_code for id in waiting} == {1217}
    assert store.job(other.id).state is JobState.QUEUED


def test_queued_job_can_fail_with_a_reason(store, start, add_job, now):
    waiting, running = add_job(), start(add_job())
    end = FinalState(JobState.FAILED, reason="closed", code=1217, solution="open one")
    assert store.end_queued(waiting.id, end, now=now)
    assert not store.end_queued(running.id, end, now=now)
    ended = store.job(waiting.id)
    assert (ended.state, ended.reason, ended.reason_code, ended.reason_solution) == (
        JobState.FAILED,
        "closed",
        1217,
        "open one",
    )


# --- other changes ------------------------------------------------------------------------------


def test_tags_are_replaced_in_their_order(store, add_job):
    job = add_job(tags=("old",))
    store.set_tags(job.id, ["z", "a"])
    assert store.job(job.id).tags == ("z", "a")
    store.set_tags(job.id, [])
    assert store.job(job.id).tags == ()


def test_tags_of_a_deleted_job_are_no_error(store):
    store.set_tags(new_id(), ["a"])


def test_only_the_first_reading_of_results_is_remembered(store, add_job, now):
    job = add_job(private=True)
    store.mark_results_read(job.id, now)
    store.mark_results_read(job.id, now + timedelta(seconds=5))
    assert store.job(job.id).results_read == now


def test_only_ended_jobs_can_be_deleted_and_their_charge_stays(store, start, add_job, ours, now):
    job = start(add_job(tags=("a",)))
    store.delete_job(job.id)
    assert store.job(job.id) == job
    store.finish(job.id, 1, DONE, now=now)
    store.delete_job(job.id)
    assert store.job(job.id) is None
    assert store.all_job_ids() == set()
    assert store.used_s(ours.id, now - timedelta(days=1)) == 2.5


# --- lists --------------------------------------------------------------------------------------


@pytest.fixture
def shelf(store, add_job, add_session, start, foreign, now):
    """Four jobs of ours, a minute apart, and a foreign one; by their place in the order of acceptance."""
    session = add_session(mode="batch")
    minute = timedelta(minutes=1)
    jobs = [
        add_job(tags=("a",), backend="eagle"),
        add_job(tags=("a", "b"), created=now + minute, session=session.id),
        add_job(tags=("b", "ab"), created=now + 2 * minute, program="estimator"),
        add_job(created=now + 3 * minute),
        add_job(instance=foreign.id, tags=("a", "b")),
    ]
    store.request_cancel(jobs[0].id, now)
    start(jobs[1])
    return jobs


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [3, 2, 1, 0]),
        ({"ascending": True}, [0, 1, 2, 3]),
        ({"backend": "eagle"}, [0]),
        ({"backend": "none"}, []),
        ({"program": "estimator"}, [2]),
        ({"tags": ("a",)}, [1, 0]),
        ({"tags": ("a", "b")}, [1]),
        ({"tags": ("a", "ab")}, []),
        ({"tags": ("A",)}, []),
        ({"tags": ("a%",)}, []),
        ({"pending": True}, [3, 2, 1]),
        ({"pending": False}, [0]),
        ({"states": (JobState.RUNNING, JobState.CANCELLED)}, [1, 0]),
        ({"session": "x"}, []),
        ({"pending": True, "tags": ("b",), "program": "sampler"}, [1]),
    ],
)
def test_filters_are_all_met(store, ours, shelf, wanted, found):
    jobs, total = store.jobs(JobFilter(ours.id, **wanted))
    assert [job.id for job in jobs] == [shelf[index].id for index in found]
    assert total == len(found)


def test_list_of_a_session_has_its_jobs(store, ours, shelf):
    (job,), total = store.jobs(JobFilter(ours.id, session=shelf[1].session))
    assert (job.id, total) == (shelf[1].id, 1)
    assert store.has_jobs(job.session, JobState.RUNNING)
    assert not store.has_jobs(job.session, JobState.QUEUED)


def test_times_of_creation_are_bounds_that_belong_to_the_range(store, ours, shelf, now):
    minute = timedelta(minutes=1)
    between = JobFilter(ours.id, created_after=now + minute, created_before=now + 2 * minute)
    assert [job.id for job in store.jobs(between)[0]] == [shelf[2].id, shelf[1].id]
    late = JobFilter(ours.id, created_after=now + 3 * minute + timedelta(microseconds=1))
    assert store.jobs(late) == ([], 0)


@pytest.mark.parametrize(
    ("limit", "offset", "found"),
    [
        (2, 0, [3, 2]),
        (2, 2, [1, 0]),
        (2, 3, [0]),
        (0, 0, []),
        (9, 4, []),
        pytest.param(10**30, 0, [3, 2, 1, 0], id="more than the database can count"),
        pytest.param(9, 10**30, [], id="behind all that the database can count"),
        pytest.param(-1, -5, [], id="less than nothing"),
    ],
)
def test_every_page_tells_the_exact_number_of_matches(store, ours, shelf, limit, offset, found):
    jobs, total = store.jobs(JobFilter(ours.id, limit=limit, offset=offset))
    assert [job.id for job in jobs] == [shelf[index].id for index in found]
    assert total == 4


def test_list_longer_than_a_statement_may_name_keeps_its_tags(store, add_job, ours):
    for number in range(510):
        add_job(tags=(f"tag{number}",))
    jobs, _ = store.jobs(JobFilter(ours.id, limit=1000, ascending=True))
    assert [job.tags for job in jobs] == [(f"tag{number}",) for number in range(510)]


def test_tags_are_searched_inside_the_instance(store, ours, foreign, shelf):
    assert store.tags(ours.id, "") == ["a", "ab", "b"]
    assert store.tags(ours.id, "b") == ["ab", "b"]
    assert store.tags(foreign.id, "ab") == []
    assert store.tags(ours.id, "%") == []
