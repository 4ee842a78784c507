"""The timers of a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.instance import make_crn
from coldplate.domain.session import Mode, Session, SessionId

T0 = datetime(2026, 11, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEW = Session(
    SessionId("s" * 20),
    make_crn("ada", "a"),
    "ada",
    Mode.DEDICATED,
    "heron",
    T0,
    max_ttl_s=600,
    interactive_ttl_s=60,
)


@pytest.mark.parametrize(("started", "expires"), [(None, None), (T0 + MINUTE, T0 + 11 * MINUTE)])
def test_maximum_time_counts_from_the_first_job(started, expires):
    assert replace(NEW, started=started).expires == expires


@pytest.mark.parametrize(
    ("activated", "completed", "until"),
    [
        (None, None, None),
        (T0, None, T0 + MINUTE),
        (T0, T0 + 5 * MINUTE, T0 + 6 * MINUTE),
        pytest.param(T0 + 5 * MINUTE, T0, T0 + 6 * MINUTE, id="activated again"),
    ],
)
def test_idle_time_counts_from_the_last_job_or_activation(activated, completed, until):
    assert replace(NEW, activated=activated, last_job_completed=completed).idle_until() == until
