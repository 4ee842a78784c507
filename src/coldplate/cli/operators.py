"""What an operator does: instances, the database. These commands work on the data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coldplate.cli.stored import Account, stored
from coldplate.cli.terminal import AsJson, Data, fail, read_settings, show
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
Cap = Annotated[
    int | None,
    typer.Option(min=0, help="Quantum seconds that managers of the account may set as its limit, at most."),
]
Backends = Annotated[
    list[str] | None, typer.Option("--backend", help="A backend it may use; several; all if left out.")
]
CLEARABLE = {"limit": "limit_s", "allocation": "allocation_s", "cap": "cap_s", "backends": "backends"}


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
    cap: Cap = None,
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
            cap_s=cap,
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
    cap: Cap = None,
    backend: Backends = None,
    clear: Annotated[
        list[str] | None, typer.Option(help="limit, allocation, cap or backends: take it away again.")
    ] = None,
) -> None:
    """Change an instance; what is not named stays. It counts from the next request and plan on."""
    from dataclasses import replace

    from coldplate.domain.instance import InstanceId

    changes: dict[str, Any] = {"name": name, "plan": plan, "limit_s": limit, "allocation_s": allocation}
    changes["cap_s"] = cap
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
            "cap": i.cap_s,
            "allocation": i.allocation_s,
            "backends": None if i.backends is None else ", ".join(i.backends),
        }
        for i in found
    ]
    show(rows, as_json)


@database.command("check")
def check_database(data: Data = None) -> None:
    """Check that the database and the files of all jobs are whole; exit code 1 if not. Changes nothing."""
    from coldplate.audit import audit
    from coldplate.blobs import LocalBlobs

    with stored(data) as (store, settings):
        found = audit(store, LocalBlobs(settings.data / "blobs"))
    for problem in found.problems:
        typer.echo(problem)
    if found.problems:
        fail(f"{settings.data} is damaged ({len(found.problems)} problems). Restore it from a backup.")
    orphans = f" {len(found.orphans)} files belong to no job and will be swept up." if found.orphans else ""
    typer.echo(f"{settings.data} is whole: {found.jobs} jobs, {found.files} files.{orphans}")


@database.command("backup")
def back_up_database(target: Path, data: Data = None) -> None:
    """Copy all into a private directory, also while the server runs; again: only what is new."""
    from coldplate.backup import back_up

    with stored(data) as (_, settings):
        found = back_up(settings.data, target)
    typer.echo(f"{target} holds {found.jobs} jobs and {found.files} files, and is whole.")


@database.command("restore")
def restore_database(source: Path, data: Data = None) -> None:
    """Put a backup into a data directory that has no database yet."""
    from coldplate.backup import restore

    settings = read_settings({"data": data})
    found = restore(source, settings.data)
    typer.echo(f"{settings.data} holds {found.jobs} jobs and {found.files} files, and is whole.")
