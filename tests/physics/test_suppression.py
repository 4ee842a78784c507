"""Twirling and decoupling help on a device whose noise they are made for: detuning, ZZ, over-rotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp

from coldplate.backends.catalog import load
from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Execution, Twirling
from coldplate.mitigation.dd import DdOptions
from coldplate.mitigation.trex import TrexOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
PLAIN = EstimatorOptions(default_shots=2000, twirling=Twirling(measure=True), trex=TrexOptions())


@pytest.fixture(scope="module")
def device():
    return load("emu_heron_coherent")


def estimate(backend, circuit, strings, options, seed=3):
    rng = np.random.default_rng(seed)
    pub = EstimatorPub.coerce((circuit, [SparsePauliOp(string) for string in strings]))
    prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng), options)[0].data


def decoupled(**how):
    return replace(PLAIN, execution=Execution(decoupling=DdOptions(**how)))


def pointing(num_qubits: int) -> QuantumCircuit:
    """Every qubit in |+>."""
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(num_qubits):
        circuit.rz(np.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(np.pi / 2, qubit)
    return circuit


def waiting(num_qubits: int, microseconds: float) -> QuantumCircuit:
    """Qubits in |+> that are left alone: detuning and ZZ turn them, relaxation shortens them a little."""
    circuit = pointing(num_qubits)
    for qubit in range(num_qubits):
        circuit.delay(microseconds * 1e-6, qubit, unit="s")
    return circuit


@pytest.mark.parametrize("sequence", ["XX", "XpXm", "XY4"])
def test_decoupling_keeps_a_lone_qubit_pointing(device, sequence):
    bare = estimate(device, waiting(1, 20), ["X"], PLAIN)
    held = estimate(device, waiting(1, 20), ["X"], decoupled(sequence=sequence))
    assert held.evs[0] > bare.evs[0] + 4 * np.hypot(bare.stds[0], held.stds[0])


def test_decoupling_keeps_neighbours_pointing(device):
    strings = ["IIX", "IXI", "XII"]
    bare = estimate(device, waiting(3, 12), strings, PLAIN)
    held = estimate(device, waiting(3, 12), strings, decoupled(sequence="XY4"))
    assert held.evs.mean() > bare.evs.mean() + 0.1


def test_twirled_over_rotations_do_not_add_up(device):
    """Twenty pairs of cz do nothing; over-rotated, they turn a state ever further unless they are twirled."""
    circuit = pointing(2)
    for _ in range(40):
        circuit.cz(0, 1)
        circuit.barrier()
    strings = ["IX", "XI"]
    plain = estimate(device, circuit, strings, PLAIN)
    twirled = estimate(device, circuit, strings, replace(PLAIN, twirling=Twirling(measure=True, gates=True)))
    assert (twirled.evs > plain.evs + 0.3).all()
