"""Mistakes made on purpose, one at a time: a harness that does not find each of them proves nothing."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from coldplate.failpoints import passing
from torture.points import CLAIM_DECIDED, END_TO_TELL


def swap(owner: Any, name: str, mistake: Any) -> None:
    """Put a mistake in place of what is there; a name that is gone would make a mutant that is none."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, mistake)


def read_then_write_claim() -> None:
    """A job is claimed because it was seen waiting, whatever has happened to it since."""
    from coldplate.domain.job import JobState
    from coldplate.scheduler.loop import Loop
    from coldplate.store import jobs
    from coldplate.store.rows import to_micros

    jobs.EXPECTED["whatever"] = []  # type: ignore[index]
    ordinary = Loop._start

    def start(connection: Any, id: Any, *, lane: int, now: Any, lease_s: float, worker: str) -> Any:
        values = {"state": JobState.RUNNING, "lane": lane, "started": to_micros(now), "worker": worker}
        return jobs._attempt(connection, id, "whatever", values, now=now, lease_s=lease_s)  # type: ignore[arg-type]

    def think_first(loop: Loop, decision: Any, now: Any) -> bool:
        passing(CLAIM_DECIDED, job=decision.job)  # what lies between the look and the write takes its time
        time.sleep(0.1)
        return ordinary(loop, decision, now)

    swap(jobs, "start", start)
    swap(Loop, "_start", think_first)


def answer_before_commit() -> None:
    """The client is told of a job that is about to be stored."""
    from coldplate.store.store import Store

    add_job = Store.add_job

    def later(store: Store, job: Any, **more: Any) -> Any:
        def store_it() -> None:
            time.sleep(0.5)
            add_job(store, job, **more)

        threading.Thread(target=store_it, daemon=True).start()
        return job

    swap(Store, "add_job", later)


def row_before_file() -> None:
    """The job is stored first, its inputs after."""
    from coldplate.service import Service

    def keep(service: Any, job: Any, params: bytes, *, fingerprint: str) -> Any:
        job = replace(job, params_size=len(params), params_sha256=hashlib.sha256(params).hexdigest())
        stored = service._store.add_job(job, fingerprint=fingerprint, now=job.created)
        passing("T3-job-committed", job=stored.id)
        time.sleep(0.05)
        if stored.id == job.id:
            service._shelf.put_params(job, params)
        passing("T2-params-stored", job=job.id)
        return stored

    swap(Service, "keep", keep)


def no_fence() -> None:
    """Whoever comes to the end of a job ends it, also when it was given to somebody else long ago."""
    from sqlalchemy import Integer, bindparam

    from coldplate.domain.job import JobState
    from coldplate.scheduler.loop import Loop
    from coldplate.store import jobs

    ordinary = Loop.done

    def done(loop: Loop, receipt: Any) -> None:
        if not receipt.lost:
            passing(END_TO_TELL, job=receipt.job, fence=receipt.fence)
        ordinary(loop, receipt)

    swap(Loop, "done", done)
    any_fence = [jobs.jobs.c.state == JobState.RUNNING, bindparam("with_fence", type_=Integer) >= 0]
    for expected in ("current", "current and not cancelled"):
        assert expected in jobs.EXPECTED
        jobs.EXPECTED[expected] = any_fence


def no_kill_before_free() -> None:
    """A cancelled job's lane is free at once; its process ends when it likes."""
    from coldplate.workers.messages import Lost
    from coldplate.workers.supervise import Attempt

    def stop(attempt: Any, cause: Any) -> None:
        attempt._cause = attempt._cause or cause
        attempt._pid = None
        attempt.tell(Lost(attempt.ticket.job, attempt.ticket.fence, "It was let go."))

    swap(Attempt, "stop", stop)


def no_lease() -> None:
    """Attempts of a scheduler that is gone are waited for, for ever."""
    from coldplate.scheduler.leases import Leases

    def judged(leases: Leases, snapshot: Any, now: Any, *, ours: Any) -> Any:
        never = now + timedelta(days=1)
        running = (
            r if (r.id, r.fence) in ours or r.worker != leases._worker else replace(r, lease_until=now)
            for r in snapshot.running
        )
        kept = tuple(r if r.worker == leases._worker else replace(r, lease_until=never) for r in running)
        return replace(snapshot, running=kept)

    swap(Leases, "judged", judged)


MUTANTS: dict[str, Callable[[], None]] = {
    "read-then-write-claim": read_then_write_claim,
    "answer-before-commit": answer_before_commit,
    "row-before-file": row_before_file,
    "no-fence": no_fence,
    "no-kill-before-free": no_kill_before_free,
    "no-lease": no_lease,
}
