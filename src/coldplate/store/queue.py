"""The queue as the scheduler sees it, what was used, and the list of workloads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, null, select, union_all
from sqlalchemy.sql.expression import Subquery

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobState
from coldplate.domain.query import Workload, WorkloadFilter
from coldplate.domain.session import SessionState
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting
from coldplate.domain.usage import WINDOW
from coldplate.store import tables
from coldplate.store.jobs import JobStore
from coldplate.store.people import PeopleStore
from coldplate.store.rows import instance_from, session_from, to_micros, to_moment
from coldplate.store.sessions import SessionStore

HEADS = 64  # queued jobs per backend and instance that a plan looks at
JOB, SESSION = tables.job, tables.session


class QueueStore(JobStore, SessionStore, PeopleStore):
    """Reads that span jobs, sessions and instances."""

    def snapshot(self, now: datetime, *, alive: set[tuple[str, int]], free_slots: int) -> Snapshot:
        """The queue at one instant, in one consistent read."""
        backends = tuple(self.backends())
        with self.reading() as connection:
            waiting = tuple(
                Waiting(row.id, row.instance, row.backend, row.session, to_moment(row.created) or now)
                for row in connection.execute(_heads())
            )
            running = tuple(
                Running(
                    row.id,
                    row.instance,
                    row.backend,
                    row.session,
                    row.lane,
                    row.fence,
                    row.attempts,
                    to_moment(row.lease_until) or now,
                    (row.id, row.fence) in alive,
                )
                for row in connection.execute(select(JOB).where(JOB.c.state == JobState.RUNNING))
            )
            open_ = select(SESSION).where(SESSION.c.state != SessionState.CLOSED).order_by(SESSION.c.created)
            sessions = tuple(session_from(row) for row in connection.execute(open_))
            used = {row.instance: row.used for row in connection.execute(_used_since(now - WINDOW))}
            instances = [instance_from(row) for row in connection.execute(select(tables.instance))]
        shares = tuple(Share(each.id, used.get(each.id, 0.0), each.allocation_s) for each in instances)
        return Snapshot(backends, waiting, running, sessions, shares, free_slots)

    def used_s(self, instance: InstanceId, since: datetime) -> float:
        """Quantum seconds an instance was charged since a moment."""
        with self.reading() as connection:
            row = connection.execute(
                _used_since(since).where(tables.usage.c.instance == instance)
            ).one_or_none()
        return 0.0 if row is None else float(row.used)

    def workloads(self, f: WorkloadFilter) -> tuple[list[Workload], int]:
        """A page of workloads, and the exact number of all that match."""
        both = union_all(_job_workloads(f.instance), _session_workloads(f.instance)).subquery()
        where = list(_conditions(f, both))
        order = (both.c.created.desc(), both.c.id.desc()) if f.descending else (both.c.created, both.c.id)
        page = select(both).where(*where).order_by(*order).limit(f.limit).offset(f.offset)
        with self.reading() as connection:
            total = connection.execute(select(func.count()).select_from(both).where(*where)).scalar_one()
            rows = connection.execute(page).all()
            tag = tables.job_tag
            wanted = select(tag).where(tag.c.job.in_([row.id for row in rows])).order_by(tag.c.position)
            tags: dict[str, list[str]] = {}
            for row in connection.execute(wanted):
                tags.setdefault(row.job, []).append(row.tag)
        return [_workload(row, tuple(tags.get(row.id, ()))) for row in rows], total


def _heads() -> Select[Any]:
    """The oldest queued jobs of each instance on each backend: no plan needs more."""
    rank = func.row_number().over(partition_by=(JOB.c.backend, JOB.c.instance), order_by=JOB.c.number)
    queued = select(JOB, rank.label("rank")).where(JOB.c.state == JobState.QUEUED).subquery()
    # A session's jobs are seen however deep they stand: it may own its backend.
    near = (queued.c.rank <= HEADS) | queued.c.session.is_not(None)
    return select(queued).where(near).order_by(queued.c.number)


def _used_since(since: datetime) -> Select[Any]:
    usage = tables.usage
    total = func.sum(usage.c.seconds).label("used")
    return select(usage.c.instance, total).where(usage.c.at > to_micros(since)).group_by(usage.c.instance)


STATUS = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.CANCELLED: "canceled",
    JobState.FAILED: "failed",
}


def _job_workloads(instance: InstanceId) -> Select[Any]:
    status = case({state.value: word for state, word in STATUS.items()}, value=JOB.c.state)
    return select(
        JOB.c.id,
        literal("job").label("mode"),
        JOB.c.instance,
        JOB.c.user,
        JOB.c.backend,
        JOB.c.created,
        JOB.c.ended,
        status.label("status"),
        JOB.c.reason.label("status_reason"),
        func.coalesce(JOB.c.usage_s, 0.0).label("usage_s"),
        null().label("accepting_jobs"),
    ).where(JOB.c.instance == instance, JOB.c.session.is_(None))


def _session_workloads(instance: InstanceId) -> Select[Any]:
    status = case(
        (SESSION.c.state == SessionState.CLOSED, "completed"),
        (SESSION.c.state == SessionState.OPEN, "pending"),
        else_="in_progress",
    )
    return select(
        SESSION.c.id,
        case((SESSION.c.mode == "batch", "batch"), else_="session").label("mode"),
        SESSION.c.instance,
        SESSION.c.user,
        SESSION.c.backend,
        SESSION.c.created,
        SESSION.c.closed.label("ended"),
        status.label("status"),
        SESSION.c.state_reason.label("status_reason"),
        SESSION.c.usage_s,
        SESSION.c.accepting_jobs,
    ).where(SESSION.c.instance == instance)


def _conditions(f: WorkloadFilter, both: Subquery) -> Any:
    for column, value in ((both.c.user, f.user), (both.c.backend, f.backend), (both.c.mode, f.mode)):
        if value is not None:
            yield column == value
    if f.status:
        yield both.c.status.in_(f.status)
    if f.created_after is not None:
        yield both.c.created >= to_micros(f.created_after)
    if f.created_before is not None:
        yield both.c.created <= to_micros(f.created_before)
    tag = tables.job_tag
    for wanted in f.tags:
        yield both.c.id.in_(select(tag.c.job).where(tag.c.tag == wanted))
    if f.search:
        tagged = select(tag.c.job).where(func.instr(tag.c.tag, f.search) > 0)
        yield and_(func.instr(both.c.id, f.search) > 0) | both.c.id.in_(tagged)


def _workload(row: Any, tags: tuple[str, ...]) -> Workload:
    return Workload(
        id=row.id,
        mode=row.mode,
        instance=row.instance,
        user=row.user,
        backend=row.backend,
        created=to_moment(row.created) or to_moment(0),  # type: ignore[arg-type]
        ended=to_moment(row.ended),
        status=row.status,
        status_reason=row.status_reason,
        tags=tags,
        usage_s=row.usage_s,
        accepting_jobs=None if row.accepting_jobs is None else bool(row.accepting_jobs),
    )
