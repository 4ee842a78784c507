"""Laws of M3: the exact inverse on few bits, known errors undone, errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from coldplate.circuits.program import pack_bits, unpack_bits
from coldplate.mitigation import m3
from coldplate.mitigation.m3 import Rates, mitigate


def rates(num_bits, rng, *, worst=0.05):
    return Rates(rng.uniform(0.005, worst / 2, num_bits), rng.uniform(0.01, worst, num_bits))


def misread(bits, how, rng):
    return bits ^ (rng.random(bits.shape) < np.where(bits, how.down, how.up))


def ghz(num_shots, num_bits, rng):
    return np.repeat(rng.random((num_shots, 1)) < 0.5, num_bits, axis=1)


def parity(quasi, num_bits, bits):
    values = 1 - 2.0 * unpack_bits(quasi.strings, num_bits)[:, bits]
    return float(quasi.values @ values.prod(axis=1))


@pytest.mark.parametrize("num_bits", [1, 3, 8])
def test_with_every_string_seen_it_is_the_exact_inverse(num_bits, rng):
    how = rates(num_bits, rng)
    shots = misread(rng.random((200_000, num_bits)) < 0.5, how, rng)
    quasi = mitigate(pack_bits(shots), how)
    assert len(quasi.strings) == 2**num_bits
    inverse = np.eye(1)
    for up, down in zip(how.up, how.down, strict=True):
        inverse = np.kron(np.linalg.inv([[1 - up, down], [up, 1 - down]]), inverse)
    counts = np.bincount(shots @ (1 << np.arange(num_bits)), minlength=2**num_bits) / len(shots)
    order = unpack_bits(quasi.strings, num_bits) @ (1 << np.arange(num_bits))
    assert_allclose(quasi.values, (inverse @ counts)[order], atol=1e-6)
    assert quasi.overhead == pytest.approx(np.abs(inverse).sum(axis=0).max() ** 2)


@pytest.mark.parametrize("num_bits", [10, 30])
def test_a_ghz_state_is_restored(num_bits, rng):
    how = rates(num_bits, rng)
    shots = misread(ghz(50_000, num_bits, rng), how, rng)
    quasi = mitigate(pack_bits(shots), how)
    table = unpack_bits(quasi.strings, num_bits)
    ends = [quasi.values[~table.any(axis=1)], quasi.values[table.all(axis=1)]]
    assert_allclose(np.ravel(ends), 0.5, atol=0.025)
    assert (shots.all(axis=1) | ~shots.any(axis=1)).mean() < 0.85


def test_without_error_nothing_changes(rng):
    shots = rng.random((1000, 6)) < 0.3
    quasi = mitigate(pack_bits(shots), Rates(np.zeros(6), np.zeros(6)))
    _, counts = np.unique(pack_bits(shots), axis=0, return_counts=True)
    assert_allclose(quasi.values, counts / 1000, atol=1e-9)
    assert quasi.overhead == pytest.approx(1)


def test_errors_are_within_what_the_overhead_says(rng):
    how, scores = rates(5, rng), []
    for _ in range(100):
        truth = rng.random((4000, 5)) < [0.1, 0.9, 0.5, 0.3, 0.7]
        quasi = mitigate(pack_bits(misread(truth, how, rng)), how)
        exact = np.prod(1 - 2 * np.array([0.1, 0.9, 0.5, 0.3, 0.7])[:2])
        scores.append((parity(quasi, 5, [0, 1]) - exact) / np.sqrt(quasi.overhead / 4000))
    assert abs(np.mean(scores)) < 0.3
    assert np.std(scores) < 1.3  # the overhead is a bound


def test_errors_fall_as_one_over_the_root_of_the_shots(rng):
    how, wrong = rates(5, rng), {}
    ones = np.array([0.1, 0.9, 0.5, 0.3, 0.7])
    exact = np.prod(1 - 2 * ones[:2])
    for shots in (500, 8000):
        quasis = [
            mitigate(pack_bits(misread(rng.random((shots, 5)) < ones, how, rng)), how) for _ in range(120)
        ]
        wrong[shots] = np.sqrt(np.mean([(parity(one, 5, [0, 1]) - exact) ** 2 for one in quasis]))
    assert 3.2 < wrong[500] / wrong[8000] < 5


def test_leaving_out_far_pairs_changes_next_to_nothing(rng, monkeypatch):
    how = rates(16, rng, worst=0.03)
    shots = pack_bits(misread(ghz(20_000, 16, rng), how, rng))
    dense = mitigate(shots, how)
    monkeypatch.setattr(m3, "DENSE", 10)
    sparse = mitigate(shots, how)
    assert (dense.distance, sparse.distance) == (None, m3.DISTANCE)
    assert dense.iterations is None
    assert 1 <= sparse.iterations < 20
    assert_allclose(sparse.values, dense.values, atol=1e-3)
    assert sparse.overhead == pytest.approx(dense.overhead, rel=0.02)


def test_the_same_shots_give_the_same_numbers(rng, monkeypatch):
    """Whatever the state of the process: seeded jobs replay byte for byte."""
    monkeypatch.setattr(m3, "DENSE", 10)
    how = rates(40, rng, worst=0.03)
    shots = pack_bits(misread(rng.random((3000, 40)) < 0.02, how, rng))
    found = []
    for state in (1, 2, 3):
        np.random.seed(state)
        after = np.random.random()
        np.random.seed(state)
        found.append(mitigate(shots, how))
        assert np.random.random() == after
    assert len({one.values.tobytes() for one in found}) == 1
    assert len({one.overhead for one in found}) == 1


def test_close_pairs_are_those_that_differ_in_two_bits_at_most(rng):
    bits = np.unique(misread(ghz(600, 70, rng), rates(70, rng, worst=0.02), rng), axis=0)
    apart = (bits[:, None] != bits[None]).sum(axis=-1)
    rows, columns = m3.close_pairs(pack_bits(bits), 70)
    expected = np.zeros_like(apart)
    np.add.at(expected, (rows, columns), 1)
    assert (expected == (apart <= m3.DISTANCE)).all()


def test_wide_registers_take_no_more_than_their_strings(rng):
    how = rates(127, rng, worst=0.02)
    shots = misread(ghz(3000, 127, rng), how, rng)
    quasi = mitigate(pack_bits(shots), how)
    raw = (1 - 2.0 * shots[:, [0, 126]]).prod(axis=1).mean()
    assert abs(parity(quasi, 127, [0, 126]) - 1) < abs(raw - 1)
    assert quasi.values.sum() == pytest.approx(1)
