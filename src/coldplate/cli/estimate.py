"""What a job would take, without running it: a server prepares it for the mock twin of its backend."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from coldplate.cli.terminal import AsJson, Data, fail, show
from coldplate.connection import Connection, find

app = typer.Typer()
PAUSE_S = 0.2


@app.command()
def estimate(
    job: Annotated[
        str, typer.Argument(help="The id of a job, or a JSON file with program_id, backend, params.")
    ],
    data: Data = None,
    backend: Annotated[str | None, typer.Option(help="Another backend than the job's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the circuits, shots and quantum seconds that a job would take, and what each option costs.

    The job is prepared in full, twirls and foldings included, but nothing is run or charged.
    """
    connection = find(data)
    body = read(connection, job)
    if backend is not None:
        body["backend"] = backend
    id = connection.ask("POST", "/api/v1/jobs", query={"dry_run": "true"}, body=body)["id"]
    report = applied(finished(connection, id))
    metrics = connection.ask("GET", f"/api/v1/jobs/{id}/metrics")
    report |= metrics["coldplate"]
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    items = report["items"]
    if items:
        show([{name: one.get(name, "") for name in columns(items)} for one in items], as_json=False)
    for option, factor in report["factors"].items():
        typer.echo(f"{option}: x {factor:.4g}")
    seconds = report["estimated_usage_s"]
    told = "none: a simulator charges the time it takes" if seconds is None else f"{seconds:.1f}"
    typer.echo(f"circuits: {report['circuits']}")
    typer.echo(f"executions: {report['total_executions']}")
    typer.echo(f"quantum seconds: {told}")


PLACES, NUMBERS = ("pub", "layer", "depth", "noise_factor"), ("circuits", "shots_per_circuit", "executions")


def columns(items: list[dict[str, Any]]) -> list[str]:
    """What is shown of items: places that none has are left out."""
    return ["what", *(name for name in PLACES if any(name in one for one in items)), *NUMBERS]


def read(connection: Connection, job: str) -> dict[str, Any]:
    """What is to be estimated, from a file or from a job that the server has."""
    path = Path(job)
    if path.exists():
        try:
            body = json.loads(path.read_bytes())
            return {name: body[name] for name in ("program_id", "backend", "params")}
        except (ValueError, KeyError, TypeError):
            fail(f"{path} is not a JSON object with program_id, backend and params.")
    found = connection.ask("GET", f"/api/v1/jobs/{job}", query={"exclude_params": "false"})
    if not found.get("params"):
        fail(f"The inputs of job {job} were taken away.")
    return {"program_id": found["program"]["id"], "backend": found["backend"], "params": found["params"]}


def finished(connection: Connection, id: str) -> Any:
    """The result of a dry run."""
    while (state := connection.ask("GET", f"/api/v1/jobs/{id}")["state"])["status"] in ("Queued", "Running"):
        time.sleep(PAUSE_S)
    if state["status"] != "Completed":
        fail(f"The job can't be run: {state.get('reason', state['status'])}")
    result = connection.ask("GET", f"/api/v1/jobs/{id}/results")
    return json.loads(result) if isinstance(result, str) else result


def applied(result: Any) -> dict[str, Any]:
    """The report in a result, with tags or without; programs of 2023 and calibrations have none."""
    inner = result.get("__value__", result) if isinstance(result, dict) else None
    holders = [inner.get("metadata"), inner] if isinstance(inner, dict) else []
    for holder in holders:
        about = holder.get("coldplate") if isinstance(holder, dict) else None
        report = about.get("applied") if isinstance(about, dict) else None
        if isinstance(report, dict):
            return dict(report)
    return {"items": [], "factors": {}}
