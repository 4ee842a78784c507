"""Which keys open the door."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.key import KeyRecord

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = KeyRecord("id", "digest", "ada", "ada", "laptop", created=NOW)


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({}, True),
        ({"expires": NOW + SECOND}, True),
        ({"expires": NOW}, False),
        ({"revoked": NOW - SECOND}, False),
        ({"revoked": NOW + SECOND}, False),
        ({"expires": NOW + SECOND, "revoked": NOW}, False),
        ({"last_used": NOW - SECOND}, True),
    ],
)
def test_key_works_until_it_expires_or_is_revoked(changes, works):
    assert replace(KEY, **changes).works(NOW) is works
