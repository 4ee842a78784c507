"""Sessions in the store: written only by who has read them last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState
from coldplate.domain.session import Mode, SessionState

OPEN, ACTIVE, INACTIVE, CLOSED = SessionState


def test_session_comes_back_as_it_was_stored(store, add_session, foreign, ours):
    session = add_session(mode=Mode.BATCH, max_ttl_s=60)
    assert store.session(session.id) == session == store.session(session.id, ours.id)
    assert store.session(session.id, foreign.id) is None


def test_new_state_goes_into_the_history(store, add_session, now):
    session, later = add_session(), now + timedelta(seconds=9)
    active = replace(session, state=ACTIVE, started=later, activated=later)
    assert store.update_session(active, expect=OPEN, now=later)
    stored = store.session(session.id)
    assert stored.history == ((OPEN, now), (ACTIVE, later))
    assert (stored.state, stored.started, stored.version) == (ACTIVE, later, 1)


def test_same_state_leaves_the_history_alone(store, add_session):
    session = add_session()
    assert store.update_session(replace(session, accepting_jobs=False), expect=OPEN)
    stored = store.session(session.id)
    assert (stored.accepting_jobs, stored.history) == (False, session.history)


def test_change_of_a_session_that_was_written_meanwhile_is_refused(store, add_session):
    session = add_session()
    store.update_session(replace(session, accepting_jobs=False), expect=OPEN)
    assert not store.update_session(replace(session, state=ACTIVE), expect=OPEN)
    assert not store.session(session.id).accepting_jobs


def test_change_that_expects_another_state_is_refused(store, add_session, told):
    session = add_session()
    told.clear()
    assert not store.update_session(replace(session, state=CLOSED), expect=ACTIVE)
    assert store.session(session.id) == session
    assert told == []


@pytest.mark.parametrize(
    ("mode", "backend", "may"),
    [(Mode.DEDICATED, "heron", False), (Mode.BATCH, "heron", True), (Mode.DEDICATED, "eagle", True)],
)
def test_dedicated_session_owns_its_backend(store, add_session, mode, backend, may):
    first, second = add_session(), add_session(mode=mode, backend=backend)
    assert store.update_session(replace(first, state=ACTIVE), expect=OPEN)
    assert store.update_session(replace(second, state=ACTIVE), expect=OPEN) is may


def test_owner_that_became_inactive_makes_room(store, add_session):
    first, second = add_session(), add_session()
    store.update_session(replace(first, state=ACTIVE), expect=OPEN)
    store.update_session(replace(store.session(first.id), state=INACTIVE), expect=ACTIVE)
    assert store.update_session(replace(second, state=ACTIVE), expect=OPEN)


def test_jobs_write_their_times_into_their_session(store, add_session, add_job, now):
    session = add_session()
    job, later = add_job(session=session.id), now + timedelta(seconds=5)
    store.start(job.id, lane=0, now=now, lease_s=30)
    store.finish(job.id, 1, FinalState(JobState.COMPLETED), now=later)
    stored = store.session(session.id)
    assert (stored.last_job_started, stored.last_job_completed) == (now, later)
    # A change of the session that was read before does not undo it.
    assert store.update_session(replace(session, state=ACTIVE), expect=OPEN)
    assert store.session(session.id).last_job_completed == later


def test_job_that_never_started_leaves_no_time_in_its_session(store, add_session, add_job, now):
    session = add_session()
    store.request_cancel(add_job(session=session.id).id, now)
    assert store.session(session.id).last_job_completed is None
