"""Domain values as the JSON that current clients read; errors as the official error body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from starlette.responses import Response

from coldplate.domain.backend import BackendRecord, written
from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobState
from coldplate.domain.query import Workload
from coldplate.domain.session import INTERACTIVE_TTL_S, Session, SessionState
from coldplate.domain.usage import UsageReport
from coldplate.errors import ColdplateError, RanTooLong
from coldplate.outlook import Prospect

JsonObject = dict[str, Any]
PLAN_PREFIX = "coldplate-plan-"


def utc(moment: datetime | None) -> str | None:
    """A moment as clients read it: always UTC with a `Z`, because they ignore any other offset.

    >>> utc(datetime(2026, 11, 24, 9, 30, tzinfo=UTC))
    '2026-11-24T09:30:00.000000Z'
    """
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def reply(value: object, *, status: int = 200) -> Response:
    """A JSON answer; never compressed, because clients ask for identity."""
    return Response(written(value), status_code=status, media_type="application/json")


def nothing() -> Response:
    """204: done, and there is nothing to say."""
    return Response(status_code=204)


# --- errors -----------------------------------------------------------------------------------


def error_object(error: ColdplateError, trace: str) -> JsonObject:
    """The official shape; clients show its text to their users as it is."""
    entry = {
        "code": error.code,
        "message": error.message,
        "solution": error.solution,
        "more_info": f"docs/errors.md#{error.code}",
    }
    return {"errors": [entry], "trace": trace}


def error_body(error: ColdplateError) -> bytes:
    """The official error body, with a trace id of its own."""
    return msgspec.json.encode(error_object(error, str(uuid4())))


def refusal(error: ColdplateError, *, status: int | None = None, trace: str | None = None) -> Response:
    """The answer that tells an error. 503 says when to try again: clients then do so by themselves."""
    response = reply(error_object(error, trace or str(uuid4())), status=status or error.http)
    if response.status_code == 503:
        response.headers["Retry-After"] = "1"
    return response


# --- jobs -------------------------------------------------------------------------------------


def job_object(job: Job) -> JsonObject:
    """A job without its params. `state.status` is one of five words: any other would be polled for ever."""
    state: JsonObject = {"status": job.state}
    if job.reason:  # clients read the code only when there is a reason
        state |= {
            "reason": job.reason,
            "reason_code": job.reason_code,
            "reason_solution": job.reason_solution,
        }
    ran_too_long = job.state is JobState.CANCELLED and job.reason_code == RanTooLong.code
    value = {
        "id": job.id,
        "backend": job.backend,
        "state": {key: part for key, part in state.items() if part is not None},
        "status": "Cancelled - Ran too long" if ran_too_long else job.state,
        "program": {"id": job.program},
        "created": utc(job.created),
        "cost": job.cost_s,
        "tags": job.tags,
        "session_id": job.session,
        "user_id": job.user,
        "usage": charge(job),
        "runtime": job.runtime,
        "calibration_id": job.calibration,
        "estimated_running_time_seconds": job.estimated_s,
    }
    optional = ("runtime", "calibration_id", "estimated_running_time_seconds")
    value = {key: part for key, part in value.items() if part is not None or key not in optional}
    return value | {"private": True} if job.private else value


def job_bytes(job: Job, params: bytes | None) -> bytes:
    """The job object with its params verbatim, as they were sent: they are not parsed again."""
    body = msgspec.json.encode(job_object(job))
    return body if params is None else b"".join((body[:-1], b',"params":', params, b"}"))


def charge(job: Job) -> JsonObject:
    """Quantum seconds; older clients read the last two names."""
    seconds = job.usage_s or 0.0
    status = "complete" if job.state.final else "pending"
    return {
        "qpu_charge_time_seconds": seconds,
        "status": status,
        "quantum_seconds": seconds,
        "seconds": seconds,
    }


def metrics_object(job: Job, prospect: Prospect | None = None) -> JsonObject:
    """When it was created, started and ended, what it used, and what the job itself measured."""
    times = {"created": utc(job.created), "running": utc(job.started), "finished": utc(job.ended)}
    seconds = job.usage_s or 0.0
    fixed = {"timestamps": times, "usage": charge(job), "bss": {"seconds": seconds}, "caller": job.caller}
    if prospect is not None:
        fixed |= prospect_object(prospect)
    return {**(job.metrics or {}), **fixed}


def prospect_object(prospect: Prospect) -> JsonObject:
    """Why a job waits, and when it may start; the names of the numbers are those of older clients."""
    value = {
        "reason": prospect.why,
        "position_in_queue": prospect.position,
        "estimated_start_time": utc(prospect.start),
        "estimated_completion_time": utc(prospect.end),
    }
    return {key: part for key, part in value.items() if part is not None}


# --- sessions ---------------------------------------------------------------------------------


def session_object(session: Session) -> JsonObject:
    """A session or batch; its usage is known whenever it isn't active."""
    active = session.state is SessionState.ACTIVE
    return {
        "id": session.id,
        "mode": session.mode,
        "backend_name": session.backend,
        "state": session.state,
        "state_reason": session.state_reason,
        "accepting_jobs": session.accepting_jobs,
        "interactive_ttl": session.interactive_ttl_s,
        "max_ttl": session.max_ttl_s,
        "active_ttl": session.active_ttl_s,
        "created_at": utc(session.created),
        "started_at": utc(session.started),
        "activated_at": utc(session.activated),
        "closed_at": utc(session.closed),
        "last_job_started": utc(session.last_job_started),
        "last_job_completed": utc(session.last_job_completed),
        "elapsed_time": None if active else session.usage_s,
        "user_id": session.user,
        "timestamps": [{"status": state, "timestamp": utc(since)} for state, since in session.history],
    }


# --- backends ---------------------------------------------------------------------------------


def backend_entry(
    record: BackendRecord, queue_length: int, waits: Mapping[str, Mapping[str, float]] | None = None
) -> JsonObject:
    """One entry of the list of backends."""
    status = {"name": record.status} | ({"reason": record.status_reason} if record.status_reason else {})
    entry = record.listing | {
        "name": record.name,
        "status": status,
        "is_simulator": record.simulator,
        "qubits": record.num_qubits,
        "physical_qubits": record.num_qubits,
        "queue_length": queue_length,
    }
    if waits is not None and record.name in waits:
        entry |= {"wait_time_seconds": waits[record.name]}
    return entry | {"class": "mock"} if record.mock_of else entry


def status_object(record: BackendRecord, queue_length: int) -> JsonObject:
    """A backend's status: `active` is the normal word; a paused backend still takes jobs."""
    return {
        "state": record.status != "offline",
        "status": "active" if record.runs else record.status,
        "message": record.status_reason or "",
        "length_queue": queue_length,
        "backend_version": record.configuration["backend_version"],
    }


# --- instances --------------------------------------------------------------------------------


def instance_object(instance: Instance) -> JsonObject:
    """What an instance may use; `backends` is null when it may use all."""
    value = {"id": instance.id, "name": instance.name, "plan_id": instance.plan_id, "tags": instance.tags}
    return value | {"backends": instance.backends, "qctrl_enabled": False} | _limits(instance)


def configuration_object(instance: Instance) -> JsonObject:
    """What managers set, and within what; the latter is ours."""
    value: JsonObject = {"instance_limit": instance.limit_s}
    return value if instance.most_limit_s is None else value | {"most_instance_limit": instance.most_limit_s}


def _limits(instance: Instance) -> JsonObject:
    """Limits that exist: clients compute with them, so null would be an error."""
    limits = {"usage_limit_seconds": instance.most_s, "usage_allocation_seconds": instance.allocation_s}
    return {key: seconds for key, seconds in limits.items() if seconds is not None}


def usage_object(instance: Instance, report: UsageReport) -> JsonObject:
    """What an instance has used; asked for before every submission."""
    period = {"start_time": utc(report.start), "end_time": utc(report.end)}
    value = {"instance_id": instance.id, "plan_id": instance.plan_id, "usage_period": period}
    used = {"usage_consumed_seconds": report.consumed_s, "usage_limit_reached": report.limit_reached}
    return value | used | _limits(instance)


def workload_object(workload: Workload) -> JsonObject:
    """A job outside sessions, a session or a batch, as the list of workloads has it."""
    return {
        "id": workload.id,
        "mode": workload.mode,
        "created": utc(workload.created),
        "ended": utc(workload.ended),
        "backend": workload.backend,
        "instance": workload.instance,
        "user_id": workload.user,
        "accepting_jobs": workload.accepting_jobs,
        "status": workload.status,
        "status_reason": workload.status_reason,
        "tags": workload.tags,
        "usage_seconds": workload.usage_s,
    }


def account_object(instances: Iterable[Instance]) -> JsonObject:
    """The plans of an account: what they allow, and what their instances have of it."""
    plans: dict[str, list[Instance]] = {}
    for instance in instances:
        plans.setdefault(instance.plan_id, []).append(instance)
    return {"plans": [plan_object(id, those) for id, those in plans.items()]}


def plan_object(id: str, instances: Sequence[Instance]) -> JsonObject:
    """One plan of an account. Nothing of it is unallocated: an account has what its instances have."""
    rules, limits = instances[0].rules, [i.most_s for i in instances]
    everything = any(i.backends is None for i in instances)
    value: JsonObject = {
        "plan_id": id,
        "instances": [i.id for i in instances],
        "backends": None if everything else sorted({b for i in instances for b in i.backends or ()}),
        "max_ttl": rules.max_ttl_s,
        "active_ttl": rules.max_ttl_s,
        "interactive_ttl": INTERACTIVE_TTL_S,
        "usage_allocation_seconds": sum(i.allocation_s or 0 for i in instances),
        "unallocated_usage_seconds": 0,
    }
    if None not in limits:
        value["usage_limit_seconds"] = sum(limit for limit in limits if limit is not None)
    return value


def search_item(instance: Instance) -> JsonObject:
    """An instance as global search lists it; without `doc.extensions` a client ignores it."""
    return {
        "crn": instance.id,
        "name": instance.name,
        "service_plan_unique_id": instance.plan_id,
        "tags": list(instance.tags),
        "doc": {"extensions": {"plan": instance.plan}},
    }


def catalog_entry(instance: Instance) -> JsonObject:
    """A plan as the global catalog describes it."""
    names = {"en": {"display_name": instance.plan.capitalize()}}
    pricing = {"pricing": {"type": instance.pricing}}
    return {"id": instance.plan_id, "name": instance.plan, "overview_ui": names, "metadata": pricing}


def resource_object(instance: Instance) -> JsonObject:
    """An instance as the resource controller describes it."""
    return {
        "id": instance.id,
        "guid": instance.id.split(":")[7],
        "crn": instance.id,
        "name": instance.name,
        "resource_plan_id": instance.plan_id,
        "region_id": instance.region,
        "account_id": instance.account,
        "state": "active",
        "type": "service_instance",
    }
