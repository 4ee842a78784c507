"""TREX: flips are balanced, damping is what |0...0> shows, and its own error is counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit.transpiler import Target
from scipy.sparse import csr_array

from coldplate.circuits.parity import to_words
from coldplate.circuits.program import pack_bits
from coldplate.mitigation.trex import (
    Readout,
    TrexOptions,
    calibration,
    damping,
    damping_variance,
    flip_table,
    too_noisy,
)

DEVICE = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=5)


def readout_of(flipped: np.ndarray) -> Readout:
    return Readout(tuple(range(flipped.shape[1])), to_words(pack_bits(flipped)))


@pytest.mark.parametrize("number", [2, 8, 32])
def test_every_qubit_is_flipped_in_half_of_the_randomizations(number, rng):
    flips = flip_table((5, number), 6, rng)
    assert_allclose(flips.mean(axis=1), 0.5)


def test_whatever_a_flip_adds_to_odd_order_cancels(rng):
    flips = flip_table((16,), 6, rng)
    sign = 1 - 2 * flips.astype(int)
    assert (sign[:, 0] * sign[:, 1] * sign[:, 2]).sum() == 0


def test_elements_have_flips_of_their_own(rng):
    flips = flip_table((50, 4), 8, rng)
    assert len(np.unique(flips.reshape(50, -1), axis=0)) > 40


@pytest.mark.parametrize(
    ("options", "shape", "shots"),
    [(TrexOptions(), (32,), 32), (TrexOptions(10, 7), (10,), 7), (TrexOptions(3), (3,), 334)],
)
def test_calibration_runs_as_often_as_its_options_say(options, shape, shots, rng):
    item = calibration([1, 4], DEVICE, num_qubits=5, options=options, shots=1000, rng=rng)
    assert (item.shape, item.shots) == (shape, shots)
    assert item.circuit.count_ops()["measure"] == 2


def test_damping_is_the_mean_parity_of_what_was_read(rng):
    flipped = rng.random((2000, 3)) < [0.01, 0.1, 0.2]
    readings = readout_of(flipped).signs([0, 1, 2], np.eye(3, dtype=bool))
    assert_allclose(damping(readings), 1 - 2 * flipped.mean(axis=0))


def test_readout_finds_strings_by_their_qubits():
    flipped = np.zeros((4, 3), dtype=bool)
    flipped[:, 2] = True
    readings = Readout((3, 5, 9), to_words(pack_bits(flipped))).signs([9, 3], np.eye(2, dtype=bool))
    assert_array_equal(readings[:, 0], [-1, 1])


@pytest.mark.parametrize(
    ("probability", "num_shots"),
    [pytest.param(0.49, 4000, id="too-weak"), pytest.param(0.4, 20, id="too-few-shots-to-tell")],
)
def test_a_signal_that_is_not_there_is_not_a_number(probability, num_shots):
    flipped = np.zeros((num_shots, 2), dtype=bool)
    flipped[: round(probability * num_shots), 0] = True
    readings = readout_of(flipped).signs([0, 1], np.eye(2, dtype=bool))
    assert_array_equal(damping(readings), [np.nan, 1.0])
    assert "of the signal of a Pauli string" in too_noisy(readings[:1]).message


def test_the_calibrations_variance_counts_strings_that_err_together(rng):
    common = rng.random((4000, 1)) < 0.1
    readings = readout_of(np.hstack([common, common])).signs([0, 1], np.eye(2, dtype=bool))
    together, against = damping_variance(readings, csr_array([[1.0, 1.0], [1.0, -1.0]]))
    single = 4 * common.mean() * (1 - common.mean()) / 4000
    assert_allclose(together, 4 * single, rtol=1e-5)
    assert_allclose(against, 0, atol=1e-12)
