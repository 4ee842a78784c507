"""What an operator does to the queue: pause a backend, reserve it, take it into maintenance.

These commands work on the data directory; a running server sees what they did within a second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from coldplate.cli.stored import stored
from coldplate.cli.terminal import AsJson, Data, fail, show

if TYPE_CHECKING:
    from coldplate.store.store import Store

app = typer.Typer()
queue = typer.Typer(help="Who may run on which backend, and when.", no_args_is_help=True)
app.add_typer(queue, name="queue")
Reason = Annotated[str | None, typer.Option(help="What users are told.")]


@queue.command("pause")
def pause(backend: str, data: Data = None, reason: Reason = None) -> None:
    """Start nothing more on a backend; what runs finishes, what comes waits."""
    set_status(data, backend, "paused", reason)


@queue.command("offline")
def offline(backend: str, data: Data = None, reason: Reason = None) -> None:
    """As pause, and clients see the backend as not operational."""
    set_status(data, backend, "offline", reason)


@queue.command("resume")
def resume(backend: str, data: Data = None) -> None:
    """Let a backend be what the catalog says again."""
    set_status(data, backend, None, None)


def set_status(data: Data, backend: str, status: str | None, reason: str | None) -> None:
    """Say what a backend is."""
    with stored(data) as (store, _):
        check_backend(store, backend)
        store.set_status(backend, status, reason)
        now = store.backend(backend)
    typer.echo(f"{backend} is {now.status if now else 'gone'}.")


def check_backend(store: Store, name: str) -> None:
    """Fail when there is no such backend."""
    if store.backend(name) is None:
        fail(f"There is no backend {name}; `coldplate backends` lists them.")


@queue.command("reserve")
def reserve(
    backend: str,
    claim: Annotated[
        str,
        typer.Argument(
            help="priority: jobs submitted inside come first; dedicated: no others start; maintenance: none."
        ),
    ],
    minutes: Annotated[int, typer.Option(min=1, help="How long.")],
    data: Data = None,
    instance: Annotated[str | None, typer.Option(help="CRN; none for maintenance.")] = None,
    start: Annotated[
        datetime | None,
        typer.Option(help="When it begins, UTC; now if left out.", formats=["%Y-%m-%dT%H:%M"]),
    ] = None,
    reason: Reason = None,
) -> None:
    """Reserve a backend, and print the reservation's id. Jobs that would run into it are held back."""
    from coldplate.domain.instance import InstanceId
    from coldplate.domain.reservation import Claim, Reservation
    from coldplate.ids import new_id

    if claim not in list(Claim):
        fail(f"There is no claim {claim}; there are {', '.join(Claim)}.")
    if (claim == Claim.MAINTENANCE) != (instance is None):
        fail("A reservation is for an --instance; maintenance is for none.")
    begin = datetime.now(UTC) if start is None else start.replace(tzinfo=UTC)
    crn = None if instance is None else InstanceId(instance)
    end = begin + timedelta(minutes=minutes)
    with stored(data) as (store, _):
        check_backend(store, backend)
        if crn is not None and store.instance(crn) is None:
            fail(f"There is no instance {crn}; `coldplate instances` lists them.")
        new = Reservation(new_id(), backend, Claim(claim), begin, end, crn, reason)
        store.add_reservation(new)
    typer.echo(new.id)


@queue.command("reservations")
def reservations(data: Data = None, as_json: AsJson = False) -> None:
    """List the reservations that are open now or later."""
    with stored(data) as (store, _):
        found = store.reservations(datetime.now(UTC))
    rows = [
        {
            "id": each.id,
            "backend": each.backend,
            "claim": str(each.claim),
            "start": each.start.isoformat(timespec="minutes"),
            "end": each.end.isoformat(timespec="minutes"),
            "instance": each.instance,
            "reason": each.reason,
        }
        for each in found
    ]
    show(rows, as_json)


@queue.command("release")
def release(reservation: str, data: Data = None) -> None:
    """End or forget a reservation."""
    with stored(data) as (store, _):
        if not store.remove_reservation(reservation):
            fail(f"There is no reservation {reservation}; `coldplate queue reservations` lists them.")
    typer.echo(f"Reservation {reservation} is released.")
