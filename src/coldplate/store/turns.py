"""SQL of who drives a device: of each, one job at a time, whatever any process believes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from coldplate.domain.job import JobId, JobState
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import in_state, job


def ask(
    connection: Connection, id: JobId, fence: int, *, seconds: float | None, now: datetime
) -> bool | None:
    """A running job wants its device: True, it has it, as nobody else wants it; False, it has to wait.

    None when the fence is stale.
    """
    wants = update(job).where(*_attempt(id, fence)).values(asked=to_micros(now), estimated_s=seconds)
    if connection.execute(wants).rowcount == 0:
        return None
    backend = select(job.c.backend).where(job.c.id == id).scalar_subquery()
    others = exists().where(
        in_state(job, JobState.RUNNING),
        job.c.backend == backend,
        job.c.id != id,
        or_(job.c.driving.is_not(None), job.c.asked.is_not(None)),
    )
    if connection.execute(select(others)).scalar_one():
        return False
    return grant(connection, id, fence, now=now)


def grant(connection: Connection, id: JobId, fence: int, *, now: datetime) -> bool:
    """Let a job that has asked drive its device; False when it doesn't ask any more.

    Raises:
        IntegrityError: Another job drives it.
    """
    where = [*_attempt(id, fence), job.c.asked.is_not(None)]
    values = {"asked": None, "driving": to_micros(now)}
    return connection.execute(update(job).where(*where).values(**values)).rowcount == 1


def leave(connection: Connection, id: JobId, fence: int, *, now: datetime) -> bool:
    """A job has left its device, by its own word; False when it didn't drive it."""
    where = [*_attempt(id, fence), job.c.driving.is_not(None)]
    row = connection.execute(select(job.c.driving, job.c.held_s).where(*where)).one_or_none()
    if row is None:
        return False
    held_s = row.held_s + max(0.0, (now - to_moment(row.driving)).total_seconds())
    connection.execute(update(job).where(*where).values(driving=None, held_s=held_s))
    return True


def _attempt(id: JobId, fence: int) -> list[ColumnElement[bool]]:
    return [job.c.id == id, job.c.fence == fence, in_state(job, JobState.RUNNING)]
