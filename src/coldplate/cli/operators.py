"""What an operator does: instances, the database. These commands work on the data directory."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import typer

from coldplate.cli.stored import Account, stored
from coldplate.cli.terminal import AsJson, Data, fail, show
from coldplate.connection import find

app = typer.Typer()
instances = typer.Typer(help="Instances that your key may use.", invoke_without_command=True)
database = typer.Typer(help="The database of this server.", no_args_is_help=True)
app.add_typer(instances, name="instances")
app.add_typer(database, name="db")

Limit = Annotated[int | None, typer.Option(min=0, help="Quantum seconds it may use in 28 days.")]
Allocation = Annotated[
    int | None,
    typer.Option(min=0, help="Quantum seconds of 28 days that are its share."),
]
Backends = Annotated[
    list[str] | None, typer.Option("--backend", help="A backend it may use; several; all if left out.")
]
CLEARABLE = {"limit": "limit_s", "allocation": "allocation_s", "backends": "backends"}


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
    limit: Limit = None,
    allocation: Allocation = None,
    backend: Backends = None,
) -> None:
    """Make an instance, and print its CRN."""
    from coldplate.domain.instance import Instance, make_crn
    from coldplate.ids import new_id

    crn = make_crn(account, new_id(), region)
    with stored(data) as (store, _):
        instance = Instance(
            crn,
            name=name,
            plan=plan,
            region=region,
            account=account,
            limit_s=limit,
            allocation_s=allocation,
            backends=tuple(backend) if backend else None,
        )
        store.add_instance(instance)
    typer.echo(crn)


@instances.command("update")
def update_instance(
    crn: str,
    data: Data = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    plan: Annotated[str | None, typer.Option(help="Another plan.")] = None,
    limit: Limit = None,
    allocation: Allocation = None,
    backend: Backends = None,
    clear: Annotated[
        list[str] | None, typer.Option(help="limit, allocation or backends: take it away again.")
    ] = None,
) -> None:
    """Change an instance; what is not named stays. It counts from the next request and plan on."""
    from dataclasses import replace

    from coldplate.domain.instance import InstanceId

    changes: dict[str, Any] = {"name": name, "plan": plan, "limit_s": limit, "allocation_s": allocation}
    changes["backends"] = tuple(backend) if backend else None
    changes = {key: value for key, value in changes.items() if value is not None}
    for each in clear or ():
        if each not in CLEARABLE:
            fail(f"{each!r} can't be cleared; {', '.join(CLEARABLE)} can.")
        changes[CLEARABLE[each]] = None
    with stored(data) as (store, _):
        instance = store.instance(InstanceId(crn))
        if instance is None:
            fail(f"There is no instance {crn!r}.")
        store.replace_instance(replace(instance, **changes))
    typer.echo(crn)


@instances.command("list-all")
def list_all_instances(data: Data = None, as_json: AsJson = False) -> None:
    """List all instances of this server, with what they may use."""
    with stored(data) as (store, _):
        found = store.instances()
    rows = [
        {
            "account": i.account,
            "name": i.name,
            "crn": i.id,
            "plan": i.plan,
            "limit": i.limit_s,
            "allocation": i.allocation_s,
            "backends": None if i.backends is None else ", ".join(i.backends),
        }
        for i in found
    ]
    show(rows, as_json)


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
