"""Moments: counting outcomes and going shot by shot give the same, and what NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from coldplate.circuits.parity import to_words
from coldplate.circuits.program import pack_bits
from coldplate.engine import moments as module
from coldplate.engine.moments import moments, string_means


@pytest.mark.parametrize(
    ("num_bits", "num_shots", "workspace"),
    [
        pytest.param(3, 500, 1 << 23, id="counted"),
        pytest.param(3, 500, 16, id="counted-in-parts"),
        pytest.param(20, 300, 1 << 23, id="shot-by-shot"),
        pytest.param(20, 300, 600, id="shot-by-shot-in-parts"),
        pytest.param(90, 50, 1 << 23, id="two-words"),
    ],
)
def test_means_and_variances_are_those_of_the_shots(num_bits, num_shots, workspace, rng, monkeypatch):
    monkeypatch.setattr(module, "WORKSPACE", workspace)
    bits = rng.random((4, num_shots, num_bits)) < rng.random((4, 1, num_bits))
    support = rng.random((5, num_bits)) < 0.5
    coefficients = rng.normal(size=(70, 5)) * (rng.random((70, 5)) < 0.5)
    values = 1.0 - 2 * (np.einsum("esb,tb->ets", bits.astype(int), support.astype(int)) % 2)
    sums = np.einsum("rt,ets->ers", coefficients, values)

    means, variances = moments(
        pack_bits(bits),
        num_bits,
        masks=to_words(pack_bits(support)),
        coefficients=csr_array(coefficients),
    )
    assert_allclose(means, values.mean(axis=-1), atol=1e-6)
    assert_allclose(variances, sums.var(axis=-1, ddof=1) / num_shots, rtol=1e-5, atol=1e-12)


def test_terms_measured_together_cancel_when_they_always_agree():
    bits = np.repeat([[[False, False], [True, True]]], 100, axis=0).reshape(1, 200, 2)
    masks = to_words(pack_bits(np.eye(2, dtype=bool)))
    _, variances = moments(pack_bits(bits), 2, masks=masks, coefficients=csr_array([[1.0, -1.0]]))
    assert_allclose(variances, 0)


def test_one_shot_has_a_mean_and_no_infinite_error():
    masks = to_words(pack_bits(np.ones((1, 1), dtype=bool)))
    means, variances = moments(np.ones((1, 1, 1), np.uint8), 1, masks=masks, coefficients=csr_array([[1.0]]))
    assert_allclose(means, [[-1]])
    assert_allclose(variances, 0)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize(("num_bits", "workspace"), [(5, 1 << 23), (90, 1 << 23), (90, 300)])
def test_string_means_are_those_of_each_execution(kernel, num_bits, workspace, rng, monkeypatch):
    monkeypatch.setattr(module, "WORKSPACE", workspace)
    if not kernel:
        monkeypatch.setattr(module, "native", lambda: None)
    bits = rng.random((2, 3, 40, num_bits)) < 0.3
    support = rng.random((4, num_bits)) < 0.5
    values = 1.0 - 2 * (np.einsum("resb,tb->rest", bits.astype(int), support.astype(int)) % 2)
    means = string_means(pack_bits(bits), to_words(pack_bits(support)))
    assert np.array_equal(means, values.mean(axis=2))
