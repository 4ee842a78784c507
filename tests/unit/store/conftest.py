"""A store on disk, and what goes into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.ids import new_id
from coldplate.store.store import Store

OURS = Instance(make_crn("ada", "ours"), "ours", account="ada", allocation_s=100)
FOREIGN = Instance(make_crn("eve", "foreign"), "foreign", account="eve")


@pytest.fixture
def ours() -> Instance:
    return OURS


@pytest.fixture
def foreign() -> Instance:
    return FOREIGN


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'coldplate.db'}"


@pytest.fixture
def told() -> list[str]:
    """The keys that the store has said to have changed."""
    return []


@pytest.fixture
def store(url: str, told: list[str]) -> Iterator[Store]:
    store = Store(url, on_change=told.append)
    store.migrate()
    store.add_instance(OURS)
    store.add_instance(FOREIGN)
    yield store
    store.close()


@pytest.fixture
def new_job(now: datetime) -> Callable[..., Job]:
    """Makes jobs that are not stored yet."""

    def make(**changes: Any) -> Job:
        job = Job(JobId(new_id()), OURS.id, "ada", "sampler", "heron", created=now)
        return replace(job, **changes)

    return make


@pytest.fixture
def add_job(store: Store, new_job: Callable[..., Job]) -> Callable[..., Job]:
    """Stores a job, by a POST of its own."""

    def add(**changes: Any) -> Job:
        job = new_job(**changes)
        return store.add_job(job, fingerprint=job.id, now=job.created)

    return add


@pytest.fixture
def add_session(store: Store, now: datetime) -> Callable[..., Session]:
    """Stores a session, by a POST of its own."""

    def add(**changes: Any) -> Session:
        id = SessionId(new_id())
        history = ((SessionState.OPEN, now),)
        session = Session(id, OURS.id, "ada", Mode.DEDICATED, "heron", created=now, history=history)
        return store.add_session(replace(session, **changes), fingerprint=id, now=now)

    return add
