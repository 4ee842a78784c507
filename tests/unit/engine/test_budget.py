"""Budget: precision, shots and randomizations follow the published rules."""

from __future__ import annotations

import math

import pytest

from coldplate.engine.budget import estimator_budget, sampler_budget, shots_for
from coldplate.engine.options import Twirling
from coldplate.errors import BadInput, IncompatibleOptions

OFF, AUTO = Twirling(), Twirling(measure=True)


def twirled(number: int | None, each: int | None) -> Twirling:
    return Twirling(measure=True, num_randomizations=number, shots_per_randomization=each)


@pytest.mark.parametrize(
    ("shots", "twirling", "number", "each"),
    [
        pytest.param(None, OFF, None, 4096, id="default"),
        pytest.param(7, OFF, None, 7, id="the-pub-first"),
        pytest.param(None, AUTO, 32, 128, id="both-auto"),
        pytest.param(10_000, AUTO, 32, 313, id="rounded-up"),
        pytest.param(100, AUTO, 2, 64, id="at-least-64-each"),
        pytest.param(None, twirled(25, 64), 25, 64, id="the-product-beats-the-default"),
        pytest.param(1000, twirled(25, 64), 25, 64, id="more-than-asked-for"),
        pytest.param(1000, twirled(30, None), 30, 34, id="shots-per-randomization-auto"),
        pytest.param(1000, twirled(None, 300), 4, 300, id="randomizations-auto"),
        pytest.param(1000, Twirling(False, 2, 3), None, 1000, id="numbers-without-twirling"),
    ],
)
def test_a_sampler_pub_is_run_as_often_as_the_rules_say(shots, twirling, number, each):
    budget = sampler_budget(shots, default_shots=4096, twirling=twirling)
    assert (budget.num_randomizations, budget.shots_per_run) == (number, each)
    assert budget.total == (number or 1) * each


@pytest.mark.parametrize(
    ("precision", "default_shots", "twirling", "total"),
    [
        pytest.param(None, None, OFF, 4096, id="default-precision"),
        pytest.param(0.1, 5, OFF, 100, id="the-pub-first"),
        pytest.param(None, 500, OFF, 500, id="default-shots-beat-default-precision"),
        pytest.param(None, 500, twirled(25, 64), 1600, id="the-product-beats-default-shots"),
        pytest.param(0.01, None, AUTO, 10_016, id="told-as-run"),
    ],
)
def test_an_estimator_pub_is_run_as_often_as_the_rules_say(precision, default_shots, twirling, total):
    budget = estimator_budget(
        precision, default_shots=default_shots, default_precision=0.015625, twirling=twirling
    )
    assert budget.total == total


def test_too_small_a_product_fails_the_job():
    with pytest.raises(IncompatibleOptions, match="is 1600, less than the 10000 shots"):
        sampler_budget(10_000, default_shots=4096, twirling=twirled(25, 64))


@pytest.mark.parametrize(
    ("precision", "shots"), [(0.015625, 4096), (0.01, 10_000), (0.1, 100), (0.015, 4445), (3.0, 1)]
)
def test_shots_are_the_fewest_that_reach_the_precision(precision, shots):
    assert shots_for(precision) == shots


@pytest.mark.parametrize("precision", [0.0, -0.1, math.nan, math.inf, 1e-200])
def test_a_precision_that_no_shots_reach_is_refused(precision):
    with pytest.raises(BadInput, match="precision is"):
        shots_for(precision)
