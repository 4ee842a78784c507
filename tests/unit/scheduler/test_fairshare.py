"""Instances are served in the order of what they used of their allocation."""

from __future__ import annotations

import pytest

from coldplate.domain.instance import InstanceId
from coldplate.domain.snapshot import Share
from coldplate.scheduler.fairshare import standing

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
