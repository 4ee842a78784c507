"""SQL of what has been used: jobs and sessions of some instances that ended in an interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import Connection, select

from coldplate.domain.analytics import Done
from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode
from coldplate.store.jobs import FIGURES
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import forgotten, job, session


def done(
    connection: Connection, instances: Collection[InstanceId], *, start: datetime, end: datetime
) -> list[Done]:
    """Jobs and sessions that ended from `start` until before `end`, deleted ones included."""
    return [*_jobs(connection, instances, start, end), *_sessions(connection, instances, start, end)]


def _jobs(
    connection: Connection, instances: Collection[InstanceId], start: datetime, end: datetime
) -> Iterator[Done]:
    there, gone = (
        select(*(table.c[name] for name in FIGURES), mode).where(
            table.c.instance.in_(instances),
            table.c.ended >= to_micros(start),
            table.c.ended < to_micros(end),
        )
        for table, mode in ((job, session.c.mode), (forgotten, forgotten.c.mode))
    )
    there = there.outerjoin(session, session.c.id == job.c.session)
    for row in (*connection.execute(there), *connection.execute(gone)):
        yield Done(
            InstanceId(row.instance),
            row.user,
            row.backend,
            to_moment(row.ended),
            row.usage_s or 0.0,
            mode=None if row.mode is None else Mode(row.mode),
            queued_s=None if row.started is None else max(0, row.started - row.created) / 1e6,
        )


def _sessions(
    connection: Connection, instances: Collection[InstanceId], start: datetime, end: datetime
) -> Iterator[Done]:
    columns = (session.c.instance, session.c.user, session.c.backend, session.c.closed, session.c.usage_s)
    inside = (session.c.closed >= to_micros(start), session.c.closed < to_micros(end))
    query = select(*columns, session.c.mode).where(session.c.instance.in_(instances), *inside)
    for row in connection.execute(query):
        yield Done(
            InstanceId(row.instance),
            row.user,
            row.backend,
            to_moment(row.closed),
            row.usage_s,
            mode=Mode(row.mode),
            is_session=True,
        )
