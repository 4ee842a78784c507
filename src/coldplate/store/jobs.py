"""SQL of jobs: acceptance, attempts, ends and lists. Every change of state is a compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import FINAL, Job, JobId, JobState
from coldplate.domain.query import FinalState, JobFilter
from coldplate.domain.session import Mode, SessionId
from coldplate.errors import UnknownJob
from coldplate.failpoints import passing
from coldplate.store import submissions
from coldplate.store.rows import job_from, job_row, to_micros
from coldplate.store.tables import forgotten, in_state, job_tag, session, terminal_event, usage
from coldplate.store.tables import job as jobs

AT_ONCE = 100  # ends of jobs in one transaction
IDS_PER_QUERY = 500  # databases limit the number of values in one statement
MOST = 2**62  # larger offsets don't fit into the database, and are beyond every list anyway

Where = Sequence[ColumnElement[bool]]
Values = dict[str, Any]

# Made once: to put a statement together takes longer than to run it.
INSERT = insert(jobs)
FIND = select(jobs).where(jobs.c.id == bindparam("wanted"))
TAGS = select(job_tag.c.tag).where(job_tag.c.job == bindparam("wanted")).order_by(job_tag.c.position)

# An attempt that is proven dead, or has not begun, neither holds its device nor waits for it.
NOT_AT_THE_DEVICE: Values = {"asked": None, "driving": None}

Expected = Literal["queued", "current", "current and not cancelled"]
QUEUED: Where = [jobs.c.state == JobState.QUEUED]
CURRENT: Where = [jobs.c.state == JobState.RUNNING, jobs.c.fence == bindparam("with_fence")]
EXPECTED: dict[Expected, Where] = {
    "queued": QUEUED,
    "current": CURRENT,  # the attempt with this fence, and no other, is running
    "current and not cancelled": [*CURRENT, jobs.c.cancel_requested.is_(False)],
}
NEW_ATTEMPT: Values = {"fence": jobs.c.fence + 1, "attempts": jobs.c.attempts + 1}
FIGURES = ("instance", "user", "backend", "created", "started", "ended", "usage_s")  # for the analytics
ADD_EVENT, ADD_CHARGE = insert(terminal_event), insert(usage)
MODE = select(session.c.mode).where(session.c.id == bindparam("wanted"))


# --- acceptance ---------------------------------------------------------------------------------


def add(connection: Connection, job: Job, *, fingerprint: str, now: datetime) -> Job:
    """Accept a job, or give the one that the same undelivered POST has already made."""
    id = submissions.repeated(connection, fingerprint, now)
    known = None if id is None else find(connection, JobId(id), None)
    if known is not None:
        return known
    submissions.remember(connection, fingerprint, id=job.id, now=now)
    connection.execute(INSERT, job_row(job))
    _put_tags(connection, job.id, job.tags)
    return job


# --- reads --------------------------------------------------------------------------------------


def find(connection: Connection, id: JobId, instance: InstanceId | None) -> Job | None:
    """A job, if it is of this instance."""
    row = connection.execute(FIND, {"wanted": id}).one_or_none()
    if row is None or instance not in (None, row.instance):
        return None
    return job_from(row, tuple(connection.execute(TAGS, {"wanted": id}).scalars()))


def page(connection: Connection, f: JobFilter) -> tuple[list[Job], int]:
    """A page of jobs, and the exact number of all that match."""
    where = list(_conditions(f))
    total = connection.execute(select(func.count()).select_from(jobs).where(*where)).scalar_one()
    order = jobs.c.number if f.ascending else jobs.c.number.desc()
    query = select(jobs).where(*where).order_by(order)
    return _read(connection, cut(query, limit=f.limit, offset=f.offset)), total


def any_of_session(connection: Connection, id: SessionId, state: JobState) -> bool:
    """Whether a session has jobs in a state."""
    some = exists().where(jobs.c.session == id, in_state(jobs, state))
    return bool(connection.execute(select(some)).scalar_one())


def tags(connection: Connection, instance: InstanceId, search: str) -> list[str]:
    """Tags of the instance's jobs that contain a text, in alphabetical order."""
    where = [jobs.c.instance == instance, func.instr(job_tag.c.tag, search) > 0]
    query = select(job_tag.c.tag).join(jobs, jobs.c.id == job_tag.c.job).where(*where)
    return list(connection.execute(query.distinct().order_by(job_tag.c.tag)).scalars())


def ids(connection: Connection) -> set[str]:
    """Ids of all jobs."""
    return set(connection.execute(select(jobs.c.id)).scalars())


def cut(query: Select[Any], *, limit: int, offset: int) -> Select[Any]:
    """A page of a query, whatever numbers were asked for."""
    return query.limit(min(max(limit, 0), MOST)).offset(min(max(offset, 0), MOST))


def _conditions(f: JobFilter) -> Iterator[ColumnElement[bool]]:
    yield jobs.c.instance.in_(f.instances) if f.instances else jobs.c.instance == f.instance
    for column, value in ((jobs.c.backend, f.backend), (jobs.c.program, f.program)):
        if value is not None:
            yield column == value
    if f.session is not None:
        yield jobs.c.session == f.session
    if f.pending is not None:
        yield jobs.c.state.not_in(FINAL) if f.pending else jobs.c.state.in_(FINAL)
    if f.states:
        yield jobs.c.state.in_(f.states)
    if f.created_after is not None:
        yield jobs.c.created >= to_micros(f.created_after)
    if f.created_before is not None:
        yield jobs.c.created <= to_micros(f.created_before)
    for tag in f.tags:
        yield exists().where(job_tag.c.job == jobs.c.id, job_tag.c.tag == tag)


def _read(connection: Connection, query: Select[Any]) -> list[Job]:
    rows = connection.execute(query).all()
    tags = tags_of(connection, [row.id for row in rows])
    return [job_from(row, tags.get(row.id, ())) for row in rows]


def tags_of(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Tags of jobs, in their order, by job."""
    tags: dict[str, tuple[str, ...]] = {}
    for first in range(0, len(ids), IDS_PER_QUERY):
        some = job_tag.c.job.in_(ids[first : first + IDS_PER_QUERY])
        for row in connection.execute(
            select(job_tag).where(some).order_by(job_tag.c.job, job_tag.c.position)
        ):
            tags[row.job] = (*tags.get(row.job, ()), row.tag)
    return tags


# --- attempts -----------------------------------------------------------------------------------


def start(
    connection: Connection, id: JobId, *, lane: int, now: datetime, lease_s: float, worker: str
) -> Job | None:
    """Queued to running in a lane of its backend; None when it isn't queued any more.

    Raises:
        IntegrityError: Another job runs in the lane.
    """
    values = {"state": JobState.RUNNING, "lane": lane, "started": to_micros(now), "worker": worker}
    return _attempt(connection, id, "queued", values, now=now, lease_s=lease_s)


def restart(
    connection: Connection, id: JobId, *, fence: int, now: datetime, lease_s: float, worker: str
) -> Job | None:
    """Another attempt of a job whose worker was lost; None when the fence is stale."""
    return _attempt(connection, id, "current", {"worker": worker}, fence=fence, now=now, lease_s=lease_s)


def _attempt(
    connection: Connection,
    id: JobId,
    expected: Expected,
    values: Values,
    *,
    fence: int | None = None,
    now: datetime,
    lease_s: float,
) -> Job | None:
    lease_until = to_micros(now + timedelta(seconds=lease_s))
    attempt = NOT_AT_THE_DEVICE | {"lease_until": lease_until, "held_s": 0.0}
    row = _change(connection, id, expected, values | attempt, fence=fence, again=True)
    if row is None:
        return None
    _touch_session(connection, row, "last_job_started", now)
    return job_from(row, tuple(connection.execute(TAGS, {"wanted": id}).scalars()))


def beat(connection: Connection, id: JobId, fence: int, *, now: datetime, lease_s: float) -> bool | None:
    """Renew a lease; whether a cancel was asked for, or None when the fence is stale."""
    lease = {"lease_until": to_micros(now + timedelta(seconds=lease_s))}
    row = _change(connection, id, "current", lease, fence=fence)
    return None if row is None else bool(row.cancel_requested)


# --- ends ---------------------------------------------------------------------------------------


def finish(connection: Connection, id: JobId, fence: int, end: FinalState, *, now: datetime) -> bool:
    """End a running job; False when the fence is stale, and then nothing is written.

    Also when a cancel was asked for and this is another end: who was told so must not see it complete.
    """
    cancelled = end.state is JobState.CANCELLED
    expected: Expected = "current" if cancelled else "current and not cancelled"
    return _end(connection, id, expected, end, now, fence=fence)


def end_queued(connection: Connection, id: JobId, end: FinalState, *, now: datetime) -> bool:
    """End a job that has not started; False when it has."""
    return _end(connection, id, "queued", end, now)


def end_some_queued(connection: Connection, id: SessionId, end: FinalState, *, now: datetime) -> list[Job]:
    """End the oldest queued jobs of a session, as many as others should wait for; those as they were."""
    waiting = select(jobs).where(jobs.c.session == id, in_state(jobs, JobState.QUEUED))
    found = _read(connection, waiting.order_by(jobs.c.number).limit(AT_ONCE))
    return [job for job in found if end_queued(connection, job.id, end, now=now)]


def mark_cancelled(connection: Connection, id: JobId) -> JobState:
    """Ask a running job to end; gives its state.

    Raises:
        UnknownJob: It was deleted.
    """
    running = [jobs.c.id == id, jobs.c.state == JobState.RUNNING]
    connection.execute(update(jobs).where(*running).values(cancel_requested=True))
    state = connection.execute(select(jobs.c.state).where(jobs.c.id == id)).scalar_one_or_none()
    if state is None:
        raise UnknownJob(f"Job {id!r} not found.")
    return JobState(state)


def _end(
    connection: Connection,
    id: JobId,
    expected: Expected,
    end: FinalState,
    now: datetime,
    *,
    fence: int | None = None,
) -> bool:
    values = {
        "state": end.state,
        "reason": _storable(end.reason),
        "reason_code": end.code,
        "reason_solution": _storable(end.solution),
        "usage_s": end.usage_s,
        "result_size": end.result_size,
        "result_sha256": end.result_sha256,
        "metrics_json": msgspec.json.encode(end.metrics).decode(),
        "ended": to_micros(now),
        "lane": None,
        "lease_until": None,
        "worker": None,
        **NOT_AT_THE_DEVICE,
    }
    job = _change(connection, id, expected, values, fence=fence)
    if job is None:
        return False
    at = to_micros(now)
    connection.execute(ADD_EVENT, {"job": job.id, "state": job.state, "fence": job.fence, "at": at})
    if job.usage_s and not _is_charged_by_the_clock(connection, job):
        charge = {"instance": job.instance, "backend": job.backend, "at": at, "seconds": job.usage_s}
        connection.execute(ADD_CHARGE, charge | {"job": job.id, "session": job.session})
    if job.started is not None:
        _touch_session(connection, job, "last_job_completed", now)
    passing("T9-end-not-committed", job=job.id, fence=job.fence)
    return True


def _is_charged_by_the_clock(connection: Connection, job: Row[Any]) -> bool:
    """Whether the job is of a dedicated session, which is charged as a whole."""
    if job.session is None:
        return False
    return connection.execute(MODE, {"wanted": job.session}).scalar_one_or_none() == Mode.DEDICATED


def _storable(text: str | None) -> str | None:
    """A reason may quote what a user sent; no text may keep a job from ending."""
    return None if text is None else text.encode("utf-8", "replace").decode()


# --- other changes ------------------------------------------------------------------------------


def set_tags(connection: Connection, id: JobId, tags: Sequence[str]) -> None:
    """Replace all tags of a job, if it still exists."""
    if connection.execute(select(jobs.c.id).where(jobs.c.id == id)).first() is not None:
        connection.execute(delete(job_tag).where(job_tag.c.job == id))
        _put_tags(connection, id, tags)


def mark_results_read(connection: Connection, id: JobId, now: datetime) -> None:
    """Remember when a job's results were first read."""
    first = [jobs.c.id == id, jobs.c.results_read.is_(None)]
    connection.execute(update(jobs).where(*first).values(results_read=to_micros(now)))


def forget(connection: Connection, id: JobId) -> bool:
    """Forget a job that has ended; its terminal event, its charge and its part in the analytics stay."""
    ended = [jobs.c.id == id, jobs.c.state.in_(FINAL)]
    figures = select(*(jobs.c[name] for name in FIGURES), session.c.mode)
    kept = figures.outerjoin(session, session.c.id == jobs.c.session).where(*ended)
    connection.execute(insert(forgotten).from_select([*FIGURES, "mode"], kept))
    if connection.execute(delete(jobs).where(*ended)).rowcount == 0:
        return False
    submissions.forget(connection, [id])
    return True


def _change(
    connection: Connection,
    id: JobId,
    expected: Expected,
    values: Values,
    *,
    fence: int | None = None,
    again: bool = False,
) -> Row[Any] | None:
    """Compare and set: the changed row, or None when it wasn't as expected."""
    statement = _changing(expected, tuple(values), again)
    new = {f"new_{name}": value for name, value in values.items()}
    if fence is not None:
        new["with_fence"] = fence
    return connection.execute(statement, new | {"wanted": id}).one_or_none()


@cache
def _changing(expected: Expected, columns: tuple[str, ...], again: bool) -> ReturningUpdate[Any]:
    """Sets columns of a job that is as expected, and counts one more attempt if it runs again."""
    values: Values = {name: bindparam(f"new_{name}") for name in columns} | (NEW_ATTEMPT if again else {})
    same = update(jobs).where(jobs.c.id == bindparam("wanted"), *EXPECTED[expected])
    return same.values(values).returning(jobs)


def _put_tags(connection: Connection, id: JobId, tags: Sequence[str]) -> None:
    rows = [{"job": id, "position": position, "tag": tag} for position, tag in enumerate(tags)]
    if rows:
        connection.execute(insert(job_tag), rows)


def _touch_session(connection: Connection, job: Row[Any], moment: str, now: datetime) -> None:
    if job.session is not None:
        connection.execute(_touching(moment), {"wanted": job.session, "at": to_micros(now)})


@cache
def _touching(moment: str) -> Update:
    return update(session).where(session.c.id == bindparam("wanted")).values({moment: bindparam("at")})
