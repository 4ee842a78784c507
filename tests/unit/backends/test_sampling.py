"""Groups of elements share distributions, and shots are drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from coldplate.backends.sampling import Groups, bits_of, chunks, draw, marginal, sample

NONE = np.zeros((4, 0))


def test_equal_rows_are_one_group():
    groups = Groups.by(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 3.0]]))
    assert groups.of[0] == groups.of[2]
    assert len({int(one) for one in groups.of}) == 3
    assert_array_equal(groups.of[groups.first], np.arange(3))
    assert sorted(sorted(one.tolist()) for one in groups.members()) == [[0, 2], [1], [3]]


def test_rows_without_columns_are_all_one_group():
    groups = Groups.by(NONE)
    assert (groups.first.tolist(), groups.of.tolist()) == ([0], [0, 0, 0, 0])
    assert Groups.by(np.zeros((0, 0))).members() == [] or not Groups.by(np.zeros((0, 0))).of.size


def test_flips_are_told_from_the_first_of_a_group():
    flips = np.array([[True, False], [True, True], [False, False], [True, False]])
    groups = Groups.by(np.array([[1.0], [1.0], [1.0], [2.0]]), flips)
    assert_array_equal(groups.flips, [[False, False], [False, True], [True, False], [False, False]])


@pytest.mark.parametrize("chunk", [1, 2, 100, 0])
def test_every_element_is_drawn_from_its_own_distribution(rng, chunk):
    """Deterministic distributions: outcome = the group's number, flipped as the element says."""
    wanted = np.array([3, 0, 2, 3, 1, 0])
    flips = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [0, 0], [0, 0]], dtype=bool)
    groups = Groups.by(wanted[:, None].astype(float), flips)
    bits = sample(
        groups,
        lambda elements: np.eye(4)[wanted[elements]],
        num_bits=2,
        shots=5,
        chunk=chunk,
        rng=rng,
    )
    numbers = bits @ [1, 2]
    relative = (flips ^ flips[groups.first][groups.of]) @ [1, 2]
    assert_array_equal(numbers, np.repeat((wanted ^ relative)[:, None], 5, axis=1))


def test_elements_of_a_group_have_shots_of_their_own(rng):
    groups = Groups.by(np.zeros((2, 0)))
    bits = sample(
        groups, lambda elements: np.full((len(elements), 8), 1 / 8), num_bits=3, shots=100, chunk=9, rng=rng
    )
    assert (bits[0] != bits[1]).any()


def test_weights_need_no_norm_and_rounding_below_zero_is_nothing(rng):
    bits = draw(np.array([[-1e-17, 3.0, 0.0, 1.0]]), np.array([0]), shots=40_000, num_bits=2, rng=rng)
    counts = np.bincount((bits @ [1, 2]).ravel(), minlength=4)
    assert (counts[0], counts[2]) == (0, 0)
    assert counts[1] / 40_000 == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("last", [0.0, 1e-300])
def test_impossible_last_outcomes_are_never_drawn(last):
    class Edge:
        """The largest number below 1."""

        def random(self, shape):
            return np.full(shape, np.nextafter(1.0, 0.0))

    rows = np.array([[0.5, 0.5, last, 0.0]] * 3)
    bits = draw(rows, np.arange(3), shots=2, num_bits=2, rng=Edge())
    assert (bits @ [1, 2] == 1).all()


@pytest.mark.parametrize("num_bits", [1, 3, 8, 9, 20])
def test_bits_of_numbers(rng, num_bits):
    numbers = rng.integers(0, 2**num_bits, (4, 5))
    bits = bits_of(numbers, num_bits)
    assert bits.shape == (4, 5, num_bits)
    assert_array_equal(bits @ (1 << np.arange(num_bits)), numbers)


@pytest.mark.parametrize("keep", [[0], [2, 0], [0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_marginal_puts_bit_k_on_the_kth_axis_kept(rng, keep):
    weights = rng.random((2, 2, 2, 4))
    found = marginal(weights, keep)
    expected = np.zeros((4, 2 ** len(keep)))
    for place in np.ndindex(2, 2, 2):
        outcome = sum(place[axis] << bit for bit, axis in enumerate(keep))
        expected[:, outcome] += weights[place]
    assert_allclose(found, expected)


@pytest.mark.parametrize(("number", "size"), [(0, 3), (7, 3), (6, 3), (2, 0), (5, 99)])
def test_chunks_cover_a_range_once(number, size):
    assert [one for part in chunks(number, size) for one in range(number)[part]] == list(range(number))
