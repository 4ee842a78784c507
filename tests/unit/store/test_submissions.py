"""A POST that a client repeats makes one job; a deliberate second one makes another."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from coldplate.domain.query import JobFilter
from coldplate.domain.session import Mode, Session, SessionId
from coldplate.ids import new_id
from coldplate.store.store import Store

BODY, OTHER_BODY = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("seconds", "same"),
    [
        (0, True),
        (15, True),
        (120, True),
        (121, False),
        pytest.param(-3600, True, id="the clock was set back"),
    ],
)
def test_repeat_within_two_minutes_of_an_undelivered_post_gives_the_first_job(
    store, new_job, now, seconds, same
):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    again = store.add_job(new_job(), fingerprint=BODY, now=now + timedelta(seconds=seconds))
    assert (again.id == first.id) is same


def test_window_begins_anew_with_every_attempt(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    for attempt in range(1, 6):
        again = store.add_job(new_job(), fingerprint=BODY, now=now + attempt * timedelta(seconds=119))
        assert again.id == first.id


def test_series_that_begins_after_the_window_merges_into_its_own_first_job(store, new_job, now):
    store.add_job(new_job(), fingerprint=BODY, now=now)
    later = now + timedelta(seconds=300)
    second = store.add_job(new_job(), fingerprint=BODY, now=later)
    assert store.add_job(new_job(), fingerprint=BODY, now=later).id == second.id


def test_same_body_after_delivery_is_a_new_job(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    store.mark_delivered(first.id)
    second = store.add_job(new_job(), fingerprint=BODY, now=now)
    assert second.id != first.id
    assert store.add_job(new_job(), fingerprint=BODY, now=now).id == second.id


def test_late_news_of_a_delivery_leaves_a_younger_undelivered_post_alone(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    second = store.add_job(new_job(), fingerprint=BODY, now=now + timedelta(seconds=121))
    store.mark_delivered(first.id)
    assert store.add_job(new_job(), fingerprint=BODY, now=now + timedelta(seconds=122)).id == second.id


def test_different_bodies_are_different_jobs(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    assert store.add_job(new_job(), fingerprint=OTHER_BODY, now=now).id != first.id


def test_delivery_survives_a_restart(url, store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    store.mark_delivered(first.id)
    store.close()
    restarted = Store(url)
    assert restarted.add_job(new_job(), fingerprint=BODY, now=now).id != first.id
    restarted.close()


def test_undelivered_post_survives_a_restart(url, store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    store.close()
    restarted = Store(url)
    assert restarted.add_job(new_job(), fingerprint=BODY, now=now).id == first.id
    restarted.close()


def test_repeat_gives_the_job_as_it_is_now(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    running = store.start(first.id, lane=0, now=now, lease_s=30)
    assert store.add_job(new_job(), fingerprint=BODY, now=now) == running


def test_repeat_for_a_deleted_job_makes_a_new_one(store, new_job, now):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    store.request_cancel(first.id, now)
    store.delete_job(first.id)
    second = store.add_job(new_job(), fingerprint=BODY, now=now)
    assert store.job(second.id) == second != first


def test_repeat_tells_nobody(store, new_job, now, told):
    first = store.add_job(new_job(), fingerprint=BODY, now=now)
    store.add_job(new_job(), fingerprint=BODY, now=now)
    assert told == [first.id]


def test_repeats_at_the_same_time_make_one_job(store, new_job, now, ours):
    given = []

    def post():
        given.append(store.add_job(new_job(), fingerprint=BODY, now=now).id)

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 16
    assert len(set(given)) == 1
    assert store.jobs(JobFilter(ours.id))[1] == 1


def test_rule_holds_for_sessions_too(store, now, ours):
    def post(at):
        session = Session(SessionId(new_id()), ours.id, "ada", Mode.BATCH, "heron", created=now)
        return store.add_session(session, fingerprint=BODY, now=at)

    first = post(now)
    assert post(now + timedelta(seconds=100)) == first
    store.mark_delivered(first.id)
    assert post(now + timedelta(seconds=100)) != first
