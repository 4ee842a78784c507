"""SQL of uploaded programs."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update

from coldplate.domain.uploads import Upload
from coldplate.store.tables import upload


def add(connection: Connection, new: Upload) -> bool:
    """Remember a program; False when its account has one of that name."""
    taken = [upload.c.account == new.account, upload.c.name == new.name]
    if connection.execute(select(upload.c.id).where(*taken)).first() is not None:
        return False
    connection.execute(insert(upload).values(_row(new)))
    return True


def find(connection: Connection, id: str) -> Upload | None:
    """A program by its id."""
    body = connection.execute(select(upload.c.body_json).where(upload.c.id == id)).scalar_one_or_none()
    return None if body is None else msgspec.json.decode(body, type=Upload)


def visible(connection: Connection, account: str, user: str) -> list[Upload]:
    """Those of a user, and the public ones of the account; by name."""
    mine = or_(upload.c.user == user, upload.c.public)
    query = select(upload.c.body_json).where(upload.c.account == account, mine).order_by(upload.c.name)
    return [msgspec.json.decode(body, type=Upload) for body in connection.execute(query).scalars()]


def change(connection: Connection, new: Upload) -> None:
    """Write a program anew."""
    connection.execute(update(upload).where(upload.c.id == new.id).values(_row(new)))


def forget(connection: Connection, id: str) -> None:
    """Forget a program."""
    connection.execute(delete(upload).where(upload.c.id == id))


def _row(new: Upload) -> dict[str, object]:
    body = msgspec.json.encode(new).decode()
    columns = {"id": new.id, "account": new.account, "user": new.user, "name": new.name}
    return columns | {"public": new.is_public, "body_json": body}
