"""Rows to domain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import msgspec
from sqlalchemy import Row

from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobState
from coldplate.domain.key import KeyRecord
from coldplate.domain.session import Mode, Session, SessionState
from coldplate.domain.user import Kind, Role, User

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = frozenset(
    {"created", "started", "ended", "lease_until", "results_read", "expires", "revoked", "last_used"}
    | {"asked", "driving", "activated", "closed", "last_job_started", "last_job_completed"}
)
_JOB, _SESSION, _KEY = (frozenset(field.name for field in fields(kind)) for kind in (Job, Session, KeyRecord))


@overload
def to_micros(moment: datetime) -> int: ...
@overload
def to_micros(moment: None) -> None: ...
@overload
def to_micros(moment: datetime | None) -> int | None: ...
def to_micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970.

    >>> to_micros(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return None if moment is None else (moment - EPOCH) // MICROSECOND


@overload
def to_moment(micros: int) -> datetime: ...
@overload
def to_moment(micros: None) -> None: ...
@overload
def to_moment(micros: int | None) -> datetime | None: ...
def to_moment(micros: int | None) -> datetime | None:
    """The inverse of `to_micros`, in UTC."""
    return None if micros is None else EPOCH + micros * MICROSECOND


def _values(row: Row[Any], names: frozenset[str]) -> dict[str, Any]:
    values = {name: value for name, value in row._mapping.items() if name in names}
    return {name: to_moment(value) if name in MOMENTS else value for name, value in values.items()}


def _columns(value: Job | Session | KeyRecord) -> dict[str, Any]:
    values = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: to_micros(value) if name in MOMENTS else value for name, value in values.items()}


def job_from(row: Row[Any], tags: tuple[str, ...]) -> Job:
    """A job from its row and tags."""
    values = _values(row, _JOB) | {"state": JobState(row.state), "tags": tags}
    values["metrics"] = None if row.metrics_json is None else msgspec.json.decode(row.metrics_json)
    return Job(**values)


def job_row(job: Job) -> dict[str, Any]:
    """The row of a job, without its tags."""
    values = _columns(job)
    del values["tags"]
    metrics = values.pop("metrics")
    return values | {"metrics_json": None if metrics is None else msgspec.json.encode(metrics).decode()}


def session_from(row: Row[Any]) -> Session:
    """A session from its row."""
    history = tuple((state, to_moment(at)) for state, at in msgspec.json.decode(row.history_json))
    values = _values(row, _SESSION) | {"mode": Mode(row.mode), "state": SessionState(row.state)}
    return Session(**values | {"history": history})


def session_row(session: Session) -> dict[str, Any]:
    """The row of a session."""
    values = _columns(session)
    history = [(state, to_micros(at)) for state, at in values.pop("history")]
    return values | {"history_json": msgspec.json.encode(history).decode()}


def key_from(row: Row[Any]) -> KeyRecord:
    """A key from its row."""
    return KeyRecord(**_values(row, _KEY))


def key_row(key: KeyRecord) -> dict[str, Any]:
    """The row of a key."""
    return _columns(key)


def user_from(row: Row[Any], roles: Mapping[str, Role]) -> User:
    """A user from its row and roles."""
    return User(row.name, row.account, to_moment(row.created), Kind(row.kind), roles)


def instance_from(row: Row[Any]) -> Instance:
    """An instance from its row."""
    return instance_of(row.body_json)


def instance_of(body: str) -> Instance:
    """An instance from its text."""
    return msgspec.json.decode(body, type=Instance)
