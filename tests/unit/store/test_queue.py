"""What the scheduler sees, and what was used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from coldplate.domain.backend import BackendRecord
from coldplate.domain.job import JobState
from coldplate.domain.plan import WINDOW
from coldplate.domain.query import FinalState
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.session import Mode, SessionState
from coldplate.domain.snapshot import Running, Share, Waiting

HERON = BackendRecord("heron", {"n_qubits": 133}, None)


@pytest.fixture
def look(store, now):
    def look(free_slots=2, alive=frozenset()):
        return store.snapshot(now, alive=set(alive), free_slots=free_slots)

    return look


@pytest.fixture
def charge(store, add_job, now):
    def charge(usage_s, at=now, **changes):
        job = add_job(**changes)
        store.start(job.id, lane=0, now=now, lease_s=1)
        store.finish(job.id, 1, FinalState(JobState.COMPLETED, usage_s=usage_s), now=at)

    return charge


def test_snapshot_tells_who_waits_runs_and_owns(store, add_job, add_session, look, ours, now):
    store.put_backends([HERON], now)
    session = add_session()
    waiting, running = add_job(session=session.id), add_job()
    store.start(running.id, lane=1, now=now, lease_s=30)
    snapshot = look(alive={(running.id, 1)})
    assert snapshot.backends == (HERON,)
    assert snapshot.waiting == (Waiting(waiting.id, ours.id, "heron", session.id, now, waiting.cost_s),)
    lease = now + timedelta(seconds=30)
    assert snapshot.running == (
        Running(running.id, ours.id, "heron", None, 1, 1, 1, lease_until=lease, alive=True, worker="server"),
    )
    assert snapshot.sessions == (session,)
    assert snapshot.free_slots == 2


@pytest.mark.parametrize("attempt", [("other", 1), (None, 0), (None, 2)])
def test_attempt_is_alive_only_with_its_own_fence(store, add_job, look, now, attempt):
    job = add_job()
    store.start(job.id, lane=0, now=now, lease_s=30)
    (running,) = look(alive={(attempt[0] or job.id, attempt[1])}).running
    assert not running.alive


def test_waiting_jobs_come_in_the_order_of_acceptance_whatever_the_clock_said(add_job, look, now):
    jobs = [add_job(created=now - timedelta(hours=hours)) for hours in (0, 2, 1)]
    assert [job.id for job in look(free_slots=9).waiting] == [job.id for job in jobs]


def test_every_line_shows_as_many_heads_as_could_start(add_job, add_session, look, foreign):
    session = add_session(mode=Mode.BATCH)
    lines = [
        [add_job(**line) for _ in range(4)]
        for line in ({}, {"backend": "eagle"}, {"instance": foreign.id}, {"session": session.id})
    ]
    for free_slots, heads in ((0, 1), (1, 1), (3, 3), (9, 4)):
        seen = {job.id for job in look(free_slots=free_slots).waiting}
        assert seen == {job.id for line in lines for job in line[:heads]}


@pytest.mark.parametrize(
    ("status", "lanes", "free_slots", "shown"),
    [
        pytest.param("online", 2, 2, "all", id="a lane and a process are free"),
        pytest.param("online", 1, 2, "first of the session", id="no lane is free"),
        pytest.param("paused", 2, 2, "first of the session", id="the backend starts nothing"),
        pytest.param("online", 2, 0, "first of the session", id="no process is free"),
    ],
)
def test_of_what_cannot_start_the_scheduler_sees_only_the_first_job_of_a_session(
    store, add_job, add_session, now, status, lanes, free_slots, shown
):
    store.put_backends([replace(HERON, lanes=lanes, status=status)], now)
    store.start(add_job().id, lane=0, now=now, lease_s=30)
    session = add_session().id
    first = add_job(session=session)
    jobs = [first.id, add_job(session=session).id, add_job().id]
    snapshot = store.snapshot(now, alive=set(), free_slots=free_slots, whole=False)
    assert [job.id for job in snapshot.waiting] == (jobs if shown == "all" else [first.id])


def test_first_job_of_every_session_is_shown_also_of_a_closed_one(store, add_job, add_session, now):
    sessions = [add_session() for _ in range(3)]
    first = [add_job(session=session.id).id for session in sessions for _ in range(2)][::2]
    store.update_session(replace(sessions[1], state=SessionState.CLOSED), expect=SessionState.OPEN)
    snapshot = store.snapshot(now, alive=set(), free_slots=0, whole=False)
    assert [job.id for job in snapshot.waiting] == first


def test_head_of_a_line_is_known_by_its_id_and_not_by_its_number(store, add_job, look, now):
    gone = add_job()
    assert [job.id for job in look().waiting] == [gone.id]
    store.request_cancel(gone.id, now)
    store.delete_job(gone.id)
    new = add_job()  # has the number of the other
    assert [job.id for job in look().waiting] == [new.id]


def test_jobs_that_a_reservation_brings_forward_are_shown_behind_any_number_of_others(
    store, add_job, look, ours, now
):
    jobs = [add_job(created=now - timedelta(minutes=9 - minute)) for minute in range(9)]
    window = Reservation(
        "r", "heron", Claim.PRIORITY, now - timedelta(minutes=3), now + timedelta(hours=1), ours.id
    )
    store.add_reservation(window)
    snapshot = look(free_slots=1)
    assert [job.id for job in snapshot.waiting] == [jobs[0].id, jobs[6].id]
    assert snapshot.reservations == (window,)


def test_reservations_that_are_over_or_removed_are_not_shown(store, look, now):
    hour = timedelta(hours=1)
    for id, end in (("over", now), ("removed", now + hour), ("stays", now + hour)):
        store.add_reservation(Reservation(id, "heron", Claim.MAINTENANCE, now - hour, end))
    assert store.remove_reservation("removed")
    assert not store.remove_reservation("removed")
    assert [each.id for each in look().reservations] == ["stays"]


def test_status_that_an_operator_gives_outlives_the_catalog(store, look, now):
    store.put_backends([HERON], now)
    store.set_status("heron", "paused", "it is warm")
    store.put_backends([HERON], now)
    (heron,) = look().backends
    assert (heron.status, heron.status_reason) == ("paused", "it is warm")
    store.set_status("heron", None, None)
    assert store.backend("heron") == HERON


def test_dedicated_session_is_charged_by_the_clock_and_its_jobs_are_not(store, add_job, add_session, now):
    dedicated, batch = add_session(), add_session(mode=Mode.BATCH)
    for session in (dedicated, batch):
        job = add_job(session=session.id)
        store.start(job.id, lane=0, now=now, lease_s=1)
        store.finish(job.id, 1, FinalState(JobState.COMPLETED, usage_s=3.0), now=now)
        active = replace(store.session(session.id), state=SessionState.ACTIVE)
        store.update_session(active, expect=SessionState.OPEN, now=now)
        read = store.session(session.id)
        ended = replace(read, state=SessionState.CLOSED, usage_s=10.0)
        assert store.update_session(ended, expect=SessionState.ACTIVE, now=now)
        assert not store.update_session(ended, expect=SessionState.ACTIVE, now=now)  # nobody charges twice
    assert store.used_s(dedicated.instance, now - WINDOW) == 13.0


def test_jobs_ahead_are_those_of_the_instance_on_the_backend(store, add_job, foreign):
    others = [{}, {"backend": "eagle"}, {"instance": foreign.id}, {}]
    for other in others:
        add_job(**other)
    assert store.ahead(add_job()) == 2


def test_typical_time_is_that_of_jobs_that_completed_lately(store, add_job, now):
    for lane, seconds in enumerate((2, 4)):
        job = add_job()
        store.start(job.id, lane=lane, now=now, lease_s=1)
        store.finish(job.id, 1, FinalState(JobState.COMPLETED), now=now + timedelta(seconds=seconds))
    job = add_job(backend="eagle")
    store.start(job.id, lane=0, now=now, lease_s=1)
    assert store.ask_for_device(job.id, 1, seconds=None, now=now)
    store.leave_device(job.id, 1, now=now + timedelta(seconds=7))
    store.finish(job.id, 1, FinalState(JobState.COMPLETED), now=now + timedelta(seconds=60))
    assert store.typical_s() == {"heron": 3.0, "eagle": 7.0}


def test_usual_time_is_looked_up_while_a_window_is_ahead(store, add_job, look, now):
    for seconds in (3, *[2] * 19):
        job = add_job()
        store.start(job.id, lane=0, now=now, lease_s=1)
        store.finish(job.id, 1, FinalState(JobState.COMPLETED), now=now + timedelta(seconds=seconds))
    assert look().usual_s == {}
    hour = timedelta(hours=1)
    store.add_reservation(Reservation("r", "heron", Claim.MAINTENANCE, now + hour, now + 2 * hour))
    assert look().usual_s == {"heron": 2.0}


def test_closed_sessions_are_not_shown(store, add_session, look):
    session = add_session()
    store.update_session(replace(session, state=SessionState.CLOSED), expect=SessionState.OPEN)
    assert look().sessions == ()


def test_queue_lengths_count_what_has_not_ended(store, add_job, now):
    first = add_job()
    add_job(), add_job(backend="eagle")
    store.request_cancel(add_job(backend="eagle").id, now)
    store.start(first.id, lane=0, now=now, lease_s=30)
    assert store.queue_lengths() == {"heron": 2, "eagle": 1}


def test_use_is_summed_inside_the_window(store, charge, ours, foreign, now):
    charge(1.5)
    charge(2.5, at=now - WINDOW + timedelta(seconds=1))
    charge(100, at=now - WINDOW)
    charge(7, instance=foreign.id)
    assert store.used_s(ours.id, now - WINDOW) == 4.0
    assert store.used_s("nobody", now - WINDOW) == 0.0


def test_use_is_right_at_every_look_whatever_was_summed_before(store, charge, ours, foreign, now):
    def used(at):
        snapshot = store.snapshot(at, alive=set(), free_slots=1)
        return {share.instance: share.used_s for share in snapshot.shares}

    charge(1.0, at=now - WINDOW + timedelta(seconds=90))
    assert used(now) == {ours.id: 1.0, foreign.id: 0.0}
    charge(2.0)
    charge(4.0, instance=foreign.id)
    assert used(now + timedelta(seconds=1)) == {ours.id: 3.0, foreign.id: 4.0}
    assert used(now + timedelta(seconds=91)) == {ours.id: 2.0, foreign.id: 4.0}
    assert used(now - timedelta(hours=1)) == {ours.id: 3.0, foreign.id: 4.0}  # the clock was put back


def test_shares_tell_what_every_instance_used_and_may_use(charge, look, ours, foreign):
    charge(1.5)
    assert look().shares == (Share(foreign.id, 0.0, None), Share(ours.id, 1.5, 100))
