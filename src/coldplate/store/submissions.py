"""The duplicate rule: a POST that a client repeats because it never had the answer makes nothing new.

The row is written in the transaction that makes the job or session, and removed once the answer was
delivered: the same body then means another one. A crash in between can merge one deliberate repeat.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from coldplate.store.rows import to_micros
from coldplate.store.tables import submission

# Used in every submission, so made once.
TRY_AGAIN = (
    update(submission)
    .where(submission.c.fingerprint == bindparam("mark"), submission.c.last_attempt >= bindparam("recent"))
    .values(last_attempt=bindparam("now"))
)
_ROW = insert(submission)
REMEMBER = _ROW.on_conflict_do_update(
    index_elements=["fingerprint"],
    set_={"id": _ROW.excluded.id, "last_attempt": _ROW.excluded.last_attempt},
)
REPEAT_WINDOW = timedelta(seconds=120)  # since the last attempt; official clients give up after 15 s


def repeated(connection: Connection, fingerprint: str, now: datetime) -> str | None:
    """What an undelivered POST with this fingerprint has made; the window then begins anew."""
    moments = {"now": to_micros(now), "recent": to_micros(now - REPEAT_WINDOW)}
    if connection.execute(TRY_AGAIN, {"mark": fingerprint, **moments}).rowcount == 0:
        return None
    query = select(submission.c.id).where(submission.c.fingerprint == fingerprint)
    return str(connection.execute(query).scalar_one())


def remember(connection: Connection, fingerprint: str, *, id: str, now: datetime) -> None:
    """Write down what a POST has made, in place of what an older one with the same body made."""
    values = {"fingerprint": fingerprint, "id": id, "last_attempt": to_micros(now)}
    connection.execute(REMEMBER, values)


def forget(connection: Connection, ids: Collection[str]) -> None:
    """The answers about these jobs and sessions were delivered."""
    if ids:
        connection.execute(delete(submission).where(submission.c.id.in_(ids)))
