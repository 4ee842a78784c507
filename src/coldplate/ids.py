"""Ids of jobs and sessions: 20 characters that nobody can guess."""

from __future__ import annotations

import re
import secrets

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32
SHAPE = re.compile(r"[a-z0-9]{20}", re.ASCII)


def new_id() -> str:
    """An id that was never given before (100 random bits)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(20))


def could_be_id(text: str) -> bool:
    """Whether an id may look like this; anything else is unknown without looking it up.

    >>> could_be_id("d1abcdefghijklmnopq2"), could_be_id("../../etc/passwd")
    (True, False)
    """
    return SHAPE.fullmatch(text) is not None
