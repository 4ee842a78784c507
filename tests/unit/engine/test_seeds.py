"""Seeds: the first that is given counts, and with one nothing depends on when the job ran."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from coldplate.engine.seeds import FIXED_START, origin

NOW = datetime(2031, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(("seeds", "seed"), [((3, 4), 3), ((None, 4), 4), ((0, 4), 0)])
def test_the_first_seed_given_counts(seeds, seed):
    assert origin(*seeds, now=NOW).seed == seed


def test_a_seeded_clock_starts_at_a_fixed_time():
    assert origin(3, now=NOW).clock_start == FIXED_START


def test_an_unseeded_job_draws_a_seed_and_starts_now():
    first, second = origin(None, now=NOW), origin(None, now=NOW)
    assert first.seed != second.seed
    assert first.clock_start == NOW


def test_preparing_and_running_draw_independently():
    prepare, run = origin(3, now=NOW).generators()
    again, _ = origin(3, now=NOW).generators()
    drawn = prepare.random(4).tolist()
    assert drawn == again.random(4).tolist()
    assert drawn != run.random(4).tolist()
