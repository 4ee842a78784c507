"""SQL of instances, users, keys and secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.key import KeyRecord
from coldplate.domain.user import Role, User
from coldplate.store.rows import instance_from, key_from, key_row, to_micros, user_from
from coldplate.store.tables import api_key, instance, role, secret, user

# Asked with every request, so made once.
FIND_INSTANCE = select(instance).where(instance.c.id == bindparam("crn"))
INSTANCES = select(instance).order_by(instance.c.name, instance.c.id)
BODIES = select(instance.c.body_json).order_by(instance.c.name, instance.c.id)


def add_instance(connection: Connection, new: Instance) -> None:
    """Remember an instance."""
    body = msgspec.json.encode(new).decode()
    connection.execute(insert(instance).values(id=new.id, name=new.name, account=new.account, body_json=body))


def instances(connection: Connection, account: str | None) -> list[Instance]:
    """The instances of an account, or all; by name."""
    query = INSTANCES if account is None else INSTANCES.where(instance.c.account == account)
    return [instance_from(row) for row in connection.execute(query)]


def instance_bodies(connection: Connection) -> list[str]:
    """The texts of all instances, by name: `instance_of` reads one."""
    return list(connection.execute(BODIES).scalars())


def find_instance(connection: Connection, id: InstanceId) -> Instance | None:
    """An instance by its CRN."""
    row = connection.execute(FIND_INSTANCE, {"crn": id}).one_or_none()
    return None if row is None else instance_from(row)


def replace_instance(connection: Connection, changed: Instance) -> bool:
    """Change what may change of an instance; whether there is one with its CRN."""
    values = {"name": changed.name, "body_json": msgspec.json.encode(changed).decode()}
    same = update(instance).where(instance.c.id == changed.id, instance.c.account == changed.account)
    return connection.execute(same.values(values)).rowcount == 1


# --- users ----------------------------------------------------------------------------------------


def add_user(connection: Connection, new: User) -> None:
    """Remember a user, with the roles."""
    row = {"account": new.account, "name": new.name, "kind": new.kind, "created": to_micros(new.created)}
    connection.execute(insert(user).values(row))
    for where, what in new.roles.items():
        set_role(connection, new.account, new.name, where, what)


def users(connection: Connection, account: str | None) -> list[User]:
    """The users of an account, or all; by name."""
    query = select(user).order_by(user.c.account, user.c.name)
    if account is not None:
        query = query.where(user.c.account == account)
    return [user_from(row, _roles(connection, row.account, row.name)) for row in connection.execute(query)]


def find_user(connection: Connection, account: str, name: str) -> User | None:
    """A user of an account."""
    query = select(user).where(user.c.account == account, user.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else user_from(row, _roles(connection, account, name))


def _roles(connection: Connection, account: str, name: str) -> dict[str, Role]:
    query = select(role.c.instance, role.c.role).where(role.c.account == account, role.c.user == name)
    return {row.instance: Role(row.role) for row in connection.execute(query)}


def set_role(connection: Connection, account: str, name: str, where: str, what: Role | None) -> None:
    """Give a user a role in an instance or `EVERYWHERE`, in place of the one there; None takes it away."""
    same = [role.c.account == account, role.c.user == name, role.c.instance == where]
    connection.execute(delete(role).where(*same))
    if what is not None:
        connection.execute(insert(role).values(account=account, user=name, instance=where, role=what))


def remove_user(connection: Connection, account: str, name: str, now: datetime) -> bool:
    """Forget a user and the roles, and revoke the keys; whether there was one. Jobs and usage stay."""
    working = [api_key.c.account == account, api_key.c.user == name, api_key.c.revoked.is_(None)]
    connection.execute(update(api_key).where(*working).values(revoked=to_micros(now)))
    gone = delete(user).where(user.c.account == account, user.c.name == name)
    return connection.execute(gone).rowcount == 1


# --- keys and secrets -----------------------------------------------------------------------------


def add_key(connection: Connection, key: KeyRecord) -> None:
    """Remember a key."""
    connection.execute(insert(api_key).values(key_row(key)))


def find_key(connection: Connection, *, id: str | None = None, digest: str | None = None) -> KeyRecord | None:
    """A key by its id or its digest."""
    where = api_key.c.digest == digest if id is None else api_key.c.id == id
    row = connection.execute(select(api_key).where(where)).one_or_none()
    return None if row is None else key_from(row)


def keys(connection: Connection) -> list[KeyRecord]:
    """All keys, oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created, api_key.c.id))
    return [key_from(row) for row in rows]


def revoke_key(connection: Connection, id: str, now: datetime) -> bool:
    """Revoke a key; whether there was one to revoke."""
    working: list[ColumnElement[bool]] = [api_key.c.id == id, api_key.c.revoked.is_(None)]
    change = update(api_key).where(*working).values(revoked=to_micros(now))
    return connection.execute(change).rowcount == 1


def note_uses(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Remember when keys were last used."""
    for id, at in used.items():
        connection.execute(update(api_key).where(api_key.c.id == id).values(last_used=to_micros(at)))


def find_or_make_secret(connection: Connection, name: str, make: Callable[[], bytes]) -> bytes:
    """A secret of the service, made at its first use."""
    value = connection.execute(select(secret.c.value).where(secret.c.name == name)).scalar_one_or_none()
    if value is None:
        value = make()
        connection.execute(insert(secret).values(name=name, value=value))
    return bytes(value)
