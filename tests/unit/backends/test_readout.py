"""Bits are misread, and points fall on the wrong side, as often as two figures of a qubit say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit import QuantumCircuit

from coldplate.backends.readout import (
    LEAST,
    SCALE,
    Beside,
    Crosstalk,
    misread,
    misread_words,
    points,
    successes,
    turned,
)

SHOTS = 100_000
FIGURES = np.array([[0.0, 0.0], [0.02, 0.3], [0.25, 0.01], [0.0, 0.4], [0.5, 0.5], [0.9, 0.05]])
NEVER = np.zeros((1, 2))


@pytest.mark.parametrize("value", [False, True])
def test_bits_are_misread_as_often_as_the_figures_say(rng, value):
    bits = np.full((SHOTS, len(FIGURES)), value)
    misread(bits, FIGURES, rng)
    assert_allclose((bits != value).mean(axis=0), FIGURES[:, int(value)], atol=0.01)
    assert (bits[:, 0] == value).all()


@pytest.mark.parametrize("value", [False, True])
def test_bits_in_words_are_misread_as_often_as_the_figures_say(rng, value):
    figures = np.tile(FIGURES, (12, 1))  # more than a word
    words = np.zeros((SHOTS, 2), dtype=np.uint64)
    if value:
        words[:] = np.iinfo(np.uint64).max
    misread_words(words, figures, rng)
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)
    assert_allclose((bits != value).mean(axis=0)[: len(figures)], figures[:, int(value)], atol=0.01)
    assert (bits[:, len(figures) :] == value).all()


@pytest.mark.parametrize("value", [False, True])
def test_points_are_on_the_wrong_side_as_often_as_bits_are_misread(rng, value):
    wrong = (points(np.full((SHOTS, len(FIGURES)), value), FIGURES, rng).real > 0) != value
    assert_allclose(wrong.mean(axis=0), FIGURES[:, int(value)], atol=0.01)


def test_blobs_of_a_perfect_qubit_hardly_overlap(rng):
    bits = rng.random((SHOTS, 1)) < 0.5
    wrong = (points(bits, NEVER, rng).real > 0) != bits
    assert wrong.sum() <= 20 * LEAST * SHOTS


def test_misread_qubits_are_independent(rng):
    bits = np.zeros((SHOTS, 3), dtype=bool)
    misread(bits, np.full((3, 2), 0.3), rng)
    assert np.abs(np.corrcoef(bits.T) - np.eye(3)).max() < 0.02


def test_spread_is_the_same_in_all_directions(rng):
    found = points(np.zeros((SHOTS, 1), dtype=bool), np.array([[0.1, 0.1]]), rng)
    assert (found.real.std(), found.imag.std()) == pytest.approx((1, 1), abs=0.02)
    assert found.imag.mean() == pytest.approx(0, abs=0.02)


def test_every_qubit_has_a_direction_of_its_own():
    lines = turned(np.ones((1, 5), dtype=complex), np.arange(5))[0]
    assert_allclose(np.abs(lines), SCALE)
    between = np.abs(np.angle(lines[:, None] / lines[None, :]))
    assert between[~np.eye(5, dtype=bool)].min() > 0.3


def test_same_generator_same_points(rng):
    bits = np.ones((9, 2), dtype=bool)
    first, again = (points(bits, FIGURES[:2], np.random.default_rng(4)) for _ in range(2))
    assert_array_equal(first, again)


@pytest.mark.parametrize("probability", [0.0, 1e-4, 0.03, 0.099, 0.3, 1.0])
def test_trials_succeed_independently_and_as_often_as_asked(rng, probability):
    number, rounds = 1000, 3000
    found = np.zeros((rounds, number), dtype=bool)
    for row in found:
        places = successes(number, probability, rng)
        assert (np.diff(places) > 0).all()
        row[places] = True
    spread = 5 * np.sqrt(probability * (1 - probability) / rounds)
    assert_allclose(found.mean(axis=0), probability, atol=spread)
    assert_allclose((found[:, 1:] & found[:, :-1]).mean(), probability**2, atol=spread / 10)
    assert found.sum(axis=1).var() == pytest.approx(
        number * probability * (1 - probability), rel=0.2, abs=1e-9
    )


def test_neighbours_that_are_1_are_misread_more_often_in_bits_and_points(rng):
    beside = Beside({0: (1,), 1: (0, 2), 2: (1,)}, 0.1)
    figures = np.array([[0.02, 0.05], [0.0, 0.0], [0.1, 0.2], [0.3, 0.3]])
    truth = np.array([True, True, False, True])
    expected = [0.05 + 0.1, 0.1, 0.1 + 0.1, 0.3]
    bits = np.tile(truth, (SHOTS, 1))
    wrong = (points(bits, figures, rng, beside).real > 0) != truth
    assert_allclose(wrong.mean(axis=0), expected, atol=0.01)
    misread(bits, figures, rng, beside)
    assert_allclose((bits != truth).mean(axis=0), expected, atol=0.01)


def test_bits_beside_each_other_show_the_last_measurements_of_coupled_qubits():
    circuit = QuantumCircuit(4, 6)
    circuit.measure([0, 1, 2], [5, 4, 3])
    circuit.x(0)
    circuit.measure(0, 0)  # qubit 0 is read again
    circuit.measure(3, 1)
    coupled = Crosstalk(frozenset({(0, 1), (1, 2), (0, 3)}), 0.1)
    assert coupled.beside(circuit).of == {0: (4, 1), 4: (0, 3), 3: (4,), 1: (0,)}
    circuit.measure(2, 1)  # over what qubit 3 showed
    assert coupled.beside(circuit).of == {0: (4,), 4: (0, 1), 1: (4,)}
