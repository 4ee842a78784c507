"""Names and rights of instances."""

from __future__ import annotations

import pytest

from coldplate.domain.instance import Instance, InstanceId, make_crn


def test_crn_has_ten_fields_with_the_region_in_the_sixth():
    parts = make_crn("ada", "one", region="eu-de").split(":")
    assert len(parts) == 10
    assert (parts[0], parts[5], parts[6], parts[7]) == ("crn", "eu-de", "a/ada", "one")


@pytest.mark.parametrize(
    ("backends", "may"), [(None, True), ((), False), (("heron",), True), (("eagle",), False)]
)
def test_instance_uses_the_backends_it_was_given(backends, may):
    assert Instance(make_crn("ada", "one"), "one", backends=backends).may_use("heron") is may


def test_plan_id_is_no_route_name():
    assert Instance(make_crn("ada", "one"), "one", plan="open").plan_id == "coldplate-plan-open"


@pytest.mark.parametrize(
    ("limit_s", "cap_s", "plan", "counts_s", "may_be_s"),
    [
        pytest.param(None, None, "premium", None, None, id="neither"),
        pytest.param(900, None, "premium", 900, None, id="limit alone"),
        pytest.param(None, 600, "premium", 600, 600, id="cap alone is the limit"),
        pytest.param(900, 600, "premium", 600, 600, id="limit from before the cap"),
        pytest.param(60, 600, "premium", 60, 600, id="limit within the cap"),
        pytest.param(None, 0, "premium", 0, 0, id="cap of nothing"),
        pytest.param(None, None, "open", 600, 600, id="plan's own"),
        pytest.param(None, 900, "open", 600, 900, id="managers may raise the plan's own"),
        pytest.param(1200, None, "open", 1200, 600, id="operator has raised it"),
    ],
)
def test_limit_counts_within_the_cap(limit_s, cap_s, plan, counts_s, may_be_s):
    instance = Instance(InstanceId("i"), "i", plan=plan, limit_s=limit_s, cap_s=cap_s)
    assert (instance.most_s, instance.most_limit_s) == (counts_s, may_be_s)
