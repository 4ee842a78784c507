"""Domain values as the JSON that clients before 2025 read; errors in their shape, with their codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.responses import PlainTextResponse, Response

from coldplate.api import render
from coldplate.api.render import JsonObject
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobState
from coldplate.domain.provider import Provider
from coldplate.errors import ColdplateError, RanTooLong, SessionClosed, TooWide, UnknownJob

# Codes that meant something else then, or nothing.
CODES = {SessionClosed.code: 4001, TooWide.code: 1109, UnknownJob.code: 3250}
RAN_TOO_LONG = "Ran too long"
OLDEST = "2021-01-01T00:00:00+00:00"
MAX_EXPERIMENTS, MAX_SHOTS = 300, 100_000


def refusal(error: ColdplateError, *, status: int | None = None) -> Response:
    """The answer that tells an error; both keys are there, for the clients of each time."""
    trace = str(uuid4())
    code = CODES.get(error.code, error.code)
    told = f"{error.message} {error.solution}"
    body = render.error_object(error, trace) | {"error": {"message": told, "code": code}}
    answer = render.reply(body, status=status or error.http)
    answer.headers["uber-trace-id"] = trace  # without it a client shows the raw body, too
    return answer


def text(content: str | bytes) -> Response:
    """Text in UTF-8; without the word these clients take it for Latin-1."""
    return PlainTextResponse(content, media_type="text/plain; charset=utf-8")


# --- who ------------------------------------------------------------------------------------------


def user_object(api: str, runtime: str) -> JsonObject:
    """Who has logged in, and where everything is."""
    services = {"runtime": runtime}
    return {"urls": {"http": api, "ws": api.replace("http", "ws", 1), "services": services}}


def network(instances: dict[str, Instance]) -> list[JsonObject]:
    """The instances as hubs of groups of projects; the first is the default."""
    hubs: dict[str, Any] = {}
    for number, name in enumerate(instances):
        found = Provider(*name.split("/"))
        groups = hubs.setdefault(found.hub, {"name": found.hub, "groups": {}})["groups"]
        projects = groups.setdefault(found.group, {"name": found.group, "projects": {}})["projects"]
        projects[found.project] = {"name": found.project, "isDefault": number == 0}
    return list(hubs.values())


# --- jobs -----------------------------------------------------------------------------------------


def job_object(job: Job, provider: str | None) -> JsonObject:
    """A job without its params."""
    state = job_state(job)
    value = {
        "id": job.id,
        "backend": job.backend,
        "state": state,
        "status": state["status"],
        "program": {"id": job.program},
        "created": render.utc(job.created),
        "cost": job.cost_s,
        "runtime": job.runtime or "",
        "tags": job.tags,
        "session_id": job.session,
        "user_id": job.user,
        "usage": render.charge(job),
        "estimated_running_time_seconds": job.estimated_s,
    }
    if job.private:
        value["private"] = True
    if provider is not None:
        value |= dict(zip(("hub", "group", "project"), provider.split("/"), strict=True))
    return value


def job_state(job: Job) -> JsonObject:
    """How a job stands. One that ran too long has no code: with one it would look cancelled."""
    if job.state is JobState.CANCELLED and job.reason_code == RanTooLong.code:
        return {"status": job.state, "reason": RAN_TOO_LONG}
    if job.state is not JobState.FAILED:
        return {"status": job.state}
    code = None if job.reason_code is None else CODES.get(job.reason_code, job.reason_code)
    reason = " ".join(part for part in (job.reason, job.reason_solution) if part)
    return {"status": job.state, "reason": reason or "The job failed.", "reason_code": code}


def older_result(body: bytes) -> bytes:
    """A result of a V2 sampler for clients that know a more general type only."""
    return body.replace(b'{"__type__":"SamplerPubResult"', b'{"__type__":"PubResult"')


# --- backends -------------------------------------------------------------------------------------


def configuration(record: BackendRecord) -> JsonObject:
    """What a backend is. Every field is one that these clients can't do without."""
    qubits = [[qubit] for qubit in range(record.num_qubits)]
    extra = [
        {"name": name, "parameters": parameters, "qasm_def": f"gate {name} q {{ }}", "coupling_map": qubits}
        for name, parameters in (("delay", ["t"]), ("reset", []))
    ]
    gates = [gate for gate in record.configuration["gates"] if gate["name"] not in ("delay", "reset")]
    value = {"online_date": OLDEST, "coupling_map": None} | dict(record.configuration)
    return value | {
        "gates": [*gates, *extra],
        "max_experiments": MAX_EXPERIMENTS,
        "max_shots": min(record.configuration["max_shots"], MAX_SHOTS),
    }


def properties(found: Mapping[str, Any] | None) -> JsonObject:
    """What was calibrated, with a delay on every qubit: a client of 2023 can't build a target without it."""
    if found is None:
        return {}
    delays = [
        {"gate": "delay", "name": f"delay{qubit}", "qubits": [qubit], "parameters": []}
        for qubit in range(len(found["qubits"]))
    ]
    gates = [gate for gate in found["gates"] if gate["gate"] != "delay"]
    return {"general": []} | dict(found) | {"gates": [*gates, *delays]}
