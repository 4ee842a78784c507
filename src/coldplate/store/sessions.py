"""SQL of sessions and batches."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.store import submissions
from coldplate.store.rows import session_from, session_row, to_micros
from coldplate.store.tables import in_state, usage
from coldplate.store.tables import session as sessions

# Written when it was opened, and by its jobs and the history: never by a change of the session itself.
KEPT = ("id", "instance", "user", "mode", "backend", "created", "last_job_started", "last_job_completed")

# Made once: to put a statement together takes longer than to run it.
FIND = select(sessions).where(sessions.c.id == bindparam("wanted"))
ALIVE = select(sessions).where(~in_state(sessions, SessionState.CLOSED)).order_by(sessions.c.created)


def add(connection: Connection, session: Session, *, fingerprint: str, now: datetime) -> Session:
    """Remember a session, or give the one that the same undelivered POST has already made."""
    id = submissions.repeated(connection, fingerprint, now)
    known = None if id is None else find(connection, SessionId(id), None)
    if known is not None:
        return known
    submissions.remember(connection, fingerprint, id=session.id, now=now)
    connection.execute(insert(sessions).values(session_row(session)))
    return session


def find(connection: Connection, id: SessionId, instance: InstanceId | None) -> Session | None:
    """A session, if it is of this instance."""
    row = connection.execute(FIND, {"wanted": id}).one_or_none()
    if row is None or instance not in (None, row.instance):
        return None
    return session_from(row)


def alive(connection: Connection) -> list[Session]:
    """Sessions that are not closed, oldest first."""
    return [session_from(row) for row in connection.execute(ALIVE)]


def change(connection: Connection, session: Session, *, expect: SessionState, at: datetime) -> bool:
    """Write a session if nobody has written it since it was read; a new state goes into its history.

    Raises:
        IntegrityError: Another dedicated session owns the backend.
    """
    unchanged = [
        sessions.c.id == session.id,
        sessions.c.state == expect,
        sessions.c.version == session.version,
    ]
    history = connection.execute(select(sessions.c.history_json).where(*unchanged)).scalar_one_or_none()
    if history is None:
        return False
    values = {name: value for name, value in session_row(session).items() if name not in KEPT}
    values |= {"version": session.version + 1, "history_json": history}
    if session.state != expect:
        states = [*msgspec.json.decode(history), (session.state, to_micros(at))]
        values["history_json"] = msgspec.json.encode(states).decode()
    _charge(connection, session, at=at)
    connection.execute(update(sessions).where(*unchanged).values(**values))
    return True


def _charge(connection: Connection, session: Session, *, at: datetime) -> None:
    """Charge what a dedicated session has used since it was last written; a batch's jobs are charged."""
    before = connection.execute(select(sessions.c.usage_s).where(sessions.c.id == session.id)).scalar_one()
    seconds = session.usage_s - before
    if session.mode is Mode.DEDICATED and seconds > 0:
        charge = {"instance": session.instance, "backend": session.backend, "seconds": seconds}
        connection.execute(insert(usage).values(charge | {"at": to_micros(at), "session": session.id}))
