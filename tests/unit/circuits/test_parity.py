"""Parity: packed bits are read as Pauli values, whatever their width."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from coldplate.circuits.parity import signs, to_words
from coldplate.circuits.program import pack_bits


@pytest.mark.parametrize("num_bits", [1, 7, 8, 9, 16, 17, 33, 64, 65, 127, 156])
def test_a_sign_is_the_parity_of_the_bits_under_the_mask(num_bits, rng):
    bits = rng.random((40, num_bits)) < 0.5
    masks = rng.random((6, num_bits)) < 0.4
    expected = np.array([[(-1) ** int(shot[mask].sum()) for shot in bits] for mask in masks])
    assert_array_equal(signs(to_words(pack_bits(bits)), to_words(pack_bits(masks))), expected)


@pytest.mark.parametrize(
    ("num_bits", "kind"), [(8, np.uint8), (9, np.uint16), (17, np.uint32), (40, np.uint64), (70, np.uint64)]
)
def test_words_are_the_narrowest_that_fit(num_bits, kind):
    words = to_words(pack_bits(np.ones((3, num_bits), dtype=bool)))
    assert words.dtype == kind
    assert words.shape == (3, 1 if num_bits <= 64 else 2)


def test_a_word_is_the_number_that_its_bits_spell():
    bits = np.zeros((1, 12), dtype=bool)
    bits[0, [0, 3, 11]] = True
    assert to_words(pack_bits(bits))[0, 0] == 1 + 8 + 2048
