"""How jobs end: by their receipts, or with their session; used by the loop and by the users' verbs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.query import FinalState
from coldplate.domain.session import Mode, Session, SessionId
from coldplate.errors import ColdplateError, SessionClosed
from coldplate.failpoints import passing
from coldplate.scheduler.charges import charge_s
from coldplate.shelf import Shelf
from coldplate.store.store import Store
from coldplate.workers.pool import Receipt


def finish(store: Store, shelf: Shelf, receipt: Receipt, *, now: datetime) -> bool:
    """End a running job as its receipt says; False when the receipt is of an attempt that was replaced.

    Whoever was told that the job is cancelled must not see it complete: the store refuses an end that does
    not know of a cancel, and the second look does.
    """
    for _ in range(2):
        job = store.job(JobId(receipt.job))
        if job is None:
            return False
        if job.cancel_requested:
            receipt = Receipt(job.id, receipt.fence, "Cancelled")
        end = final_state(
            receipt, usage_s=charge_s(receipt, store.backend(job.backend), held_s=job.device_s(now))
        )
        if store.finish(job.id, receipt.fence, end, now=now):
            passing("T10-end-committed", job=job.id, fence=receipt.fence)
            if job.private:
                shelf.take_params(job)
            return True
    return False


def final_state(receipt: Receipt, *, usage_s: float) -> FinalState:
    """What is remembered of a receipt."""
    return FinalState(
        JobState(receipt.outcome),
        reason=receipt.reason,
        code=receipt.code,
        solution=receipt.solution,
        usage_s=usage_s,
        result_size=receipt.result_size,
        result_sha256=receipt.result_sha256,
        metrics=receipt.metrics,
    )


def end_waiting(store: Store, shelf: Shelf, session: SessionId, *, reason: str, now: datetime) -> bool:
    """End queued jobs of a session as Failed, the way the official service does (code 1217).

    Only some of very many, so that nobody waits for long; whether there may be more.
    """
    ended = store.end_some_queued(session, failed(SessionClosed, reason), now=now)
    for job in ended:
        if job.private:
            shelf.take_params(job)
    return bool(ended)


def fail_queued(
    store: Store, shelf: Shelf, job: Job, *, cause: type[ColdplateError], reason: str, now: datetime
) -> bool:
    """End a queued job as Failed; False when it isn't queued any more."""
    ended = store.end_queued(job.id, failed(cause, reason), now=now)
    if ended and job.private:
        shelf.take_params(job)
    return ended


def failed(cause: type[ColdplateError], reason: str) -> FinalState:
    """The end of a job that fails without having run."""
    return FinalState(JobState.FAILED, reason=reason, code=cause.code, solution=cause.solution)


def settled(store: Store, session: Session) -> Session:
    """The session with what its jobs have used, for a batch; a dedicated one uses wall clock instead."""
    if session.mode is not Mode.BATCH:
        return session
    return replace(session, usage_s=store.charged_s(session.id))
