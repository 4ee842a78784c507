"""SQL of the queue as the scheduler sees it, and of what was used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select, text

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.job import Job, JobState
from coldplate.domain.plan import WINDOW
from coldplate.domain.reservation import Claim, Reservation, as_is
from coldplate.domain.session import SessionId
from coldplate.domain.snapshot import RECENT, Running, Share, Snapshot, Waiting, usual_s
from coldplate.store import people, reservations, sessions
from coldplate.store.backends import Records
from coldplate.store.rows import instance_of, to_micros, to_moment
from coldplate.store.spent import Spent
from coldplate.store.tables import in_state, job, terminal_event, usage

KEPT = 1000  # heads of lines that are kept at least
HEAD = (job.c.number, job.c.id, job.c.instance, job.c.backend, job.c.session, job.c.created, job.c.cost_s)


def snapshot(
    connection: Connection,
    records: Records,
    shares: Shares,
    lines: Lines,
    *,
    now: datetime,
    alive: set[tuple[str, int]],
    free_slots: int,
    whole: bool,
) -> Snapshot:
    """The queue at one instant.

    Args:
        whole: Also what could not start now whatever the rules say; else of that only a session's first job.
    """
    backends, reserved = records.every(connection), reservations.current(connection, now)
    attempts = sorted(connection.execute(_attempts()), key=lambda row: row.number)
    running = tuple(_running(row, now, alive) for row in attempts)
    room = None if whole else _with_room(backends, running, reserved, now) if free_slots else []
    return Snapshot(
        backends=tuple(backends),
        waiting=tuple(lines.heads(connection, room, reserved, now=now, number=max(free_slots, 1))),
        running=running,
        sessions=tuple(sessions.alive(connection)),
        shares=shares.every(connection, now),
        free_slots=free_slots,
        reservations=tuple(reserved),
        usual_s=usual_s_by_backend(connection) if any(each.start > now for each in reserved) else {},
    )


def _with_room(
    backends: list[BackendRecord], running: Iterable[Running], reserved: list[Reservation], now: datetime
) -> list[str]:
    """Backends that are online and have a free lane. In a long queue they are few: lanes fill at once."""
    taken = Counter(attempt.backend for attempt in running)
    return [r.name for r in backends if taken[r.name] < r.lanes and as_is(r, reserved, now).runs]


# The oldest queued jobs of each line: of an instance on a backend, alone or of one session.
# No plan starts more of one line than there are free processes. A session's jobs are a line of their own,
# because they may start before everything that stands in front of them. The recursion jumps from the first
# job of a line to that of the next, along the index: what stands in between is never looked at.
WALK = """
    WITH RECURSIVE line(number) AS (
        {first}
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
            {then}
        )
        FROM line JOIN job AS first ON first.number = line.number
    )
    SELECT job.number, job.id, job.instance, job.backend, job.session, job.created, job.cost_s
    FROM line JOIN job AS first ON first.number = line.number
    JOIN job ON job.number IN (
        SELECT own.number FROM job AS own
        WHERE own.state = 'Queued' AND own.backend = first.backend
        AND own.instance = first.instance AND own.session IS first.session
        ORDER BY own.number LIMIT :most
    )
"""
FIRST = """
    SELECT (
        SELECT number FROM job WHERE state = 'Queued' ORDER BY backend, instance, session, number LIMIT 1
    )
"""
FIRSTS = """
    SELECT (
        SELECT number FROM job WHERE state = 'Queued' AND backend = named.value
        ORDER BY backend, instance, session, number LIMIT 1
    )
    FROM json_each(:backends) AS named
"""
NEXT_BACKEND = """(
    SELECT next.number FROM job AS next
    WHERE next.state = 'Queued' AND next.backend > first.backend
    ORDER BY next.backend, next.instance, next.session, next.number LIMIT 1
)"""
EVERYWHERE = text(WALK.format(first=FIRST, then=NEXT_BACKEND))
ON_BACKENDS = text(WALK.format(first=FIRSTS, then="NULL"))
# The oldest queued job of each session, by the same way.
OF_SESSIONS = text("""
    WITH RECURSIVE line(number) AS (
        SELECT (
            SELECT number FROM job WHERE state = 'Queued' AND session IS NOT NULL
            ORDER BY session, number LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT next.number FROM job AS next
            WHERE next.state = 'Queued' AND next.session > first.session
            ORDER BY next.session, next.number LIMIT 1
        )
        FROM line JOIN job AS first ON first.number = line.number
    )
    SELECT job.number, job.id, job.instance, job.backend, job.session, job.created, job.cost_s
    FROM line JOIN job ON job.number = line.number
""")


class Lines:
    """What is queued. A job at the head of a long line is read at every look, but made only once."""

    def __init__(self) -> None:
        self._known: dict[str, Waiting] = {}

    def heads(
        self,
        connection: Connection,
        backends: list[str] | None,
        reserved: list[Reservation],
        *,
        now: datetime,
        number: int,
    ) -> list[Waiting]:
        """The heads of all lines of some backends (None: all), and of what reservations bring forward.

        In the order of acceptance. Of sessions on other backends it gives the first job.
        """
        if backends is None:
            rows = list(connection.execute(EVERYWHERE, {"most": number}))
        else:
            rows = list(connection.execute(OF_SESSIONS))
            names = msgspec.json.encode(backends).decode()
            rows += connection.execute(ON_BACKENDS, {"backends": names, "most": number})
        rows += brought_forward(connection, reserved, now=now, number=number)
        known = self._known
        found = {row[0]: known.get(row[1]) or self._new(row) for row in rows}
        if len(self._known) > 2 * max(len(found), KEPT):
            self._known = {job.id: job for job in found.values()}
        return [job for _, job in sorted(found.items())]

    def _new(self, row: Any) -> Waiting:
        created, most_s = to_moment(row.created), float(row.cost_s)
        job = Waiting(row.id, row.instance, row.backend, row.session, created, most_s)
        self._known[job.id] = job
        return job


def brought_forward(
    connection: Connection, reserved: list[Reservation], *, now: datetime, number: int
) -> list[Any]:
    """The first jobs that reservations bring forward."""
    rows: list[Any] = []
    for each in reserved:
        if each.claim is Claim.PRIORITY and each.holds(now):
            inside = [job.c.backend == each.backend, job.c.instance == each.instance]
            inside += [in_state(job, JobState.QUEUED), job.c.created >= to_micros(each.start)]
            rows += connection.execute(select(*HEAD).where(*inside).order_by(job.c.number).limit(number))
    return rows


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
        self._known: dict[str, Instance] = {}  # by their text, which seldom changes

    def every(self, connection: Connection, now: datetime) -> tuple[Share, ...]:
        """The share of every instance, by name."""
        instances = self._instances(connection)
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

    def _instances(self, connection: Connection) -> list[Instance]:
        bodies = people.instance_bodies(connection)
        self._known = {body: self._known.get(body) or instance_of(body) for body in bodies}
        return list(self._known.values())


def used_s(connection: Connection, instance: InstanceId, since: datetime) -> float:
    """Quantum seconds that an instance was charged since a moment."""
    query = _used_since().where(usage.c.instance == instance)
    row = connection.execute(query, {"since": to_micros(since)}).one_or_none()
    return 0.0 if row is None else float(row.used)


CHARGED = select(func.coalesce(func.sum(usage.c.seconds), 0.0)).where(
    usage.c.session == bindparam("wanted"), usage.c.session.is_not(None)
)


def charged_s(connection: Connection, session: SessionId) -> float:
    """Quantum seconds that a session was charged, itself or by its jobs."""
    return float(connection.execute(CHARGED, {"wanted": session}).scalar_one())


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
    lasted_s = (job.c.ended - job.c.started) / 1e6
    took = func.avg(case((job.c.held_s > 0, job.c.held_s), else_=lasted_s))
    query = select(job.c.backend, took).where(*_lately_completed()).group_by(job.c.backend)
    return {name: float(seconds) for name, seconds in connection.execute(query)}


def usual_s_by_backend(connection: Connection) -> dict[str, float]:
    """How long 19 of 20 jobs were in their lane lately, on each backend, seconds."""
    lasted: dict[str, list[float]] = defaultdict(list)
    query = select(job.c.backend, job.c.ended - job.c.started).where(*_lately_completed())
    for name, micros in connection.execute(query):
        lasted[name].append(micros / 1e6)
    return {name: usual_s(values) for name, values in lasted.items()}


def _lately_completed() -> list[ColumnElement[bool]]:
    last = select(terminal_event.c.job).order_by(text("terminal_event.rowid DESC")).limit(RECENT)
    return [job.c.id.in_(last), job.c.state == JobState.COMPLETED]


def lengths(connection: Connection) -> dict[str, int]:
    """Jobs that have not ended, by backend."""
    total: Counter[str] = Counter()
    for state in (JobState.QUEUED, JobState.RUNNING):
        count = select(job.c.backend, func.count()).where(in_state(job, state)).group_by(job.c.backend)
        total.update({name: number for name, number in connection.execute(count)})
    return dict(total)
