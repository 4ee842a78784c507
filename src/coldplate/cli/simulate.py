"""`coldplate simulate`: what the queue would do with a trace, in virtual time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldplate.cli.stored import stored
from coldplate.cli.terminal import AsJson, Data, fail

if TYPE_CHECKING:
    from coldplate.scheduler.trace import Entry

app = typer.Typer()


@app.command()
def simulate(
    trace: Annotated[
        Path | None, typer.Argument(help="Trace: JSON lines, see docs/simulating.md; made up if left out.")
    ] = None,
    data: Data = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the trace here instead: what a server's jobs did, or a made-up one."),
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Made up: users; ten share an instance.")] = 1000,
    devices: Annotated[int, typer.Option(min=1, help="Made up: devices.")] = 10,
    hours: Annotated[float, typer.Option(min=0.01, help="Made up: hours of submissions.")] = 1.0,
    load: Annotated[
        float, typer.Option(min=0.01, help="Made up: device time asked for over what there is.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="Made up: another seed, another trace.")] = 0,
    lanes: Annotated[
        int | None, typer.Option(min=1, help="Lanes of every backend, instead of its own.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option(min=1, help="Job processes; without it as many as lanes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a trace of submissions through the queue's own rules, and print utilisation, waits and fairness.

    With --data, the trace is what the jobs of that server have done.
    """
    from coldplate.scheduler import trace as traces

    if trace is not None and data is not None:
        fail("Either a trace or --data.")
    if trace is not None:
        entries = traces.read(trace)
    elif data is not None:
        entries = of_server(data)
    else:
        entries = list(traces.made_up(users=users, devices=devices, hours=hours, load=load, seed=seed))
    if export is None:
        figures = simulated(entries, lanes=lanes, slots=slots)
        typer.echo(json.dumps(figures, indent=None if as_json else 2))
    else:
        traces.write(export, entries)
        typer.echo(f"{export} has {len(entries)} lines.")


def of_server(data: Path) -> list[Entry]:
    """What the jobs of a server have done."""
    from coldplate.scheduler.trace import history

    with stored(data) as (store, _):
        jobs = store.audited()[0]
        sessions = {id: store.session(id) for id in {job.session for job in jobs if job.session}}
        modes = {id: session.mode for id, session in sessions.items() if session is not None}
        return list(history(jobs, backends=store.backends(), instances=store.instances(), modes=modes))


def simulated(entries: list[Entry], *, lanes: int | None, slots: int | None) -> dict[str, Any]:
    """The figures of a trace, and how long it took to find them."""
    from coldplate.scheduler.report import report
    from coldplate.scheduler.trace import BEGIN, prepared

    simulation, began = prepared(entries, lanes=lanes, slots=slots), time.monotonic()
    simulation.run()
    return report(simulation, begin=BEGIN) | {"took_s": round(time.monotonic() - began, 2)}
