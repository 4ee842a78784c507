"""What is remembered of sessions and batches, and the list of all workloads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Session, SessionId, SessionState
from coldplate.store import tables
from coldplate.store.database import Database
from coldplate.store.jobs import remember_submission, repeated_submission
from coldplate.store.rows import session_from, session_row, to_micros

SESSION = tables.session


class SessionStore(Database):
    """Sessions and batches."""

    def add_session(self, session: Session, *, fingerprint: str, now: datetime) -> Session:
        """Remember a session, or give the one that the same undelivered request has already made."""
        with self.writing(session.id) as connection:
            repeated = repeated_submission(connection, fingerprint, now)
            if repeated is not None:
                found = connection.execute(select(SESSION).where(SESSION.c.id == repeated)).one_or_none()
                if found is not None:
                    return session_from(found)
            remember_submission(connection, fingerprint, session.id, now)
            connection.execute(insert(SESSION).values(session_row(session)))
            return session

    def session(self, id: SessionId, instance: InstanceId | None = None) -> Session | None:
        """A session, if it is of this instance."""
        where = [SESSION.c.id == id] + ([SESSION.c.instance == instance] if instance else [])
        with self.reading() as connection:
            row = connection.execute(select(SESSION).where(*where)).one_or_none()
        return None if row is None else session_from(row)

    def update_session(self, session: Session, *, expect: SessionState, now: datetime | None = None) -> bool:
        """Write a session if its state is still the expected one; a new state goes into its history.

        What jobs write into the session's book (last started and completed) is left alone.
        """
        values: dict[str, Any] = session_row(session)
        for kept in ("id", "last_job_started", "last_job_completed", "history_json"):
            del values[kept]
        with self.writing(session.id) as connection:
            where = [SESSION.c.id == session.id, SESSION.c.state == expect]
            row = connection.execute(select(SESSION).where(*where)).one_or_none()
            if row is None:
                return False
            if session.state != expect:
                at = now or session.closed or session.activated or session.created
                history = [*msgspec.json.decode(row.history_json), (session.state, to_micros(at))]
                values["history_json"] = msgspec.json.encode(history).decode()
            connection.execute(update(SESSION).where(*where).values(**values))
            return True
