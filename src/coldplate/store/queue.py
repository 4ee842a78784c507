"""SQL of the queue as the scheduler sees it, and of what was used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobState
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting
from coldplate.domain.usage import WINDOW
from coldplate.store import people, sessions
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import job, usage

HEADS = 64  # queued jobs per backend and instance that a plan looks at; far more than can start at once


def snapshot(
    connection: Connection,
    backends: list[BackendRecord],
    *,
    now: datetime,
    alive: set[tuple[str, int]],
    free_slots: int,
) -> Snapshot:
    """The queue at one instant."""
    return Snapshot(
        backends=tuple(backends),
        waiting=tuple(
            Waiting(row.id, row.instance, row.backend, row.session, to_moment(row.created))
            for row in connection.execute(_heads())
        ),
        running=tuple(_running(row, now, alive) for row in connection.execute(_attempts())),
        sessions=tuple(sessions.alive(connection)),
        shares=_shares(connection, now),
        free_slots=free_slots,
    )


def _heads() -> Select[Any]:
    """The oldest queued jobs of each instance on each backend, alone and of each session.

    A session's jobs are counted apart: they may start before everything that stands in front of them.
    """
    line = (job.c.backend, job.c.instance, job.c.session)
    place = func.row_number().over(partition_by=line, order_by=job.c.number).label("place")
    columns = (job.c.number, job.c.id, job.c.instance, job.c.backend, job.c.session, job.c.created)
    queued = select(*columns, place).where(job.c.state == JobState.QUEUED).subquery()
    return select(queued).where(queued.c.place <= HEADS).order_by(queued.c.number)


def _attempts() -> Select[Any]:
    return select(job).where(job.c.state == JobState.RUNNING).order_by(job.c.number)


def _running(row: Any, now: datetime, alive: set[tuple[str, int]]) -> Running:
    return Running(
        row.id,
        row.instance,
        row.backend,
        row.session,
        row.lane,
        row.fence,
        row.attempts,
        lease_until=to_moment(row.lease_until),
        alive=(row.id, row.fence) in alive,
    )


def _shares(connection: Connection, now: datetime) -> tuple[Share, ...]:
    used = {row.instance: row.used for row in connection.execute(_used_since(now - WINDOW))}
    return tuple(
        Share(each.id, used.get(each.id, 0.0), each.allocation_s)
        for each in people.instances(connection, None)
    )


def used_s(connection: Connection, instance: InstanceId, since: datetime) -> float:
    """Quantum seconds that an instance was charged since a moment."""
    query = _used_since(since).where(usage.c.instance == instance)
    row = connection.execute(query).one_or_none()
    return 0.0 if row is None else float(row.used)


def _used_since(since: datetime) -> Select[Any]:
    total = func.sum(usage.c.seconds).label("used")
    return select(usage.c.instance, total).where(usage.c.at > to_micros(since)).group_by(usage.c.instance)


def lengths(connection: Connection) -> dict[str, int]:
    """Jobs that have not ended, by backend."""
    pending = or_(job.c.state == JobState.QUEUED, job.c.state == JobState.RUNNING)
    rows = connection.execute(select(job.c.backend, func.count()).where(pending).group_by(job.c.backend))
    return {name: count for name, count in rows}
