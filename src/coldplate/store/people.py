"""What is remembered of instances, keys, secrets, backends and their calibrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.key import KeyRecord
from coldplate.store import tables
from coldplate.store.database import Database
from coldplate.store.rows import backend_from, instance_from, key_from, to_micros


class PeopleStore(Database):
    """Who may use the service, and what there is to use."""

    # --- instances and keys ---------------------------------------------------------------------

    def add_instance(self, instance: Instance) -> None:
        """Remember an instance."""
        row = {"id": instance.id, "name": instance.name, "account": instance.account}
        body = msgspec.json.encode(instance).decode()
        with self.writing() as connection:
            connection.execute(insert(tables.instance).values(row | {"body_json": body}))

    def instances(self, account: str | None = None) -> list[Instance]:
        """The instances of an account, or all."""
        query = select(tables.instance).order_by(tables.instance.c.name)
        if account is not None:
            query = query.where(tables.instance.c.account == account)
        with self.reading() as connection:
            return [instance_from(row) for row in connection.execute(query)]

    def instance(self, id: InstanceId) -> Instance | None:
        """An instance by its CRN."""
        with self.reading() as connection:
            row = connection.execute(select(tables.instance).where(tables.instance.c.id == id)).one_or_none()
        return None if row is None else instance_from(row)

    def add_key(self, key: KeyRecord) -> None:
        """Remember a key."""
        row = asdict(key)
        for name in ("created", "expires", "revoked", "last_used"):
            row[name] = to_micros(row[name])
        with self.writing() as connection:
            connection.execute(insert(tables.api_key).values(row))

    def key_by_hash(self, digest: str) -> KeyRecord | None:
        """The key with a digest."""
        return self._key(tables.api_key.c.digest == digest)

    def key(self, id: str) -> KeyRecord | None:
        """The key with an id."""
        return self._key(tables.api_key.c.id == id)

    def _key(self, where: Any) -> KeyRecord | None:
        with self.reading() as connection:
            row = connection.execute(select(tables.api_key).where(where)).one_or_none()
        return None if row is None else key_from(row)

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(select(tables.api_key).order_by(tables.api_key.c.created))
            return [key_from(row) for row in rows]

    def revoke_key(self, id: str, now: datetime) -> bool:
        """Revoke a key; whether there was a working one."""
        working = [tables.api_key.c.id == id, tables.api_key.c.revoked.is_(None)]
        with self.writing() as connection:
            change = update(tables.api_key).where(*working).values(revoked=to_micros(now))
            return connection.execute(change).rowcount == 1

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A secret of the service, made at its first use."""
        with self.writing() as connection:
            query = select(tables.secret.c.value).where(tables.secret.c.name == name)
            value = connection.execute(query).scalar_one_or_none()
            if value is None:
                value = make()
                connection.execute(insert(tables.secret).values(name=name, value=value))
            return bytes(value)

    # --- backends -------------------------------------------------------------------------------

    def put_backends(self, records: Sequence[BackendRecord], now: datetime) -> None:
        """Replace all backends, in this order; calibrations that are new are kept with their date."""
        rows = [
            {"name": record.name, "position": position, "body_json": msgspec.json.encode(record).decode()}
            for position, record in enumerate(records)
        ]
        with self.writing() as connection:
            connection.execute(delete(tables.backend))
            if rows:
                connection.execute(insert(tables.backend), rows)
            for record in records:
                if record.properties is not None:
                    when = datetime.fromisoformat(record.properties["last_update_date"])
                    at = to_micros(when if when.tzinfo else when.replace(tzinfo=now.tzinfo))
                    body = msgspec.json.encode(record.properties).decode()
                    kept = {"backend": record.name, "at": at, "properties_json": body}
                    connection.execute(upsert(tables.calibration).values(kept).on_conflict_do_nothing())

    def backends(self) -> list[BackendRecord]:
        """All backends."""
        with self.reading() as connection:
            rows = connection.execute(select(tables.backend).order_by(tables.backend.c.position))
            return [backend_from(row) for row in rows]

    def backend(self, name: str) -> BackendRecord | None:
        """A backend by name."""
        with self.reading() as connection:
            row = connection.execute(
                select(tables.backend).where(tables.backend.c.name == name)
            ).one_or_none()
        return None if row is None else backend_from(row)

    def properties_before(self, name: str, when: datetime | None) -> dict[str, Any] | None:
        """The newest calibration strictly before a moment; before the first, the first."""
        table = tables.calibration
        mine = select(table.c.properties_json).where(table.c.backend == name)
        newest = mine.order_by(table.c.at.desc()).limit(1)
        if when is not None:
            newest = newest.where(table.c.at < to_micros(when))
        with self.reading() as connection:
            found = connection.execute(newest).scalar_one_or_none()
            if found is None:
                found = connection.execute(mine.order_by(table.c.at).limit(1)).scalar_one_or_none()
        return None if found is None else msgspec.json.decode(found)
