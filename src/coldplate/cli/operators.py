"""What an operator does: instances, keys, the database. These commands work on the data directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldplate.cli.terminal import AsJson, Data, fail, read_settings, show
from coldplate.connection import NoServer, find

if TYPE_CHECKING:
    from coldplate.settings import Settings
    from coldplate.store.store import Store

app = typer.Typer()
instances = typer.Typer(help="Instances that your key may use.", invoke_without_command=True)
keys = typer.Typer(help="API keys of this server.", no_args_is_help=True)
database = typer.Typer(help="The database of this server.", no_args_is_help=True)
app.add_typer(instances, name="instances")
app.add_typer(keys, name="keys")
app.add_typer(database, name="db")
Account = Annotated[str, typer.Option(help="Account: keys and instances of one belong together.")]


@contextlib.contextmanager
def stored(data: Path | None) -> Iterator[tuple[Store, Settings]]:
    """The store of a data directory; a server may be using it at the same time."""
    from coldplate.store.store import Store

    settings = read_settings({"data": data})
    file = settings.data / "coldplate.db"
    if not file.exists():
        raise NoServer(f"No server was ever started with the data directory {settings.data}.")
    with contextlib.closing(Store(settings.database_url)) as store:
        yield store, settings


@instances.callback()
def list_instances(context: typer.Context, data: Data = None, as_json: AsJson = False) -> None:
    """List the instances that your key may use."""
    if context.invoked_subcommand is None:
        found = find(data).ask("GET", "/v2/resource_instances")["resources"]
        show([{key: i[key] for key in ("name", "crn", "region_id", "account_id")} for i in found], as_json)


@instances.command("create")
def create_instance(
    name: str,
    data: Data = None,
    account: Account = "local",
    plan: Annotated[str, typer.Option(help="Name of its plan.")] = "premium",
    region: Annotated[str, typer.Option(help="us-east or eu-de: what official clients know.")] = "us-east",
    limit: Annotated[int | None, typer.Option(min=0, help="Quantum seconds it may use in 28 days.")] = None,
) -> None:
    """Make an instance, and print its CRN."""
    from coldplate.domain.instance import Instance, make_crn
    from coldplate.ids import new_id

    crn = make_crn(account, new_id(), region)
    with stored(data) as (store, _):
        store.add_instance(Instance(crn, name=name, plan=plan, region=region, account=account, limit_s=limit))
    typer.echo(crn)


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
def list_keys(data: Data = None, as_json: AsJson = False) -> None:
    """List the keys, without the keys themselves."""
    with stored(data) as (store, _):
        found = store.keys()
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "user": key.user,
            "account": key.account,
            "created": day(key.created),
            "expires": day(key.expires),
            "revoked": day(key.revoked),
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


@database.command("check")
def check_database(data: Data = None) -> None:
    """Check that the database is whole and belongs to this release; exit code 1 if not."""
    import sqlite3

    with stored(data) as (_, settings):
        file = settings.data / "coldplate.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            broken = connection.execute("PRAGMA foreign_key_check")
            wrong += [f"broken reference in {row[0]}" for row in broken]
    except sqlite3.DatabaseError as error:  # too damaged to be checked
        wrong = [str(error)]
    for line in wrong:
        typer.echo(line)
    if wrong:
        fail(f"{file} is damaged. Restore the data directory from a copy.")
    typer.echo(f"{file} is whole.")
