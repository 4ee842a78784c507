"""What a user of 2023 does with jobs and sessions: follow, list, retrieve, cancel, tag, delete."""

import time
from datetime import datetime, timedelta

from account import service
from primitives import IDEAL, ghz
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Options, Sampler, Session

SLOW = "emu_slow"  # takes the time that a device would


def submit(backend=IDEAL, circuit=None, run=None, **options):
    """A job that was submitted."""
    options = dict({"resilience_level": 0}, **options)
    sampler = Sampler(backend=service().backend(backend), options=Options(**options))
    return sampler.run(circuit or ghz(2), **(run or {}))


def life():
    """All that can be asked of a job that has ended."""
    job = submit(environment={"job_tags": ["one", "two"], "log_level": "INFO"}, max_execution_time=300)
    job.wait_for_final_state()
    again = service().job(job.job_id())
    metrics = job.metrics()
    return {
        "status": job.status().name,
        "program": again.program_id,
        "backend": again.backend().name,
        "tags": again.tags,
        "same": again.result().quasi_dists == job.result().quasi_dists,
        "inputs": sorted(again.inputs),
        "shots": again.inputs["run_options"]["shots"],
        "circuit": again.inputs["circuits"][0] == ghz(2),
        "created": isinstance(again.creation_date, datetime),
        "times": sorted(metrics["timestamps"]),
        "seconds": metrics["usage"]["seconds"] >= 0,
        "logs": isinstance(job.logs(), str),
        "interim": job.interim_results(),
        "error": job.error_message(),
        "session": job.session_id,
        "estimate": sorted(job.usage_estimation),
        "image": job.image,
    }


def failed():
    """A job that fails: how it tells."""
    job = submit(backend="emu_nairobi", transpilation={"skip_transpilation": True})
    job.wait_for_final_state()
    return {"status": job.status().name, "message": job.error_message()}


def listed():
    """Jobs by tags, order, dates, program and state."""
    tag = f"tag{time.time_ns()}"
    before = datetime.now() - timedelta(seconds=5)
    ids = [submit(environment={"job_tags": [tag]}) for _ in range(3)]
    for job in ids:
        job.wait_for_final_state()
    ids = [job.job_id() for job in ids]

    def found(**filters):
        return [ids.index(job.job_id()) for job in service().jobs(job_tags=[tag], **filters)]

    return {
        "newest": found(),
        "oldest": found(descending=False),
        "limit": found(limit=2),
        "skip": found(skip=2),
        "pending": found(pending=True),
        "ended": len(found(pending=False)),
        "backend": len(found(backend_name=IDEAL)),
        "other": len(found(backend_name="emu_nairobi")),
        "program": len(found(program_id="sampler")),
        "after": len(found(created_after=before)),
        "before": len(found(created_before=before)),
        "instance": len(found(instance="local/premium/default")),
        "all": len(found(limit=None)),
    }


def retagged():
    """Tags that were changed."""
    job = submit(environment={"job_tags": ["old"]})
    job.wait_for_final_state()
    job.update_tags(["new", "newer"])
    return sorted(service().job(job.job_id()).tags)


def deleted():
    """A job that was deleted is not found."""
    job = submit()
    job.wait_for_final_state()
    service().delete_job(job.job_id())
    service().job(job.job_id())


def unknown():
    """A job that never was."""
    service().job("abcdefghijklmnopqrst")


def cancelled():
    """A running job that is cancelled, and a result that is asked for nevertheless."""
    job = submit(backend=SLOW, run={"shots": 60_000})
    deadline = time.time() + 30
    while job.status().name != "RUNNING" and time.time() < deadline:
        time.sleep(0.05)
    job.cancel()
    status = service().job(job.job_id()).status().name
    try:
        job.result()
    except Exception as error:
        return {"status": status, "error": type(error).__name__}


def cancelled_while_followed():
    """The same while the result is being followed."""
    told = []
    job = submit(backend=SLOW, run={"shots": 60_000, "callback": lambda *news: told.append(news)})
    time.sleep(1)
    job.cancel()
    job.wait_for_final_state(timeout=20)
    return {"status": job.status().name, "told": told}


def cancelled_late():
    """A job that has ended can't be cancelled."""
    job = submit()
    job.wait_for_final_state()
    job.cancel()


def timed_out():
    """A user's patience ends before the job."""
    job = submit(backend=SLOW, run={"shots": 60_000})
    try:
        job.result(timeout=1)
    finally:
        job.cancel()


def too_long():
    """A job that may take less than it does."""
    submit(backend=SLOW, run={"shots": 100_000}, max_execution_time=2).result()


def follow(patience=20.0):
    """A job that is followed by a callback: a thread of its own calls it, within some seconds."""
    told = []
    began = time.time()
    job = submit(run={"callback": lambda id, news: told.append([id, news])})
    job.result()
    waited = time.time() - began
    deadline = time.time() + patience
    while not told and time.time() < deadline:
        time.sleep(0.05)
    return {
        "id": job.job_id(),
        "told": [[id, sorted(news.get("quasi_dists", [{}])[0])] for id, news in told],
        "seconds": waited,
    }


def session(backend=IDEAL, max_time=None):
    """Two jobs of a session, one after it was closed, and one of another object for the same session."""
    with Session(service=service(), backend=backend, max_time=max_time) as active:
        sampler = Sampler(session=active, options={"resilience_level": 0})
        first, second = sampler.run(ghz(2)), sampler.run(ghz(2))
        first.result()
        second.result()
        id = active.session_id
    again = Session.from_id(session_id=id, service=service(), backend=backend)
    third = Sampler(session=again, options={"resilience_level": 0}).run(ghz(2))
    third.result()
    listed = service().jobs(session_id=id, descending=False)
    active.close()
    late = Sampler(
        session=Session.from_id(session_id=id, service=service(), backend=backend),
        options={"resilience_level": 0},
    ).run(ghz(2))
    late.wait_for_final_state()
    return {
        "first": first.job_id() == id,
        "ids": [job.session_id == id for job in (first, second, third, late)],
        "listed": [job.job_id() for job in listed] == [job.job_id() for job in (first, second, third)],
        "late": late.error_message(),
        "status": late.status().name,
    }


def session_too_long():
    """A session whose time is over before its last job."""
    with Session(service=service(), backend=SLOW, max_time=2) as active:
        sampler = Sampler(session=active, options={"resilience_level": 0})
        jobs = [sampler.run(ghz(2), shots=4000) for _ in range(3)]
        for job in jobs:
            job.wait_for_final_state()
    return [[job.status().name, job.error_message()] for job in jobs]


def closed_unknown():
    """A session that nobody knows can be closed."""
    session = Session.from_id(session_id="abcdefghijklmnopqrst", service=service(), backend=IDEAL)
    session.close()


def unmeasured():
    """A circuit without classical bits, past the client's own checks."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    sampler = Sampler(backend=service().backend(IDEAL))
    inputs = {"circuits": [circuit], "circuit_indices": [0], "parameter_values": [[]], "parameters": [[]]}
    return sampler._run_primitive(primitive_inputs=inputs, user_kwargs={}).result()


def unknown_option():
    """An option that nobody knows."""
    submit(nonsense={"a": 1})
