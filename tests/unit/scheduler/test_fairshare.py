"""Instances are served in the order of what they used of their allocation."""

from __future__ import annotations

import pytest
from tests.unit.scheduler.test_policy import NOW, ago, queue, running, session

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, SessionState
from coldplate.domain.snapshot import Share
from coldplate.scheduler.fairshare import IN_FLIGHT_S, owed_s, standing

CHEM, QEC = InstanceId("chem"), InstanceId("qec")


@pytest.mark.parametrize(
    ("chem", "qec", "first"),
    [
        pytest.param((50, 100), (10, 100), QEC, id="less used"),
        pytest.param((20, 200), (15, 100), CHEM, id="less of a larger allocation"),
        pytest.param((0, 0), (99, 1), QEC, id="allocation 0 is served last"),
        pytest.param((5, None), (6, None), CHEM, id="without allocations the smaller usage"),
        pytest.param((0, None), (500, 100), QEC, id="no allocation is served after any"),
        pytest.param((0, 0), (99, None), QEC, id="allocation 0 is served after none"),
        pytest.param((5, 0), (6, 0), CHEM, id="with allocations of 0 the smaller usage"),
    ],
)
def test_instance_with_least_used_of_its_allocation_is_first(chem, qec, first):
    assert (
        min((Share(CHEM, *chem), Share(QEC, *qec)), key=lambda share: standing(share, {})).instance == first
    )


def test_running_job_counts_as_used_before_it_is_charged():
    owed_s = {CHEM: 1.0}
    assert standing(Share(CHEM, 10, 100), owed_s) > standing(Share(QEC, 10, 100), owed_s)


@pytest.mark.parametrize(
    ("which", "attempts", "owed"),
    [
        pytest.param(session(activated=ago(30)), [], 30, id="a session by the clock, also while it is idle"),
        pytest.param(
            session(activated=ago(30)), [running("a", session="s")], 30, id="and its jobs not beside it"
        ),
        pytest.param(session(activated=ago(30), mode=Mode.BATCH), [], 0, id="a batch by its jobs"),
        pytest.param(
            session(activated=ago(30), mode=Mode.BATCH),
            [running("a", session="s")],
            IN_FLIGHT_S,
            id="those count",
        ),
        pytest.param(
            session(state=SessionState.INACTIVE),
            [running("a", session="s")],
            IN_FLIGHT_S,
            id="not active yet",
        ),
        pytest.param(session(activated=ago(-30)), [], 0, id="a clock that was put back owes nothing"),
        pytest.param(session(activated=NOW), [running("x", estimated_s=9.0)], 9, id="a job by its estimate"),
    ],
)
def test_what_is_used_and_not_charged_yet_counts(which, attempts, owed):
    assert owed_s(queue(sessions=[which], at_work=attempts), NOW).get(CHEM, 0) == owed
