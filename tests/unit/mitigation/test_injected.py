"""What drawing Paulis adds to errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from coldplate.mitigation.injected import unseen
from coldplate.mitigation.pea import drawn_variance

FACTORS = (1.0, 1.5, 2.0)


def signs(left: float, shape: tuple[int, ...], rng) -> np.ndarray:
    """1 or -1, with a mean of `left`."""
    return np.where(rng.random(shape) < (1 - left) / 2, -1, 1)


def test_drawn_paulis_add_what_the_turned_signs_of_randomizations_say(rng):
    value, number = 0.8, 50
    means = np.stack([value * signs(value ** (g - 1), (20_000, number), rng).mean(axis=1) for g in FACTORS])
    data = value ** np.array([FACTORS])
    expected = drawn_variance(data, np.full((1, 3), 0.01), FACTORS, number)[0]
    assert expected[0] == pytest.approx(0, abs=1e-9)
    assert_allclose(expected[1:], means[1:].var(axis=1), rtol=0.05)


def test_factors_need_not_include_one():
    data = 0.7 ** np.array([[1.5, 2.0]])
    found = drawn_variance(data, np.full((1, 2), 0.01), (1.5, 2.0), 10)
    assert_allclose(found[0], (0.7**2 - data[0] ** 2) / 10, rtol=1e-6)


@pytest.mark.parametrize("turned", [0.002, 0.01, 0.05])
def test_errors_cover_where_few_randomizations_drew_anything(turned, rng):
    """Where none of them did, their spread says that nothing is ever drawn."""
    number = 32
    drawn = 0.9 * signs(1 - 2 * turned, (20_000, number), rng)
    means, spread = drawn.mean(axis=1), drawn.var(axis=1, ddof=1) / number
    exact = 0.9 * (1 - 2 * turned)
    told = np.sqrt(spread + unseen(means, 0.2, number))
    assert np.mean(spread == 0) > 0.15
    assert np.mean(np.abs(means - exact) < 2 * told) > 0.93


def test_where_nothing_can_be_drawn_nothing_is_unseen():
    assert (unseen(np.ones(3), 0.0, 32) == 0).all()
