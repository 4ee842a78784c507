"""What happens to a session: when, as rules of the scheduler, and how, as new values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from coldplate.domain.session import UNUSED_LIMIT, Mode, Session, SessionState
from coldplate.scheduler.decisions import Activate, CloseSession, Deactivate, StopSession

# The first two are the official service's words; clients show them as they are.
IDLE = "session_inactivated_by_interactive_ttl"
CLOSED_EARLY = "session_closed_early"
CANCELLED = "session_cancelled"
EXPIRED = "session_closed_by_max_ttl"
UNUSED = "session_closed_unused"
OVERSTAYED = "session_inactivated_by_active_ttl"
AT_LIMIT = "session_closed_by_usage_limit"


def next_step(
    session: Session, now: datetime, *, waiting: bool, running: bool, cut: bool = False
) -> Activate | Deactivate | StopSession | CloseSession | None:
    """What has to happen to a session now, if anything.

    Args:
        session: A session that is not closed.
        now: The time, UTC.
        waiting: Whether jobs of it are queued.
        running: Whether jobs of it are running.
        cut: Whether its instance may use no more.
    """
    over = EXPIRED if has_expired(session, now) else AT_LIMIT if cut else None
    if over and (waiting or (running and session.accepting_jobs)):
        return StopSession(session.id, over)
    if running:
        return Activate(session.id) if session.state is not SessionState.ACTIVE else None
    if waiting:
        return Deactivate(session.id, OVERSTAYED) if has_overstayed(session, now) else None
    return over_without_jobs(session, now, over)


def over_without_jobs(session: Session, now: datetime, over: str | None) -> CloseSession | Deactivate | None:
    """What has to happen to a session that neither runs nor queues anything."""
    if over:
        return CloseSession(session.id, over)
    if not session.accepting_jobs:
        known = session.state_reason in (CANCELLED, AT_LIMIT)
        return CloseSession(session.id, str(session.state_reason) if known else CLOSED_EARLY)
    if session.started is None and session.created + UNUSED_LIMIT <= now:
        return CloseSession(session.id, UNUSED)
    if has_overstayed(session, now):
        return Deactivate(session.id, OVERSTAYED)
    return Deactivate(session.id, IDLE) if is_idle(session, now) else None


def has_expired(session: Session, now: datetime) -> bool:
    """Whether max_ttl, counted from its first job's start, is over."""
    return session.expires is not None and session.expires <= now


def has_overstayed(session: Session, now: datetime) -> bool:
    """Whether active_ttl, counted from its activation, is over."""
    return session.active_until is not None and session.active_until <= now


def is_idle(session: Session, now: datetime) -> bool:
    """Whether an active session without jobs has outlived its interactive TTL."""
    until = session.idle_until()
    return session.state is SessionState.ACTIVE and until is not None and until <= now


def timers(session: Session) -> list[datetime]:
    """When something may have to happen to the session without anybody calling."""
    unused_until = session.created + UNUSED_LIMIT if session.started is None else None
    idle_until = session.idle_until() if session.state is SessionState.ACTIVE else None
    times = (session.expires, session.active_until, idle_until, unused_until)
    return [t for t in times if t is not None]


# --- new values -------------------------------------------------------------------------------


def activated(session: Session, now: datetime) -> Session:
    """The session as it is once a job of it runs: active since that job has started."""
    since = now if session.last_job_started is None else min(now, session.last_job_started)
    return replace(
        session,
        state=SessionState.ACTIVE,
        state_reason=None if session.accepting_jobs else session.state_reason,
        started=session.started or since,
        activated=since,
    )


def deactivated(session: Session, now: datetime, *, reason: str = IDLE) -> Session:
    """The session without its priority; the time it was active is used."""
    return replace(session, state=SessionState.INACTIVE, state_reason=reason, usage_s=used_s(session, now))


def closed(session: Session, now: datetime, *, reason: str) -> Session:
    """The session at its end."""
    return replace(
        session,
        state=SessionState.CLOSED,
        state_reason=reason,
        accepting_jobs=False,
        closed=now,
        usage_s=used_s(session, now),
    )


def used_s(session: Session, now: datetime) -> float:
    """Seconds used when its active time ends now: wall clock, idle included.

    A batch holds nothing while it is idle: it has used what its jobs have. When nobody was there to end a
    session in time (the server was down), it has used no more than if somebody had been.
    """
    if session.mode is Mode.BATCH or session.state is not SessionState.ACTIVE or session.activated is None:
        return session.usage_s
    idle_until = session.idle_until()
    end = now if idle_until is None else min(now, idle_until)
    return session.usage_s + max(timedelta(0), end - session.activated).total_seconds()
