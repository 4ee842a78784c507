"""What is remembered of jobs: acceptance, attempts, ends and lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import FINAL, Job, JobId, JobState
from coldplate.domain.query import FinalState, JobFilter
from coldplate.domain.session import SessionId
from coldplate.store import tables
from coldplate.store.database import Database
from coldplate.store.rows import job_from, job_row, to_micros

REPEAT_WINDOW = timedelta(seconds=120)  # official clients give up repeating a POST long before
JOB = tables.job
Assignments = dict[str, Any]


class JobStore(Database):
    """Jobs. Every change of state is a compare-and-set on state and fence."""

    # --- acceptance -----------------------------------------------------------------------------

    def add_job(self, job: Job, *, fingerprint: str, now: datetime) -> Job:
        """Accept a job, or give the one that the same undelivered request has already made."""
        with self.writing(job.id) as connection:
            repeated = repeated_submission(connection, fingerprint, now)
            if repeated is not None:
                found = _jobs(connection, [JOB.c.id == repeated])
                if found:
                    return found[0]
            remember_submission(connection, fingerprint, job.id, now)
            connection.execute(insert(JOB).values(job_row(job)))
            _put_tags(connection, job.id, job.tags)
            return job

    def mark_delivered(self, id: str) -> None:
        """The client has the answer of the POST that made this job or session: a repeat is a new wish."""
        wanted = tables.submission.c.id == id
        with self.writing() as connection:
            connection.execute(update(tables.submission).where(wanted).values(delivered=True))

    # --- reads ----------------------------------------------------------------------------------

    def job(self, id: JobId, instance: InstanceId | None = None) -> Job | None:
        """A job, if it is of this instance."""
        where = [JOB.c.id == id] + ([JOB.c.instance == instance] if instance else [])
        with self.reading() as connection:
            found = _jobs(connection, where)
        return found[0] if found else None

    def jobs(self, f: JobFilter) -> tuple[list[Job], int]:
        """A page of jobs, and the exact number of all that match."""
        where = list(_conditions(f))
        order = JOB.c.number if f.ascending else JOB.c.number.desc()
        with self.reading() as connection:
            total = connection.execute(select(func.count()).select_from(JOB).where(*where)).scalar_one()
            return _jobs(connection, where, order=order, limit=f.limit, offset=f.offset), total

    def jobs_of_session(self, id: SessionId, states: Sequence[JobState]) -> list[Job]:
        """Jobs of a session in these states, oldest first."""
        with self.reading() as connection:
            return _jobs(connection, [JOB.c.session == id, JOB.c.state.in_(states)], order=JOB.c.number)

    def queue_lengths(self) -> dict[str, int]:
        """Jobs that have not ended, by backend."""
        pending = JOB.c.state.in_([JobState.QUEUED, JobState.RUNNING])
        with self.reading() as connection:
            rows = connection.execute(
                select(JOB.c.backend, func.count()).where(pending).group_by(JOB.c.backend)
            )
            return {name: count for name, count in rows}

    def tags(self, instance: InstanceId, search: str) -> list[str]:
        """Tags of the instance's jobs that contain a text."""
        tag = tables.job_tag.c.tag
        query = (
            select(tag)
            .join(JOB, JOB.c.id == tables.job_tag.c.job)
            .where(JOB.c.instance == instance, func.instr(tag, search) > 0)
        )
        with self.reading() as connection:
            return list(connection.execute(query.distinct().order_by(tag)).scalars())

    # --- attempts -------------------------------------------------------------------------------

    def start(self, id: JobId, *, lane: int, now: datetime, lease_s: float) -> Job | None:
        """Queued to running in a lane of its backend; None when it is not queued or the lane is taken."""
        values = {"state": JobState.RUNNING, "lane": lane, "started": to_micros(now)}
        return self._attempt(id, [JOB.c.state == JobState.QUEUED], values, now=now, lease_s=lease_s)

    def restart(self, id: JobId, *, fence: int, now: datetime, lease_s: float) -> Job | None:
        """Another attempt at a job whose worker was lost; outwardly it stays running, in its lane."""
        current = [JOB.c.state == JobState.RUNNING, JOB.c.fence == fence]
        return self._attempt(id, current, {}, now=now, lease_s=lease_s)

    def _attempt(
        self,
        id: JobId,
        where: list[ColumnElement[bool]],
        values: Assignments,
        *,
        now: datetime,
        lease_s: float,
    ) -> Job | None:
        values = values | {
            "fence": JOB.c.fence + 1,
            "attempts": JOB.c.attempts + 1,
            "lease_until": to_micros(now + timedelta(seconds=lease_s)),
        }
        try:
            with self.writing(id) as connection:
                if not _changed(connection, [JOB.c.id == id, *where], values):
                    return None
                job = _jobs(connection, [JOB.c.id == id])[0]
                _touch_session(connection, job.session, last_job_started=to_micros(now))
                return job
        except IntegrityError:
            return None  # another job runs in the lane

    def beat(self, id: JobId, fence: int, *, now: datetime, lease_s: float) -> bool | None:
        """Renew a lease; whether a cancel was asked for, or None when the fence is stale."""
        current = [JOB.c.id == id, JOB.c.fence == fence, JOB.c.state == JobState.RUNNING]
        with self.writing() as connection:
            lease = to_micros(now + timedelta(seconds=lease_s))
            if not _changed(connection, current, {"lease_until": lease}):
                return None
            return bool(connection.execute(select(JOB.c.cancel_requested).where(JOB.c.id == id)).scalar_one())

    # --- ends -----------------------------------------------------------------------------------

    def finish(self, id: JobId, fence: int, end: FinalState, *, now: datetime) -> bool:
        """End a running job; False when the fence is stale, and then nothing is written."""
        return self._end(id, [JOB.c.state == JobState.RUNNING, JOB.c.fence == fence], end, now)

    def end_queued(
        self,
        id: JobId,
        state: JobState,
        *,
        reason: str | None,
        code: int | None,
        solution: str | None,
        now: datetime,
    ) -> bool:
        """End a job that has not started; False when it has."""
        end = FinalState(state, reason=reason, code=code, solution=solution)
        return self._end(id, [JOB.c.state == JobState.QUEUED], end, now)

    def _end(self, id: JobId, where: list[ColumnElement[bool]], end: FinalState, now: datetime) -> bool:
        with self.writing(id) as connection:
            if not _changed(connection, [JOB.c.id == id, *where], _ending(end, now)):
                return False
            _record_end(connection, _jobs(connection, [JOB.c.id == id])[0], now)
            return True

    def request_cancel(self, id: JobId, now: datetime) -> JobState:
        """Cancel: a queued job ends here, a running one is marked; gives the state afterwards."""
        if self.end_queued(id, JobState.CANCELLED, reason=None, code=None, solution=None, now=now):
            return JobState.CANCELLED
        with self.writing() as connection:
            running = [JOB.c.id == id, JOB.c.state == JobState.RUNNING]
            _changed(connection, running, {"cancel_requested": True})
            return JobState(connection.execute(select(JOB.c.state).where(JOB.c.id == id)).scalar_one())

    # --- changes of an ended or waiting job -----------------------------------------------------

    def set_tags(self, id: JobId, tags: Sequence[str]) -> None:
        """Replace all tags."""
        with self.writing() as connection:
            connection.execute(delete(tables.job_tag).where(tables.job_tag.c.job == id))
            _put_tags(connection, id, tags)

    def mark_results_read(self, id: JobId, now: datetime) -> None:
        """A private job's results were read for the first time."""
        with self.writing() as connection:
            first = [JOB.c.id == id, JOB.c.results_read.is_(None)]
            _changed(connection, first, {"results_read": to_micros(now)})

    def delete_job(self, id: JobId) -> None:
        """Forget a job that has ended; what it was charged stays."""
        with self.writing(id) as connection:
            ended = JOB.c.state.in_(FINAL)
            connection.execute(delete(JOB).where(JOB.c.id == id, ended))

    def all_job_ids(self) -> set[str]:
        """Ids of all jobs: what the blob sweep must keep."""
        with self.reading() as connection:
            return set(connection.execute(select(JOB.c.id)).scalars())


# --- the duplicate rule -------------------------------------------------------------------------


def repeated_submission(connection: Connection, fingerprint: str, now: datetime) -> str | None:
    """The id that an undelivered request with this fingerprint has made within the window, refreshed."""
    table = tables.submission
    open_ = [table.c.fingerprint == fingerprint, table.c.delivered.is_(False)]
    row = connection.execute(select(table).where(*open_)).one_or_none()
    if row is None:
        return None
    if row.last_attempt < (to_micros(now - REPEAT_WINDOW) or 0):
        connection.execute(update(table).where(table.c.number == row.number).values(delivered=True))
        return None
    connection.execute(update(table).where(table.c.number == row.number).values(last_attempt=to_micros(now)))
    return str(row.id)


def remember_submission(connection: Connection, fingerprint: str, id: str, now: datetime) -> None:
    """Write down which request makes this job or session, in the same transaction."""
    table = tables.submission
    connection.execute(delete(table).where(table.c.fingerprint == fingerprint, table.c.delivered.is_(False)))
    connection.execute(
        insert(table).values(fingerprint=fingerprint, id=id, last_attempt=to_micros(now), delivered=False)
    )


# --- pieces -------------------------------------------------------------------------------------


def _changed(connection: Connection, where: Sequence[ColumnElement[bool]], values: Assignments) -> bool:
    """Compare and set: whether exactly the expected row was there."""
    return connection.execute(update(JOB).where(*where).values(**values)).rowcount == 1


def _conditions(f: JobFilter) -> Iterable[ColumnElement[bool]]:
    yield JOB.c.instance == f.instance
    for column, value in ((JOB.c.backend, f.backend), (JOB.c.program, f.program), (JOB.c.session, f.session)):
        if value is not None:
            yield column == value
    if f.pending is not None:
        yield JOB.c.state.not_in(FINAL) if f.pending else JOB.c.state.in_(FINAL)
    if f.states:
        yield JOB.c.state.in_(f.states)
    if f.created_after is not None:
        yield JOB.c.created >= to_micros(f.created_after)
    if f.created_before is not None:
        yield JOB.c.created <= to_micros(f.created_before)
    for tag in f.tags:
        yield exists().where(tables.job_tag.c.job == JOB.c.id, tables.job_tag.c.tag == tag)


def _jobs(
    connection: Connection,
    where: Sequence[ColumnElement[bool]],
    *,
    order: Any = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Job]:
    query = select(JOB).where(*where).limit(limit).offset(offset)
    rows = connection.execute(query if order is None else query.order_by(order)).all()
    tags: dict[str, list[str]] = {row.id: [] for row in rows}
    tag = tables.job_tag
    for row in connection.execute(select(tag).where(tag.c.job.in_(tags)).order_by(tag.c.job, tag.c.position)):
        tags[row.job].append(row.tag)
    return [job_from(row, tuple(tags[row.id])) for row in rows]


def _put_tags(connection: Connection, id: JobId, tags: Sequence[str]) -> None:
    rows = [{"job": id, "position": position, "tag": tag} for position, tag in enumerate(tags)]
    if rows:
        connection.execute(insert(tables.job_tag), rows)


def _ending(end: FinalState, now: datetime) -> Assignments:
    return {
        "state": end.state,
        "reason": end.reason,
        "reason_code": end.code,
        "reason_solution": end.solution,
        "usage_s": end.usage_s,
        "result_size": end.result_size,
        "result_sha256": end.result_sha256,
        "metrics_json": msgspec.json.encode(end.metrics).decode(),
        "ended": to_micros(now),
        "lane": None,
        "lease_until": None,
    }


def _record_end(connection: Connection, job: Job, now: datetime) -> None:
    """The one terminal event, the charge, and the session's book: in the transaction of the end."""
    at = to_micros(now)
    event = {"job": job.id, "state": job.state, "fence": job.fence, "at": at}
    connection.execute(insert(tables.terminal_event).values(event))
    if job.usage_s:
        charge = {"instance": job.instance, "backend": job.backend, "at": at, "seconds": job.usage_s}
        connection.execute(insert(tables.usage).values(charge | {"job": job.id, "session": job.session}))
    if job.started is not None:
        _touch_session(connection, job.session, last_job_completed=at)


def _touch_session(connection: Connection, id: SessionId | None, **values: int | None) -> None:
    if id is not None:
        connection.execute(update(tables.session).where(tables.session.c.id == id).values(**values))
