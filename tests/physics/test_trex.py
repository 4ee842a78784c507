"""Laws of TREX: an injected readout error is gone, of any kind and weight; without one nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Twirling
from coldplate.errors import ReadoutTooNoisy
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 10
SHOTS = 32 * 2048
ON = EstimatorOptions(default_shots=SHOTS, twirling=Twirling(measure=True), trex=TrexOptions())
OFF = EstimatorOptions(default_shots=SHOTS, twirling=Twirling(measure=True), trex=None)
WEIGHTS = [1, 2, 5, 10]


def flipped() -> QuantumCircuit:
    circuit = QuantumCircuit(NUM_QUBITS)
    circuit.x(range(NUM_QUBITS))
    return circuit


def strings() -> list[str]:
    return ["I" * (NUM_QUBITS - weight) + "Z" * weight for weight in WEIGHTS]


def estimate(backend, options, *, circuit=None, observables=None, seed=1):
    rng = np.random.default_rng(seed)
    pub = EstimatorPub.coerce((circuit or flipped(), observables or strings()))
    prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng), options)[0].data


TRUTH = np.array([(-1.0) ** weight for weight in WEIGHTS])


@pytest.mark.parametrize("readout", ["symmetric", "asymmetric", "in-pairs"])
def test_an_injected_readout_error_is_gone(exact, readout):
    plain, mitigated = estimate(exact(readout), OFF), estimate(exact(readout), ON)
    assert (np.abs(plain.evs - TRUTH) > 10 * plain.stds).all()
    assert_allclose((mitigated.evs - TRUTH) / mitigated.stds, 0, atol=4)
    assert (mitigated.stds < 0.05).all()


@pytest.mark.parametrize("readout", ["symmetric", "asymmetric", "in-pairs"])
def test_what_is_left_is_no_bias(exact, readout):
    options = EstimatorOptions(default_shots=4096, twirling=Twirling(measure=True), trex=TrexOptions())
    runs = [estimate(exact(readout), options, seed=seed) for seed in range(60)]
    scores = np.array([(run.evs - TRUTH) / run.stds for run in runs])
    assert_allclose(scores.mean(axis=0), 0, atol=4 / np.sqrt(len(runs)))
    # a circuit and its calibration that are the same but for their shots: the error is of both
    assert (scores.std(axis=0) > 0.75).all()
    assert (scores.std(axis=0) < 1.25).all()


def test_without_noise_nothing_changes(exact):
    plain, mitigated = estimate(exact(), OFF), estimate(exact(), ON)
    assert_allclose(mitigated.evs, plain.evs)
    assert_allclose(mitigated.stds, plain.stds)


def test_a_superposition_is_restored_too(exact):
    circuit = QuantumCircuit(2)
    circuit.rx(1.0, 0)
    circuit.ry(0.4, 1)
    data = estimate(exact("asymmetric"), ON, circuit=circuit, observables=["IZ", "IY", "ZI", "XI", "ZZ"])
    truth = [np.cos(1.0), -np.sin(1.0), np.cos(0.4), np.sin(0.4), np.cos(1.0) * np.cos(0.4)]
    assert_allclose((data.evs - truth) / data.stds, 0, atol=4)
    assert (data.stds < 0.01).all()


@pytest.mark.parametrize("options", [ON, replace(ON, zne=ZneOptions())], ids=["trex", "trex-and-zne"])
def test_readout_that_leaves_too_little_of_a_string_costs_no_other(exact, options):
    data = estimate(exact("hopeless"), options)  # 0.4 of each qubit's signal is left, 0.01 of five qubits'
    assert np.isnan(data.evs).tolist() == np.isnan(data.stds).tolist() == [False, False, True, True]
    assert_allclose((data.evs - TRUTH)[:2] / data.stds[:2], 0, atol=4)


def test_readout_that_leaves_nothing_is_refused(exact):
    with pytest.raises(ReadoutTooNoisy, match="of the signal of a Pauli string"):
        estimate(exact("hopeless"), ON, observables=strings()[2:])
