"""What a session has become after each thing that can happen to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.scheduler.sessions import CANCELLED, CLOSED_EARLY, IDLE, activated, closed, deactivated

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)


def after(seconds):
    return T0 + timedelta(seconds=seconds)


def opened(mode=Mode.DEDICATED):
    return Session(SessionId("s"), InstanceId("chem"), "ada", mode, "heron", T0)


def test_activation_starts_the_clock_of_max_ttl_once():
    session = activated(deactivated(activated(opened(), after(5)), after(70)), after(90))
    assert (session.state, session.started, session.activated) == (SessionState.ACTIVE, after(5), after(90))


def test_dedicated_session_uses_wall_clock_while_active_and_only_then():
    session = activated(opened(), after(0))
    session = activated(deactivated(session, after(60)), after(500))
    assert closed(session, after(510), reason=CLOSED_EARLY).usage_s == 70


def test_session_that_nobody_ended_in_time_has_used_no_more_than_if_somebody_had():
    idle = replace(activated(opened(), T0), last_job_completed=after(10))
    assert closed(idle, after(9999), reason=CLOSED_EARLY).usage_s == 70


def test_inactive_session_uses_nothing_more():
    session = deactivated(activated(opened(), after(0)), after(60))
    assert closed(session, after(999), reason=CLOSED_EARLY).usage_s == 60


def test_batch_uses_only_what_its_jobs_have():
    session = replace(activated(opened(Mode.BATCH), after(0)), usage_s=7.5)
    assert closed(deactivated(session, after(60)), after(99), reason=CLOSED_EARLY).usage_s == 7.5


def test_clock_that_went_back_charges_nothing():
    assert closed(activated(opened(), after(60)), after(0), reason=CLOSED_EARLY).usage_s == 0


def test_deactivation_says_why():
    assert deactivated(activated(opened(), T0), after(60)).state_reason == IDLE


def test_end_is_closed_for_jobs_and_says_why():
    session = closed(opened(), after(9), reason=CLOSED_EARLY)
    assert (session.state, session.accepting_jobs, session.closed) == (SessionState.CLOSED, False, after(9))
    assert session.state_reason == CLOSED_EARLY


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        pytest.param(replace(opened(), state_reason=IDLE), None, id="no longer idle"),
        pytest.param(
            replace(opened(), accepting_jobs=False, state_reason=CANCELLED), CANCELLED, id="still cancelled"
        ),
    ],
)
def test_activation_keeps_only_the_reason_that_still_holds(session, reason):
    assert activated(session, T0).state_reason == reason
