"""SQL of backends and of what was calibrated on them, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.sqlite import insert

from coldplate.domain.backend import BackendRecord, PackedObject, read_record, written
from coldplate.store.rows import to_micros
from coldplate.store.tables import backend, calibration, device

ALL = (
    select(backend.c.digest, device.c.status, device.c.reason)
    .outerjoin(device, device.c.name == backend.c.name)
    .order_by(backend.c.position)
)
ONE = ALL.where(backend.c.name == bindparam("called"))


class Records:
    """Reads backends. They are large and change rarely, so what was read once is kept, by its digest."""

    def __init__(self) -> None:
        self._known: dict[str, BackendRecord] = {}

    def every(self, connection: Connection) -> list[BackendRecord]:
        """All backends, in the order of the catalog."""
        rows = connection.execute(ALL).all()
        known = {row.digest: self._record(connection, row.digest) for row in rows}
        self._known = known  # what has left the catalog is let go
        return [_as_operated(known[row.digest], row) for row in rows]

    def find(self, connection: Connection, name: str) -> BackendRecord | None:
        """A backend by name."""
        row = connection.execute(ONE, {"called": name}).one_or_none()
        return None if row is None else _as_operated(self._record(connection, row.digest), row)

    def _record(self, connection: Connection, digest: str) -> BackendRecord:
        known = self._known.get(digest)
        if known is not None:
            return known
        body = connection.execute(select(backend.c.body_json).where(backend.c.digest == digest)).scalar_one()
        record = read_record(body.encode())
        self._known[digest] = record
        return record


def _as_operated(record: BackendRecord, row: Row[Any, Any, Any]) -> BackendRecord:
    """The record with the status that an operator has given it, if any."""
    return record if row.status is None else replace(record, status=row.status, status_reason=row.reason)


def put(connection: Connection, records: Sequence[BackendRecord], now: datetime) -> None:
    """Replace all backends, in this order; calibrations that are new are kept with their date."""
    connection.execute(delete(backend))
    rows = [_row(record, position) for position, record in enumerate(records)]
    if rows:
        connection.execute(plain_insert(backend), rows)
    for record in records:
        if record.properties is not None:
            _keep_calibration(connection, record.name, record.properties, now)


def _row(record: BackendRecord, position: int) -> dict[str, Any]:
    body = written(record)
    values = {"name": record.name, "position": position, "digest": sha256(body).hexdigest()}
    return values | {"body_json": body.decode()}


def _keep_calibration(
    connection: Connection, name: str, properties: Mapping[str, Any], now: datetime
) -> None:
    body = written(properties).decode()
    row = insert(calibration).values(
        backend=name, at=to_micros(_calibrated(properties, now)), properties_json=body
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["backend", "at"], set_={"properties_json": body})
    )


def _calibrated(properties: Mapping[str, Any], now: datetime) -> datetime:
    """When properties were last updated, as they say; when they don't, now."""
    text = properties.get("last_update_date")
    if text is None:
        return now
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def properties_before(connection: Connection, name: str, when: datetime | None) -> Mapping[str, Any] | None:
    """The newest calibration strictly before a moment; before the first, the first."""
    mine = select(calibration.c.properties_json).where(calibration.c.backend == name)
    newest = mine.order_by(calibration.c.at.desc()).limit(1)
    if when is not None:
        newest = newest.where(calibration.c.at < to_micros(when))
    found = connection.execute(newest).scalar_one_or_none()
    if found is None:
        found = connection.execute(mine.order_by(calibration.c.at).limit(1)).scalar_one_or_none()
    return None if found is None else PackedObject(found.encode())
