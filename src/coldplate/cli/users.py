"""What a user has: backends, jobs, sessions, usage.

These commands ask a running server over HTTP, so they reach a remote one as well: with --data, the
server of that directory; else the one that the exported variables name; else this user's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coldplate.cli.terminal import AsJson, Data, Row, fail, show
from coldplate.connection import Connection, find

app = typer.Typer()
jobs = typer.Typer(help="Jobs of your instance.", no_args_is_help=True)
sessions = typer.Typer(help="Sessions and batches of your instance.", no_args_is_help=True)
app.add_typer(jobs, name="jobs")
app.add_typer(sessions, name="sessions")


def ask(connection: Connection, method: str, path: str, **more: Any) -> Any:
    """One request to the runtime's API."""
    return connection.ask(method, f"/api/v1{path}", **more)


@app.command()
def backends(data: Data = None, as_json: AsJson = False) -> None:
    """List the backends."""
    devices = ask(find(data), "GET", "/backends", query={"include_mocks": "true"})["devices"]
    rows = [
        {
            "name": device["name"],
            "qubits": device["qubits"],
            "status": device["status"]["name"],
            "queue": device["queue_length"],
            "kind": "mock" if "class" in device else "simulator" if device["is_simulator"] else "device",
        }
        for device in devices
    ]
    show(rows, as_json)


@jobs.command("list")
def list_jobs(
    data: Data = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    pending: Annotated[
        bool | None, typer.Option(help="Only those that have not ended; or only those that have.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Only those of one backend.")] = None,
    session: Annotated[str | None, typer.Option(help="Only those of one session.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only those with this tag; several: with all of them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    wanted = None if pending is None else str(pending).lower()
    query = {
        "limit": limit,
        "pending": wanted,
        "backend": backend,
        "session_id": session,
        "tags": tag or None,
    }
    connection = find(data)
    found = ask(connection, "GET", "/jobs", query=query | {"exclude_params": "true"})["jobs"]
    queued = [job["id"] for job in found if job["status"] == "Queued"]
    future = {id: ask(connection, "GET", f"/jobs/{id}/why") for id in queued}
    rows = [
        {
            "id": job["id"],
            "created": job["created"][:19],
            "state": job["status"],
            "program": job["program"]["id"],
            "backend": job["backend"],
            "usage": job["usage"]["qpu_charge_time_seconds"],
            "position": future.get(job["id"], {}).get("position_in_queue"),
            "starts": future.get(job["id"], {}).get("estimated_start_time", "")[11:16],
            "tags": ", ".join(job["tags"]),
        }
        for job in found
    ]
    show(rows, as_json)


@jobs.command("show")
def show_job(job: str, data: Data = None) -> None:
    """Print a job and its metrics as JSON."""
    connection = find(data)
    found = ask(connection, "GET", f"/jobs/{job}", query={"exclude_params": "true"})
    found["metrics"] = ask(connection, "GET", f"/jobs/{job}/metrics")
    typer.echo(json.dumps(found, indent=2))


@jobs.command("why")
def why_job(job: str, data: Data = None, as_json: AsJson = False) -> None:
    """Say why a job does not run yet."""
    found = ask(find(data), "GET", f"/jobs/{job}/why")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    start = found.get("estimated_start_time")
    typer.echo(found["reason"] + (f" It may start at {start[11:16]} UTC." if start else ""))


@jobs.command("cancel")
def cancel_job(job: str, data: Data = None) -> None:
    """Cancel a job, also while it runs."""
    ask(find(data), "POST", f"/jobs/{job}/cancel")
    typer.echo(f"Job {job} is cancelled.")


@jobs.command("logs")
def job_log(job: str, data: Data = None) -> None:
    """Print a job's log."""
    typer.echo(ask(find(data), "GET", f"/jobs/{job}/logs") or "", nl=False)


@jobs.command("artifacts")
def job_artifacts(
    job: str,
    file: Annotated[Path, typer.Argument(help="Where to write the ZIP file.")],
    data: Data = None,
) -> None:
    """Fetch what a job kept beside its result: circuits as run, twirls, raw values, noise models."""
    body = ask(find(data), "GET", f"/jobs/{job}/artifacts")
    if body is None:
        fail(f"Job {job} kept nothing beside its result; submit it with experimental.artifacts = true.")
    file.write_bytes(body)
    typer.echo(f"{file}: {len(body)} bytes.")


@sessions.command("show")
def show_session(session: str, data: Data = None) -> None:
    """Print a session as JSON."""
    typer.echo(json.dumps(ask(find(data), "GET", f"/sessions/{session}"), indent=2))


@sessions.command("list")
def list_sessions(
    data: Data = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many of each mode.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List sessions and batches, newest first."""
    connection = find(data)
    found: list[Row] = []
    for mode in ("session", "batch"):
        query = {"mode": mode, "limit": limit, "sort": "-createdAt"}
        found += ask(connection, "GET", "/workloads", query=query)["workloads"]
    found.sort(key=lambda workload: workload["created"], reverse=True)
    names = {"id": "id", "created": "created", "mode": "mode", "status": "status", "backend": "backend"}
    show([{title: workload[name] for title, name in names.items()} for workload in found], as_json)


@sessions.command("close")
def close_session(session: str, data: Data = None) -> None:
    """Accept no more jobs; those that wait still run."""
    ask(find(data), "PATCH", f"/sessions/{session}", body={"accepting_jobs": False})
    typer.echo(f"Session {session} accepts no more jobs.")


@sessions.command("cancel")
def cancel_session(session: str, data: Data = None) -> None:
    """Close at once; jobs that wait are cancelled."""
    ask(find(data), "DELETE", f"/sessions/{session}/close")
    typer.echo(f"Session {session} is closed.")


@app.command()
def usage(data: Data = None) -> None:
    """Print the quantum seconds that your instance has used, and its limits, as JSON."""
    typer.echo(json.dumps(ask(find(data), "GET", "/instances/usage"), indent=2))
