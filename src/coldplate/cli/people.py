"""What an operator does about people: accounts, users, roles, keys. Works on the data directory."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from coldplate.cli.stored import Account, stored
from coldplate.cli.terminal import AsJson, Data, fail, show

if TYPE_CHECKING:
    from coldplate.domain.user import Role
    from coldplate.store.store import Store

app = typer.Typer()
accounts = typer.Typer(help="Accounts, which instances, users and keys belong to.", no_args_is_help=True)
users = typer.Typer(help="Users of an account, and their roles in its instances.", no_args_is_help=True)
keys = typer.Typer(help="API keys of users.", no_args_is_help=True)
app.add_typer(accounts, name="accounts")
app.add_typer(users, name="users")
app.add_typer(keys, name="keys")

In = Annotated[str | None, typer.Option("--instance", help="CRN; all of the account if left out.")]
RoleName = Annotated[str, typer.Option("--role", help="reader, writer, manager or none.")]
Only = Annotated[str | None, typer.Option("--account", help="Only those of one account.")]


# --- accounts -----------------------------------------------------------------------------------


@accounts.command("list")
def list_accounts(data: Data = None, as_json: AsJson = False) -> None:
    """List the accounts, with the number of their instances, users and working keys."""
    now = datetime.now(UTC)
    with stored(data) as (store, _):
        every = store.keys()
        instances = Counter(instance.account for instance in store.instances())
        people = Counter(user.account for user in store.users())
        working = Counter(key.account for key in every if key.works(now))
    rows = [
        {"account": name, "instances": instances[name], "users": people[name], "keys": working[name]}
        for name in sorted({*instances, *people})
    ]
    show(rows, as_json)


# --- users --------------------------------------------------------------------------------------


@users.command("create")
def create_user(
    name: str,
    data: Data = None,
    account: Account = "local",
    role: RoleName = "writer",
    instance: In = None,
    service_id: Annotated[
        bool, typer.Option("--service-id", help="A program's identity instead of a person's.")
    ] = False,
) -> None:
    """Make a user who has a role in one instance, or in all of the account."""
    from coldplate.domain.user import NAME, Kind, User

    if not NAME.fullmatch(name):
        fail(f"{name!r} is no user's name: 1 to 64 letters, digits and . _ @ + -")
    kind = Kind.SERVICE if service_id else Kind.PERSON
    with stored(data) as (store, _):
        where, given = place(store, account, instance), read_role(role)
        roles = {} if given is None else {where: given}
        if not store.add_user(User(name, account, datetime.now(UTC), kind, roles)):
            fail(f"The account {account!r} has a user {name!r} already.")
    typer.echo(f"{name} is {role} in {instance or f'all instances of {account}'}.")


@users.command("list")
def list_users(data: Data = None, account: Only = None, as_json: AsJson = False) -> None:
    """List users and their roles."""
    with stored(data) as (store, _):
        found = store.users(account)
    rows = [
        {
            "account": user.account,
            "name": user.name,
            "kind": user.kind,
            "created": day(user.created),
            "roles": ", ".join(f"{role} in {where}" for where, role in sorted(user.roles.items())),
        }
        for user in found
    ]
    show(rows, as_json)


@users.command("grant")
def grant(name: str, role: str, data: Data = None, account: Account = "local", instance: In = None) -> None:
    """Give a user the role reader, writer or manager, in place of the one there; none takes it away."""
    given = read_role(role)
    with stored(data) as (store, _):
        where = place(store, account, instance)
        if store.user(account, name) is None or not store.set_role(account, name, where, given):
            fail(f"The account {account!r} has no user {name!r}.")
    typer.echo(f"{name} is {role} in {instance or f'all instances of {account}'}.")


@users.command("remove")
def remove_user(name: str, data: Data = None, account: Account = "local") -> None:
    """Remove a user: the keys are revoked within seconds; jobs and what they were charged stay."""
    with stored(data) as (store, _):
        if not store.remove_user(account, name, datetime.now(UTC)):
            fail(f"The account {account!r} has no user {name!r}.")
    typer.echo(f"{name} of {account} is removed.")


def read_role(name: str) -> Role | None:
    """The role that a word means."""
    from coldplate.domain.user import Role

    if name == "none":
        return None
    if name not in list(Role):
        fail(f"{name!r} is no role; there are reader, writer, manager and none.")
    return Role(name)


def place(store: Store, account: str, crn: str | None) -> str:
    """Where a role counts: in an instance of the account, or in all."""
    from coldplate.domain.instance import InstanceId
    from coldplate.domain.user import EVERYWHERE

    if crn is None:
        return EVERYWHERE
    instance = store.instance(InstanceId(crn))
    if instance is None or instance.account != account:
        fail(f"The account {account!r} has no instance {crn!r}.")
    return crn


# --- keys ---------------------------------------------------------------------------------------


@keys.command("create")
def create_key(
    name: str,
    data: Data = None,
    user: Annotated[str, typer.Option(help="Whose it is.")] = "local",
    account: Account = "local",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if left out.")] = None,
) -> None:
    """Make a key, and print it: this is the only time it is shown."""
    from coldplate.auth import Auth

    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with stored(data) as (store, settings):
        typer.echo(Auth(store, settings).issue_key(user, account, name, expires))


@keys.command("list")
def list_keys(data: Data = None, account: Only = None, as_json: AsJson = False) -> None:
    """List the keys, without the keys themselves."""
    with stored(data) as (store, _):
        every = store.keys()
    found = [key for key in every if account in (None, key.account)]
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "user": key.user,
            "account": key.account,
            "created": day(key.created),
            "expires": day(key.expires),
            "revoked": day(key.revoked),
            "last_used": day(key.last_used),
        }
        for key in found
    ]
    show(rows, as_json)


def day(moment: datetime | None) -> str | None:
    """A moment as its day."""
    return None if moment is None else moment.date().isoformat()


@keys.command("revoke")
def revoke_key(key_id: str, data: Data = None) -> None:
    """Make a key useless, within seconds; `keys list` shows the ids."""
    with stored(data) as (store, _):
        if not store.revoke_key(key_id, datetime.now(UTC)):
            fail(f"There is no working key with the id {key_id}.")
    typer.echo(f"Key {key_id} is revoked.")
