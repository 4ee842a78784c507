"""SQL of the queue as the scheduler sees it, and of what was used."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, func, select, text

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import Job, JobState
from coldplate.domain.plan import WINDOW
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting
from coldplate.store import people, reservations, sessions
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.spent import Spent
from coldplate.store.tables import in_state, job, terminal_event, usage

RECENT = 300  # jobs, of which the time is taken
HEAD = (job.c.number, job.c.id, job.c.instance, job.c.backend, job.c.session, job.c.created)


def snapshot(
    connection: Connection,
    backends: list[BackendRecord],
    shares: Shares,
    *,
    now: datetime,
    alive: set[tuple[str, int]],
    free_slots: int,
) -> Snapshot:
    """The queue at one instant."""
    reserved = reservations.current(connection, now)
    return Snapshot(
        backends=tuple(backends),
        waiting=tuple(_waiting(connection, reserved, now=now, number=max(free_slots, 1))),
        running=tuple(
            _running(row, now, alive)
            for row in sorted(connection.execute(_attempts()), key=lambda row: row.number)
        ),
        sessions=tuple(sessions.alive(connection)),
        shares=shares.every(connection, now),
        free_slots=free_slots,
        reservations=tuple(reserved),
    )


def _waiting(
    connection: Connection, reserved: list[Reservation], *, now: datetime, number: int
) -> list[Waiting]:
    """The heads of all lines, and of what reservations bring forward, in the order of acceptance."""
    rows = {row.number: row for row in connection.execute(HEADS, {"most": number})}
    for each in reserved:
        if each.claim is Claim.PRIORITY and each.holds(now):
            inside = [job.c.backend == each.backend, job.c.instance == each.instance]
            inside += [in_state(job, JobState.QUEUED), job.c.created >= to_micros(each.start)]
            heads = select(*HEAD).where(*inside).order_by(job.c.number).limit(number)
            rows |= {row.number: row for row in connection.execute(heads)}
    return [
        Waiting(row.id, row.instance, row.backend, row.session, to_moment(row.created))
        for _, row in sorted(rows.items())
    ]


# The oldest queued jobs of each line: of an instance on a backend, alone or of one session.
# No plan starts more of one line than there are free processes. A session's jobs are a line of their own,
# because they may start before everything that stands in front of them. The recursion jumps from the first
# job of a line to that of the next, along the index: what stands in between is never looked at.
HEADS = text("""
    WITH RECURSIVE line(number) AS (
        SELECT (
            SELECT number FROM job WHERE state = 'Queued'
            ORDER BY backend, instance, session, number LIMIT 1
        )
        UNION ALL
        SELECT coalesce(
            (
                SELECT next.number FROM job AS next
                WHERE next.state = 'Queued' AND next.backend = first.backend
                AND next.instance = first.instance AND next.session > ifnull(first.session, '')
                ORDER BY next.session, next.number LIMIT 1
            ),
            (
                SELECT next.number FROM job AS next
                WHERE next.state = 'Queued' AND next.backend = first.backend
                AND next.instance > first.instance
                ORDER BY next.instance, next.session, next.number LIMIT 1
            ),
            (
                SELECT next.number FROM job AS next
                WHERE next.state = 'Queued' AND next.backend > first.backend
                ORDER BY next.backend, next.instance, next.session, next.number LIMIT 1
            )
        )
        FROM line JOIN job AS first ON first.number = line.number
    )
    SELECT job.number, job.id, job.instance, job.backend, job.session, job.created
    FROM line JOIN job AS first ON first.number = line.number
    JOIN job ON job.number IN (
        SELECT own.number FROM job AS own
        WHERE own.state = 'Queued' AND own.backend = first.backend
        AND own.instance = first.instance AND own.session IS first.session
        ORDER BY own.number LIMIT :most
    )
    ORDER BY job.number
""")


@cache
def _attempts() -> Select[Any]:
    return select(job).where(in_state(job, JobState.RUNNING))  # in no order: a few, by their own index


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
        worker=row.worker,
        estimated_s=row.estimated_s,
        asked=to_moment(row.asked),
        driving=row.driving is not None,
    )


class Shares:
    """What instances have used of what they may."""

    def __init__(self) -> None:
        self._recent, self._ever = Spent(WINDOW), Spent(None)

    def every(self, connection: Connection, now: datetime) -> tuple[Share, ...]:
        """The share of every instance, by name."""
        instances = people.instances(connection, None)
        rolling = all(each.rules.rolling for each in instances)
        recent = self._recent.by_instance(connection, now)
        ever = recent if rolling else self._ever.by_instance(connection, now)
        return tuple(
            Share(
                each.id,
                (recent if each.rules.rolling else ever).get(each.id, 0.0),
                each.allocation_s,
                each.most_s,
                each.rules.at_limit,
            )
            for each in instances
        )


def used_s(connection: Connection, instance: InstanceId, since: datetime) -> float:
    """Quantum seconds that an instance was charged since a moment."""
    query = _used_since().where(usage.c.instance == instance)
    row = connection.execute(query, {"since": to_micros(since)}).one_or_none()
    return 0.0 if row is None else float(row.used)


@cache
def _used_since() -> Select[Any]:
    total = func.sum(usage.c.seconds).label("used")
    return select(usage.c.instance, total).where(usage.c.at > bindparam("since")).group_by(usage.c.instance)


def ahead(connection: Connection, of: Job) -> int:
    """Jobs of the same instance that wait for the same backend and were accepted before."""
    number = select(job.c.number).where(job.c.id == of.id).scalar_subquery()
    same = [job.c.backend == of.backend, job.c.instance == of.instance, job.c.number < number]
    count = select(func.count()).select_from(job).where(in_state(job, JobState.QUEUED), *same)
    return connection.execute(count).scalar_one()


def typical_s(connection: Connection) -> dict[str, float]:
    """How long jobs took lately on each backend, seconds: at the device where it was asked for."""
    last = select(terminal_event.c.job).order_by(text("terminal_event.rowid DESC")).limit(RECENT)
    lasted_s = (job.c.ended - job.c.started) / 1e6
    took = func.avg(case((job.c.held_s > 0, job.c.held_s), else_=lasted_s))
    done = [job.c.id.in_(last), job.c.state == JobState.COMPLETED]
    query = select(job.c.backend, took).where(*done).group_by(job.c.backend)
    return {name: float(seconds) for name, seconds in connection.execute(query)}


def lengths(connection: Connection) -> dict[str, int]:
    """Jobs that have not ended, by backend."""
    total: Counter[str] = Counter()
    for state in (JobState.QUEUED, JobState.RUNNING):
        count = select(job.c.backend, func.count()).where(in_state(job, state)).group_by(job.c.backend)
        total.update({name: number for name, number in connection.execute(count)})
    return dict(total)
