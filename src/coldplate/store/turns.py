"""SQL of who drives a device: of each, one job at a time, whatever any process believes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, or_, select, update

from coldplate.domain.job import JobId, JobState
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import in_state, job

# Made once: to put a statement together takes longer than to run it.
_OTHER = job.alias()
_IT = [
    job.c.id == bindparam("this"),
    job.c.fence == bindparam("with_fence"),
    in_state(job, JobState.RUNNING),
]
WANTS = update(job).where(*_IT).values(asked=bindparam("now"), estimated_s=bindparam("for_s"))
ESTIMATES = update(job).where(*_IT, job.c.driving.is_not(None)).values(estimated_s=bindparam("for_s"))
TAKES = update(job).where(*_IT).values(driving=bindparam("now"))
GOES = update(job).where(*_IT, job.c.asked.is_not(None)).values(asked=None, driving=bindparam("now"))
DRIVES = select(job.c.driving, job.c.held_s).where(*_IT, job.c.driving.is_not(None))
LEAVES = update(job).where(*_IT, job.c.driving.is_not(None)).values(driving=None, held_s=bindparam("for_s"))
_BESIDE = [
    in_state(job, JobState.RUNNING),
    job.c.backend == select(_OTHER.c.backend).where(_OTHER.c.id == bindparam("this")).scalar_subquery(),
    job.c.id != bindparam("this"),
]
OTHERS = select(exists().where(*_BESIDE, or_(job.c.driving.is_not(None), job.c.asked.is_not(None))))
WAITS = select(exists().where(*_BESIDE, job.c.asked.is_not(None)))


def ask(
    connection: Connection, id: JobId, fence: int, *, seconds: float | None, now: datetime
) -> bool | None:
    """A running job wants its device: True, it has it, as nobody else wants it; False, it has to wait.

    None when the fence is stale.
    """
    if connection.execute(ESTIMATES, _attempt(id, fence) | {"for_s": seconds}).rowcount == 1:
        return True  # it has driven it from its start
    new = {"now": to_micros(now), "for_s": seconds}
    if connection.execute(WANTS, _attempt(id, fence) | new).rowcount == 0:
        return None
    if connection.execute(OTHERS, {"this": id}).scalar_one():
        return False
    return grant(connection, id, fence, now=now)


def take(connection: Connection, id: JobId, fence: int, *, now: datetime) -> bool:
    """Have a job that starts drive its device at once, if nobody else drives it or waits for it."""
    if connection.execute(OTHERS, {"this": id}).scalar_one():
        return False
    return connection.execute(TAKES, _attempt(id, fence) | {"now": to_micros(now)}).rowcount == 1


def grant(connection: Connection, id: JobId, fence: int, *, now: datetime) -> bool:
    """Let a job that has asked drive its device; False when it doesn't ask any more.

    Raises:
        IntegrityError: Another job drives it.
    """
    return connection.execute(GOES, _attempt(id, fence) | {"now": to_micros(now)}).rowcount == 1


def leave(connection: Connection, id: JobId, fence: int, *, now: datetime) -> bool:
    """A job has left its device, by its own word; whether another one waits for it."""
    row = connection.execute(DRIVES, _attempt(id, fence)).one_or_none()
    if row is None:
        return False
    held_s = row.held_s + max(0.0, (now - to_moment(row.driving)).total_seconds())
    connection.execute(LEAVES, _attempt(id, fence) | {"for_s": held_s})
    return bool(connection.execute(WAITS, {"this": id}).scalar_one())


def _attempt(id: JobId, fence: int) -> dict[str, Any]:
    return {"this": id, "with_fence": fence}
