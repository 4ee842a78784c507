"""Estimates on emulated devices: readout error is removed, and errors are as large as they are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp, random_pauli_list

from coldplate.backends.catalog import load
from coldplate.backends.emulator import Emulator
from coldplate.backends.noise import DeviceNoise
from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Twirling
from coldplate.mitigation.trex import TrexOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 4
LEVEL_0 = EstimatorOptions(default_shots=2000, twirling=Twirling(), trex=None)
LEVEL_1 = EstimatorOptions(default_shots=2000, twirling=Twirling(measure=True), trex=TrexOptions())


def misreading() -> Emulator:
    """A device whose gates are perfect, and whose qubits are misread as torino's are."""
    device = load("emu_heron_r1").device
    still = replace(
        device, gates={}, t1=np.full(device.num_qubits, np.inf), t2=np.full(device.num_qubits, np.inf)
    )
    return Emulator("misreading", device.target, device=still, noise=DeviceNoise(still))


def ansatz() -> QuantumCircuit:
    """Rotations and a chain of cz, in the device's gates."""
    angles = iter(ParameterVector("t", 3 * NUM_QUBITS))
    circuit = QuantumCircuit(NUM_QUBITS)
    for layer in range(3):
        for qubit in range(NUM_QUBITS):
            circuit.sx(qubit)
            circuit.rz(next(angles), qubit)
            circuit.sx(qubit)
        for qubit in range(NUM_QUBITS - 1 if layer < 2 else 0):
            circuit.cz(qubit, qubit + 1)
    return circuit


@pytest.fixture(scope="module")
def scores():
    """(value - exact) / told error, by level, of 24 observables for 20 parameter sets."""
    rng = np.random.default_rng(5)
    observables = [
        SparsePauliOp(random_pauli_list(NUM_QUBITS, 5, seed=rng, phase=False), rng.normal(size=5))
        for _ in range(24)
    ]
    found = {0: [], 1: []}
    backend = misreading()
    for _ in range(10):
        values = rng.uniform(-np.pi, np.pi, (2, 1, 3 * NUM_QUBITS))
        pub = EstimatorPub.coerce((ansatz(), observables, values))
        exact = StatevectorEstimator().run([pub], precision=0).result()[0].data.evs
        for level, options in enumerate((LEVEL_0, LEVEL_1)):
            prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
            data = combine(prepared, backend.run(prepared.program, rng), options)[0].data
            found[level].append((data.evs - exact) / data.stds)
    return {level: np.ravel(parts) for level, parts in found.items()}


def test_mitigated_values_scatter_around_the_truth_as_told(scores):
    assert scores[1].size >= 200
    assert abs(scores[1].mean()) < 0.25
    assert 0.85 < scores[1].std() < 1.15


def test_without_mitigation_the_calibrated_readout_error_shows(scores):
    assert scores[0].std() > 2
