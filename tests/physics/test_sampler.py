"""Laws of sampling: frequencies are the probabilities, twirled or not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Statevector
from scipy.stats import chi2, kstest

from coldplate.engine.options import SamplerOptions, Twirling
from coldplate.engine.sampler import combine, prepare

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 4


def ansatz() -> QuantumCircuit:
    circuit = real_amplitudes(NUM_QUBITS, reps=2)
    circuit.measure_all()
    return circuit


def sample(backend, options, values, *, seed=1):
    rng = np.random.default_rng(seed)
    pub = SamplerPub.coerce((ansatz(), values))
    prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng))[0].data.meas


def p_values(bits, values):
    found = []
    for index in np.ndindex(values.shape[:-1]):
        state = Statevector(real_amplitudes(NUM_QUBITS, reps=2).assign_parameters(values[index]))
        expected = state.probabilities() * bits.num_shots
        counts = np.bincount(bits.array[index].ravel(), minlength=len(expected))
        common = expected >= 5
        if expected[~common].sum() >= 5:  # rare outcomes count as one
            counts = np.append(counts[common], counts[~common].sum())
            expected = np.append(expected[common], expected[~common].sum())
        else:
            counts, expected = counts[common], expected[common]
        found.append(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))
    return np.array(found)


@pytest.mark.parametrize("native", [True, False], ids=["rz-sx", "u"])
@pytest.mark.parametrize("twirled", [False, True], ids=["plain", "twirled"])
def test_frequencies_are_the_probabilities(exact, rng, native, twirled):
    values = rng.uniform(-np.pi, np.pi, (5, 8, 3 * NUM_QUBITS))
    options = SamplerOptions(default_shots=4000, twirling=Twirling(measure=twirled))
    bits = sample(exact(native=native), options, values)
    assert bits.shape == (5, 8)
    # p-values of right frequencies are uniform
    assert kstest(p_values(bits, values), "uniform").pvalue > 1e-3


def test_twirling_makes_readout_error_the_same_for_zero_and_one(exact):
    values = np.zeros(3 * NUM_QUBITS)
    options = SamplerOptions(default_shots=64_000, twirling=Twirling(measure=True))
    ones = np.unpackbits(sample(exact("asymmetric"), options, values).array, axis=-1)[..., -NUM_QUBITS:]
    np.testing.assert_allclose(ones.mean(axis=-2), 0.05, atol=5 * np.sqrt(0.05 / 64_000))
