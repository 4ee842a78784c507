"""A held status read answers when the job ends, not before and not at the next poll."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coldplate.api import held as module
from coldplate.api.held import held
from coldplate.changes import Changes
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.session import SessionId
from coldplate.errors import UnknownJob

NOW = datetime(2026, 11, 24, tzinfo=UTC)
QUEUED = Job(JobId("j"), InstanceId("crn"), "user", "sampler", "ideal", NOW)
RUNNING, DONE = replace(QUEUED, state=JobState.RUNNING), replace(QUEUED, state=JobState.COMPLETED)


class Reads:
    """Gives the states in turn, the last one for ever, and counts how often it was asked."""

    def __init__(self, *states: Job):
        self.states, self.count = list(states), 0

    async def __call__(self) -> Job:
        self.count += 1
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


async def soon(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@pytest.fixture
def patience(monkeypatch) -> None:
    """Holding times that no test waits for by mistake."""
    monkeypatch.setattr(module, "HOLD_S", 1000)
    monkeypatch.setattr(module, "HOLD_IN_SESSION_S", 1000)


def test_final_job_is_answered_at_once_with_one_read(patience):
    reads = Reads(DONE)
    assert asyncio.run(held(Changes(), "j", reads)) == DONE
    assert reads.count == 1


def test_answer_comes_when_the_job_ends_after_one_more_read(patience):
    changes, reads = Changes(), Reads(QUEUED, DONE)

    async def scenario() -> Job:
        answer = asyncio.create_task(held(changes, "j", reads))
        await soon(lambda: reads.count == 1)
        await asyncio.sleep(0.01)
        assert not answer.done()
        await asyncio.to_thread(changes.publish, "j")
        return await answer

    assert asyncio.run(scenario()) == DONE
    assert reads.count == 2


def test_a_change_that_is_not_the_end_does_not_answer(patience):
    changes, reads = Changes(), Reads(QUEUED, RUNNING, DONE)

    async def scenario() -> None:
        answer = asyncio.create_task(held(changes, "j", reads))
        await soon(lambda: reads.count == 1)
        changes.publish("j")
        await soon(lambda: reads.count == 2)
        assert not answer.done()
        changes.publish("j")
        assert await answer == DONE

    asyncio.run(scenario())


def test_a_change_during_the_first_read_is_not_missed(patience):
    changes, reads = Changes(), Reads(QUEUED, DONE)

    async def read() -> Job:
        job = await reads()
        changes.publish("j")
        await asyncio.sleep(0)
        return job

    assert asyncio.run(held(changes, "j", read)) == DONE


def test_another_jobs_change_causes_no_read(monkeypatch):
    monkeypatch.setattr(module, "HOLD_S", 0.02)
    changes, reads = Changes(), Reads(QUEUED)

    async def scenario() -> Job:
        answer = asyncio.create_task(held(changes, "j", reads))
        await soon(lambda: reads.count == 1)
        changes.publish("other")
        return await answer

    assert asyncio.run(scenario()) == QUEUED
    assert reads.count == 1


@pytest.mark.parametrize("session", [None, SessionId("s")])
def test_patience_ends_with_the_state_as_it_is(monkeypatch, session):
    monkeypatch.setattr(module, "HOLD_IN_SESSION_S" if session else "HOLD_S", 0.02)
    monkeypatch.setattr(module, "HOLD_S" if session else "HOLD_IN_SESSION_S", 1000)
    job = replace(RUNNING, session=session)
    assert asyncio.run(held(Changes(), "j", Reads(job))) == job


def test_nobody_is_left_waiting_after_an_answer_or_an_error(patience):
    changes = Changes()

    async def gone() -> Job:
        raise UnknownJob("no such job")

    asyncio.run(held(changes, "j", Reads(DONE)))
    with pytest.raises(UnknownJob):
        asyncio.run(held(changes, "j", gone))
    assert not changes._waiters


def test_holding_is_as_long_as_clients_sleep():
    assert (module.HOLD_S, module.HOLD_IN_SESSION_S) == (0.5, 0.1)
