"""Instances are served in the order of what they used of their allocation."""

from __future__ import annotations

import pytest

from coldplate.domain.instance import InstanceId
from coldplate.domain.snapshot import Share
from coldplate.scheduler.fairshare import ratios

CHEM, QEC = InstanceId("chem"), InstanceId("qec")


@pytest.mark.parametrize(
    ("chem", "qec", "first"),
    [
        pytest.param((50, 100), (10, 100), QEC, id="less used"),
        pytest.param((20, 200), (15, 100), CHEM, id="less of a larger allocation"),
        pytest.param((0, 0), (99, 1), QEC, id="allocation 0 is served last"),
        pytest.param((5, None), (6, None), CHEM, id="without allocations the smaller usage"),
        pytest.param((50, None), (60, 100), CHEM, id="no allocation counts as the mean of the others"),
        pytest.param((70, None), (60, 100), QEC, id="and is not served first for it"),
    ],
)
def test_instance_with_least_used_of_its_allocation_is_first(chem, qec, first):
    found = ratios([Share(CHEM, *chem), Share(QEC, *qec)], {})
    assert min(found, key=found.__getitem__) == first


def test_running_job_counts_as_used_before_it_is_charged():
    shares = [Share(CHEM, 10, 100), Share(QEC, 10, 100)]
    found = ratios(shares, {CHEM: 1})
    assert found[CHEM] > found[QEC]
