"""Turns: a POST keeps out of the way of an identical one that is still being answered, not of a past one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from coldplate.api.guard import OutcomeUnknown
from coldplate.api.submitting import storing
from coldplate.api.turns import Turns
from coldplate.errors import Unavailable


def test_repeat_gets_the_turn_of_what_it_repeats():
    turns = Turns()
    first, second = turns.take("body"), turns.take("body")
    second.end()
    assert turns.take("body").fingerprint == second.fingerprint
    first.end()
    assert turns.take("body").fingerprint == first.fingerprint == "body"


def test_other_bodies_have_turns_of_their_own():
    turns = Turns()
    assert [turns.take(body).fingerprint for body in "ab"] == ["a", "b"]


@pytest.mark.parametrize(("error", "told"), [(KeyError, OutcomeUnknown), (Unavailable, Unavailable)])
def test_turn_is_over_when_its_write_fails(error, told):
    turns = Turns()
    with pytest.raises(told):
        with storing(turns.take("body")):
            raise error("The disk is full.")
    assert turns.take("body").fingerprint == "body"


def test_turns_that_are_over_are_forgotten():
    turns = Turns()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: turns.take("body").end(), range(1000)))
    assert not turns._taken
