"""Of each device, one job at a time is the driver, whatever anybody believes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState


@pytest.fixture
def running(store, add_job, now):
    """Starts a job in a lane."""

    def running(lane=0, backend="heron"):
        job = add_job(backend=backend)
        return store.start(job.id, lane=lane, now=now, lease_s=30)

    return running


@pytest.fixture
def ask(store, now):
    return lambda job, fence=1: store.ask_for_device(job.id, fence, seconds=2.0, now=now)


def test_device_that_nobody_wants_is_given_to_who_asks(store, running, ask, now):
    job, elsewhere = running(), running(backend="eagle")
    assert (ask(job), ask(elsewhere)) == (True, True)
    assert (store.job(job.id).driving, store.job(job.id).asked) == (now, None)


def test_second_who_asks_waits_and_is_granted_once_the_first_has_left(store, running, ask, now):
    first, second = running(0), running(1)
    assert (ask(first), ask(second)) == (True, False)
    assert not store.grant_device(second.id, 1, now=now)
    store.leave_device(first.id, 1, now=now + timedelta(seconds=3))
    assert store.job(first.id).held_s == 3
    assert store.grant_device(second.id, 1, now=now)
    assert not store.grant_device(second.id, 1, now=now)  # it asks no more
    assert store.job(second.id).driving == now


def test_who_comes_after_another_who_waits_has_to_wait(store, running, ask, now):
    first, second, third = running(0), running(1), running(2)
    ask(first), ask(second)
    store.leave_device(first.id, 1, now=now)
    assert ask(third) is False


def test_job_that_starts_takes_a_device_that_nobody_drives_or_wants(store, running, ask, now):
    first, second, elsewhere = running(0), running(1), running(backend="eagle")
    assert store.take_device(first.id, 1, now=now)
    assert store.job(first.id).driving == now
    assert not store.take_device(second.id, 1, now=now)
    assert store.take_device(elsewhere.id, 1, now=now)
    assert not store.take_device(second.id, 2, now=now)  # another attempt
    ask(second)
    store.leave_device(first.id, 1, now=now)
    assert not store.take_device(first.id, 1, now=now)  # the second waits for it


def test_job_that_drives_already_is_told_so_when_it_asks(store, running, ask, now):
    first, second = running(0), running(1)
    store.take_device(first.id, 1, now=now)
    assert ask(second) is False
    assert ask(first) is True
    job = store.job(first.id)
    assert (job.driving, job.asked, job.estimated_s) == (now, None, 2.0)


@pytest.mark.parametrize("waits", [True, False])
def test_leaving_a_device_wakes_the_scheduler_if_another_waits_for_it(store, running, ask, now, told, waits):
    first, second, _elsewhere = running(0), running(1), ask(running(0, backend="eagle"))
    ask(first)
    if waits:
        ask(second)
    told.clear()
    store.leave_device(first.id, 1, now=now)
    assert told == ([first.id] if waits else [])


@pytest.mark.parametrize("fence", [0, 2])
def test_other_attempts_of_a_job_neither_ask_nor_drive_nor_leave(store, running, ask, now, fence):
    job = running()
    assert ask(job, fence) is False
    assert store.job(job.id).asked is None
    ask(job)
    store.leave_device(job.id, fence, now=now)
    assert store.job(job.id).driving == now


def test_job_that_has_not_asked_is_not_granted(store, running, now):
    assert not store.grant_device(running().id, 1, now=now)


@pytest.mark.parametrize("end", ["finish", "restart"])
def test_end_of_an_attempt_frees_its_device(store, running, ask, now, end):
    first, second = running(0), running(1)
    ask(first), ask(second)
    if end == "finish":
        store.finish(first.id, 1, FinalState(JobState.COMPLETED), now=now)
    else:
        store.restart(first.id, fence=1, now=now, lease_s=30)
        assert store.job(first.id).held_s == 0
    assert store.job(first.id).driving is None
    assert store.grant_device(second.id, 1, now=now)


def test_snapshot_tells_who_asks_and_who_drives(store, running, ask, now):
    first, second = running(0), running(1)
    ask(first), ask(second)
    driver, waiter = store.snapshot(now, alive=set(), free_slots=1).running
    assert (driver.driving, driver.asked, driver.estimated_s) == (True, None, 2.0)
    assert (waiter.driving, waiter.asked) == (False, now)
