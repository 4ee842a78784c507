"""Names and rights of instances."""

from __future__ import annotations

import pytest

from coldplate.domain.instance import Instance, make_crn


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
