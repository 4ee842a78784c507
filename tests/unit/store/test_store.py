"""Who hears of a change and when, and what a restart finds."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState, JobFilter
from coldplate.domain.session import SessionState
from coldplate.store.store import Store

DONE = FinalState(JobState.COMPLETED, usage_s=1)


def test_change_is_told_after_it_is_durable(url, store, new_job, now, ours):
    """Another connection, that only sees what is committed, sees it when the news comes."""
    other, seen = Store(url), []
    watched = Store(url, on_change=lambda id: seen.append(other.job(id).state))
    job = new_job()
    watched.add_job(job, fingerprint="x", now=now)
    watched.start(job.id, lane=0, now=now, lease_s=30)
    watched.finish(job.id, 1, DONE, now=now)
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]
    watched.close()
    other.close()


def test_every_change_of_state_is_told_once(store, add_job, add_session, told, now):
    job, waiting, session = add_job(), add_job(), add_session()
    store.start(job.id, lane=0, now=now, lease_s=30)
    store.restart(job.id, fence=1, now=now, lease_s=30)
    store.finish(job.id, 2, DONE, now=now)
    store.request_cancel(waiting.id, now)
    store.delete_job(waiting.id)
    store.update_session(replace(session, state=SessionState.CLOSED), expect=SessionState.OPEN)
    assert Counter(told) == {job.id: 4, waiting.id: 3, session.id: 2}


def test_what_changes_nothing_is_told_to_nobody(store, add_job, add_session, told, now):
    running, waiting, session = add_job(), add_job(), add_session()
    store.start(running.id, lane=0, now=now, lease_s=30)
    told.clear()
    store.start(running.id, lane=1, now=now, lease_s=30)
    store.start(waiting.id, lane=0, now=now, lease_s=30)
    store.restart(running.id, fence=9, now=now, lease_s=30)
    store.finish(running.id, 9, DONE, now=now)
    store.end_queued(running.id, FinalState(JobState.FAILED), now=now)
    store.delete_job(running.id)
    store.update_session(session, expect=SessionState.CLOSED)
    assert told == []


def test_listener_that_fails_does_not_make_a_stored_job_look_refused(url, store, new_job, now):
    def fail(id):
        raise RuntimeError("the loop is closed")

    deaf = Store(url, on_change=fail)
    job = new_job()
    assert deaf.add_job(job, fingerprint="x", now=now) == job == store.job(job.id)
    deaf.close()


def test_restart_finds_everything(url, store, add_job, add_session, ours, now):
    session = add_session()
    running, waiting = add_job(session=session.id, tags=("a",)), add_job(private=True)
    store.start(running.id, lane=0, now=now, lease_s=30)
    before = store.jobs(JobFilter(ours.id)), store.snapshot(now, alive=set(), free_slots=1)
    store.close()
    restarted = Store(url)
    restarted.migrate()
    assert (restarted.jobs(JobFilter(ours.id)), restarted.snapshot(now, alive=set(), free_slots=1)) == before
    assert restarted.job(waiting.id) == waiting
    restarted.close()


SUBMIT_AND_DIE = """
import os, signal, sys, threading
from datetime import datetime, UTC
from coldplate.domain.job import Job, JobId
from coldplate.ids import new_id
from coldplate.store.store import Store

store = Store(sys.argv[1])

def submit():
    while True:
        job = Job(JobId(new_id()), sys.argv[2], "ada", "sampler", "heron", created=datetime.now(UTC))
        os.write(1, f"{store.add_job(job, fingerprint=job.id, now=job.created).id}\\n".encode())

for _ in range(4):
    threading.Thread(target=submit, daemon=True).start()
threading.Event().wait(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_accepted_jobs_outlive_a_process_that_is_killed(url, store, ours):
    command = [sys.executable, "-c", SUBMIT_AND_DIE, url, ours.id]
    died = subprocess.run(command, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    accepted = [line for line in died.stdout.splitlines() if len(line) == 20]
    assert accepted
    assert set(accepted) <= store.all_job_ids()


def test_many_threads_write_and_read_without_losing_anything(store, add_job, ours):
    errors = []

    def use():
        try:
            for _ in range(5):
                job = add_job()
                assert store.job(job.id) == job
                store.mark_delivered(job.id)
                assert store.jobs(JobFilter(ours.id, limit=3))[1] >= 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    jobs, total = store.jobs(JobFilter(ours.id, limit=1000))
    assert total == len({job.id for job in jobs}) == 160


def test_store_starts_without_loading_the_migrations(url, store):
    code = (
        "import sys; from coldplate.store.store import Store; s = Store(sys.argv[1]); s.migrate(); "
        "assert s.instances(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("times", [1, 2])
def test_closing_again_is_no_error(url, times):
    store = Store(url)
    for _ in range(times):
        store.close()
