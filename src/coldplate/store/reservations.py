"""SQL of what operators say about backends: their status, and who has reserved them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from coldplate.domain.instance import InstanceId
from coldplate.domain.reservation import Claim, Reservation
from coldplate.store.rows import to_micros, to_moment
from coldplate.store.tables import device, reservation

LIST = select(reservation).where(reservation.c.end > bindparam("now")).order_by(reservation.c.start)


def add(connection: Connection, new: Reservation) -> None:
    """Remember a reservation."""
    values = {
        "id": new.id,
        "backend": new.backend,
        "claim": new.claim,
        "start": to_micros(new.start),
        "end": to_micros(new.end),
        "instance": new.instance,
        "reason": new.reason,
    }
    connection.execute(insert(reservation).values(**values))


def remove(connection: Connection, id: str) -> bool:
    """Forget a reservation; whether there was one."""
    return connection.execute(delete(reservation).where(reservation.c.id == id)).rowcount > 0


def current(connection: Connection, now: datetime) -> list[Reservation]:
    """Reservations that are open now or later, by their beginning."""
    return [
        Reservation(
            row.id,
            row.backend,
            Claim(row.claim),
            start=to_moment(row.start),
            end=to_moment(row.end),
            instance=None if row.instance is None else InstanceId(row.instance),
            reason=row.reason,
        )
        for row in connection.execute(LIST, {"now": to_micros(now)})
    ]


def set_status(connection: Connection, backend: str, status: str | None, reason: str | None) -> None:
    """Say what a backend is, or (None) leave that to the catalog again."""
    connection.execute(delete(device).where(device.c.name == backend))
    if status is not None:
        connection.execute(upsert(device).values(name=backend, status=status, reason=reason))
