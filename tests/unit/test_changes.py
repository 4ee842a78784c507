"""Changes wake those who wait for them, and only those."""

from __future__ import annotations

import asyncio
import threading

import pytest

from coldplate.changes import Changes


@pytest.fixture
def changes():
    return Changes()


def test_change_from_another_thread_wakes_its_waiter(changes):
    async def wait():
        _, event = changes.subscribe("job")
        threading.Thread(target=changes.publish, args=("job",)).start()
        await asyncio.wait_for(event.wait(), 10)

    asyncio.run(wait())


def test_change_between_subscribing_and_waiting_is_not_missed(changes):
    async def wait():
        _, event = changes.subscribe("job")
        changes.publish("job")
        await asyncio.wait_for(event.wait(), 10)

    asyncio.run(wait())


def test_change_of_another_key_wakes_nobody(changes):
    async def wait():
        _, event = changes.subscribe("job")
        changes.publish("other")
        await asyncio.sleep(0)
        return event.is_set()

    assert not asyncio.run(wait())


def test_waiter_that_left_is_forgotten(changes):
    async def wait():
        waiter, other = changes.subscribe("job"), changes.subscribe("job")
        changes.unsubscribe("job", waiter)
        changes.publish("job")
        await asyncio.sleep(0)
        return waiter[1].is_set(), other[1].is_set()

    assert asyncio.run(wait()) == (False, True)


def test_nothing_is_kept_for_keys_that_nobody_waits_for(changes):
    async def wait():
        changes.unsubscribe("job", changes.subscribe("job"))

    asyncio.run(wait())
    changes.publish("job")
    assert not changes._waiters


def test_waiter_whose_loop_has_ended_stops_no_publisher(changes):
    async def leave():
        changes.subscribe("job")

    asyncio.run(leave())
    changes.publish("job")


def test_every_change_wakes_the_scheduler(changes):
    changes.publish("job")
    assert changes.any.is_set()
