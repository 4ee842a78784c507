"""Sums over the rolling window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.instance import make_crn
from coldplate.domain.usage import WINDOW, UsageEntry, used_in_window

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "counts"),
    [(NOW, True), (NOW - WINDOW + SECOND, True), (NOW - WINDOW, False), (NOW + SECOND, False)],
)
def test_charge_counts_while_it_is_inside_the_window(at, counts):
    entry = UsageEntry(make_crn("ada", "a"), "heron", at, 2.5)
    assert used_in_window([entry, entry], NOW) == (5.0 if counts else 0)
