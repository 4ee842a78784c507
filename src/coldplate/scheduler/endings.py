"""What ends with a session: its queued jobs, and its account; used by the loop and by users' own closing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from coldplate.domain.job import FINAL, Job, JobState
from coldplate.domain.session import Mode, Session, SessionId
from coldplate.errors import ColdplateError, SessionClosed
from coldplate.shelf import Shelf
from coldplate.store.store import Store


def end_waiting(store: Store, shelf: Shelf, session: SessionId, *, reason: str, now: datetime) -> None:
    """End the queued jobs of a session as Failed, the way the official service does (code 1217)."""
    for job in store.jobs_of_session(session, [JobState.QUEUED]):
        fail_queued(store, shelf, job, cause=SessionClosed, reason=reason, now=now)


def fail_queued(
    store: Store, shelf: Shelf, job: Job, *, cause: type[ColdplateError], reason: str, now: datetime
) -> bool:
    """End a queued job as Failed; False when it isn't queued any more."""
    ended = store.end_queued(
        job.id, JobState.FAILED, reason=reason, code=cause.code, solution=cause.solution, now=now
    )
    if ended and job.private:
        shelf.take_params(job)
    return ended


def settled(store: Store, session: Session) -> Session:
    """The session with what its jobs have used, for a batch; a dedicated one uses wall clock instead."""
    if session.mode is not Mode.BATCH:
        return session
    jobs = store.jobs_of_session(session.id, list(FINAL))
    return replace(session, usage_s=sum(job.usage_s or 0.0 for job in jobs))
