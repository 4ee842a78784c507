"""Fits of decays: exact on exact data, errors that cover, and no trouble where nothing is left to see."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from coldplate.noise.decays import fit

DEPTHS = np.array([0, 1, 2, 4, 16, 32.0])


def test_exact_decays_are_found():
    slopes = -np.geomspace(1e-5, 0.5, 60)
    amplitudes = np.linspace(0.3, 1.0, 60)
    values = amplitudes[:, None] * np.exp(slopes[:, None] * DEPTHS)
    found = fit(DEPTHS, values, np.full_like(values, 1e-4))
    assert_allclose(found.slopes, slopes, rtol=1e-6, atol=1e-9)


def test_errors_cover():
    rng = np.random.default_rng(8)
    slopes, sigma = -rng.uniform(0.001, 0.3, 4000), 0.01
    values = 0.9 * np.exp(slopes[:, None] * DEPTHS) + rng.normal(0, sigma, (4000, 6))
    found = fit(DEPTHS, values, np.full_like(values, sigma**2))
    scores = (found.slopes - slopes) / np.sqrt(found.variances)
    assert abs(scores.mean()) < 0.1
    assert 0.9 < scores.std() < 1.1


def test_nothing_left_to_see_gives_a_large_error_not_a_wrong_one():
    rng = np.random.default_rng(9)
    values = rng.normal(0, 0.01, (50, 6))
    found = fit(DEPTHS, values, np.full_like(values, 1e-4))
    assert np.isfinite(found.slopes).all()
    assert np.isfinite(found.variances).all()
    assert (found.variances > 0).all()


def test_a_slope_moves_with_the_values_as_its_sensitivities_say():
    values = 0.8 * np.exp(-0.05 * DEPTHS)[None] + np.random.default_rng(1).normal(0, 0.01, (1, 6))
    variances = np.full_like(values, 1e-4)
    found = fit(DEPTHS, values, variances)
    for place in range(6):
        moved = values.copy()
        moved[0, place] += 1e-6
        change = fit(DEPTHS, moved, variances).slopes - found.slopes
        # the second derivatives that Gauss-Newton leaves out are of the size of the residues
        assert_allclose(change / 1e-6, found.sensitivities[:, place], rtol=0.1, atol=1e-3)
