"""SQL of workloads: jobs outside sessions, sessions and batches, in one list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, null, or_, select, union_all
from sqlalchemy.sql.expression import Subquery

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobState
from coldplate.domain.query import Workload, WorkloadFilter
from coldplate.domain.session import Mode, SessionState
from coldplate.store.jobs import cut, tags_of
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import job, job_tag, session

JOB_STATUS = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.CANCELLED: "canceled",
    JobState.FAILED: "failed",
}
SESSION_STATUS = {
    SessionState.OPEN: "pending",
    SessionState.ACTIVE: "in_progress",
    SessionState.INACTIVE: "in_progress",
    SessionState.CLOSED: "completed",
}
MODE = {Mode.DEDICATED: "session", Mode.BATCH: "batch"}


def page(connection: Connection, f: WorkloadFilter) -> tuple[list[Workload], int]:
    """A page of workloads, and the exact number of all that match."""
    all_ = union_all(_jobs(f.instance), _sessions(f.instance)).subquery()
    where = list(_conditions(f, all_))
    total = connection.execute(select(func.count()).select_from(all_).where(*where)).scalar_one()
    order = (all_.c.created, all_.c.id)
    query = select(all_).where(*where).order_by(*([c.desc() for c in order] if f.descending else order))
    rows = connection.execute(cut(query, limit=f.limit, offset=f.offset)).all()
    tags = tags_of(connection, [row.id for row in rows])
    return [_workload(row, tags.get(row.id, ())) for row in rows], total


def _jobs(instance: InstanceId) -> Select[Any]:
    return select(
        job.c.id,
        literal("job").label("mode"),
        job.c.instance,
        job.c.user,
        job.c.backend,
        job.c.created,
        job.c.ended,
        case(JOB_STATUS, value=job.c.state).label("status"),
        job.c.reason.label("status_reason"),
        func.coalesce(job.c.usage_s, 0.0).label("usage_s"),
        null().label("accepting_jobs"),
    ).where(job.c.instance == instance, job.c.session.is_(None))


def _sessions(instance: InstanceId) -> Select[Any]:
    return select(
        session.c.id,
        case(MODE, value=session.c.mode).label("mode"),
        session.c.instance,
        session.c.user,
        session.c.backend,
        session.c.created,
        session.c.closed.label("ended"),
        case(SESSION_STATUS, value=session.c.state).label("status"),
        session.c.state_reason.label("status_reason"),
        session.c.usage_s,
        session.c.accepting_jobs,
    ).where(session.c.instance == instance)


def _conditions(f: WorkloadFilter, all_: Subquery) -> Iterator[ColumnElement[bool]]:
    for column, value in ((all_.c.user, f.user), (all_.c.backend, f.backend), (all_.c.mode, f.mode)):
        if value is not None:
            yield column == value
    if f.status:
        yield all_.c.status.in_(f.status)
    if f.created_after is not None:
        yield all_.c.created >= to_micros(f.created_after)
    if f.created_before is not None:
        yield all_.c.created <= to_micros(f.created_before)
    for tag in f.tags:
        yield all_.c.id.in_(select(job_tag.c.job).where(job_tag.c.tag == tag))
    if f.search:
        tagged = select(job_tag.c.job).where(func.instr(job_tag.c.tag, f.search) > 0)
        yield or_(func.instr(all_.c.id, f.search) > 0, all_.c.id.in_(tagged))


def _workload(row: Any, tags: tuple[str, ...]) -> Workload:
    return Workload(
        id=row.id,
        mode=row.mode,
        instance=row.instance,
        user=row.user,
        backend=row.backend,
        created=to_moment(row.created),
        ended=to_moment(row.ended),
        status=row.status,
        status_reason=row.status_reason,
        tags=tags,
        usage_s=row.usage_s,
        accepting_jobs=None if row.accepting_jobs is None else bool(row.accepting_jobs),
    )
