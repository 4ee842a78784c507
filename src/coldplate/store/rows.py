"""Rows to domain values and back."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobState
from coldplate.domain.key import KeyRecord
from coldplate.domain.session import Mode, Session, SessionState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = frozenset(
    {"created", "started", "ended", "lease_until", "results_read", "expires", "revoked", "last_used"}
    | {"activated", "closed", "last_job_started", "last_job_completed"}
)


def to_micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def to_moment(micros: int | None) -> datetime | None:
    """The inverse of `to_micros`, in UTC."""
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _plain(row: Row[Any], names: frozenset[str]) -> dict[str, Any]:
    values = {name: value for name, value in row._mapping.items() if name in names}
    return {name: to_moment(value) if name in MOMENTS else value for name, value in values.items()}


_JOB, _SESSION, _KEY = (frozenset(field.name for field in fields(kind)) for kind in (Job, Session, KeyRecord))


def job_from(row: Row[Any], tags: tuple[str, ...]) -> Job:
    """A job from its row and tags."""
    values = _plain(row, _JOB) | {"state": JobState(row.state), "tags": tags}
    values["metrics"] = msgspec.json.decode(row.metrics_json) if row.metrics_json else None
    return Job(**values)


def job_row(job: Job) -> dict[str, Any]:
    """The row of a job, without its tags."""
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    values = {name: to_micros(value) if name in MOMENTS else value for name, value in values.items()}
    metrics = values.pop("metrics")
    values["metrics_json"] = msgspec.json.encode(metrics).decode() if metrics is not None else None
    del values["tags"]
    return values


def session_from(row: Row[Any]) -> Session:
    """A session from its row."""
    history = tuple((state, to_moment(at)) for state, at in msgspec.json.decode(row.history_json))
    values = _plain(row, _SESSION) | {"mode": Mode(row.mode), "state": SessionState(row.state)}
    return Session(**values | {"history": history})


def session_row(session: Session) -> dict[str, Any]:
    """The row of a session."""
    values = {field.name: getattr(session, field.name) for field in fields(session)}
    values = {name: to_micros(value) if name in MOMENTS else value for name, value in values.items()}
    history = [(state, to_micros(at)) for state, at in values.pop("history")]
    return values | {"history_json": msgspec.json.encode(history).decode()}


def key_from(row: Row[Any]) -> KeyRecord:
    """A key from its row."""
    return KeyRecord(**_plain(row, _KEY))


def instance_from(row: Row[Any]) -> Instance:
    """An instance from its row."""
    return msgspec.json.decode(row.body_json, type=Instance)


def backend_from(row: Row[Any]) -> BackendRecord:
    """A backend from its row."""
    return msgspec.json.decode(row.body_json, type=BackendRecord)
