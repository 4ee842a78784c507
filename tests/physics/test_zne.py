"""Laws of extrapolation: Pauli noise on gates is undone, errors cover, and without noise nothing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp, StabilizerState

from coldplate.backends.catalog import load
from coldplate.backends.device import GateFigures
from coldplate.backends.emulator import Emulator
from coldplate.backends.noise import DeviceNoise
from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Twirling
from coldplate.mitigation.zne import ZneOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 4
ERROR = 0.02
PLAIN = EstimatorOptions(default_shots=2048, twirling=Twirling(), trex=None)
GATES = Twirling(gates=True)


def depolarizing(error: float = ERROR) -> Emulator:
    """A device on which nothing is wrong but that cz depolarizes."""
    device = load("emu_heron_r1").device
    gates = {
        place: GateFigures(error=error if place[0] == "cz" else 0.0, seconds=0.0) for place in device.gates
    }
    forever = np.full(device.num_qubits, np.inf)
    still = replace(device, gates=gates, t1=forever, t2=forever, readout=np.zeros_like(device.readout))
    return Emulator("depolarizing", device.target, device=still, noise=DeviceNoise(still))


def clifford(rng) -> QuantumCircuit:
    """Four rounds on a line."""
    circuit = QuantumCircuit(NUM_QUBITS)
    for layer in range(4):
        for qubit in range(NUM_QUBITS):
            circuit.rz(rng.integers(4) * np.pi / 2, qubit)
            circuit.sx(qubit)
            circuit.rz(rng.integers(4) * np.pi / 2, qubit)
        for qubit in range(layer % 2, NUM_QUBITS - 1, 2):
            circuit.cz(qubit, qubit + 1)
    return circuit


def stabilizers(circuit) -> list[str]:
    """Different strings whose value is 1 or -1, short ones first."""
    generators = StabilizerState(circuit).clifford.stab
    found = set()
    for choice in range(1, 2**NUM_QUBITS):
        rows = [row for bit, row in enumerate(generators) if choice >> bit & 1]
        total = np.bitwise_xor.reduce(np.array(rows))[:-1]
        x, z = total[:NUM_QUBITS], total[NUM_QUBITS:]
        found.add("".join("IZXY"[int(b) + 2 * int(a)] for a, b in zip(x, z, strict=True))[::-1])
    return sorted(found)


def estimate(backend, pubs, options, seed=1):
    rng = np.random.default_rng(seed)
    prepared = prepare(pubs, options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng), options)


@pytest.fixture(scope="module")
def pubs():
    """Circuits with all their stabilizers, and the values of these."""
    rng = np.random.default_rng(8)
    circuits = [clifford(rng) for _ in range(16)]
    strings = [stabilizers(circuit) for circuit in circuits]
    truths = [
        [StabilizerState(circuit).expectation_value(SparsePauliOp(string).paulis[0]).real for string in some]
        for circuit, some in zip(circuits, strings, strict=True)
    ]
    made = [EstimatorPub.coerce(pair) for pair in zip(circuits, strings, strict=True)]
    return made, np.concatenate(truths)


@pytest.mark.parametrize("twirling", [Twirling(), GATES], ids=["plain", "twirled"])
@pytest.mark.parametrize("amplifier", ["gate_folding", "gate_folding_front"])
def test_its_own_noise_is_undone_and_errors_cover(pubs, twirling, amplifier):
    zne = ZneOptions(amplifier=amplifier)
    made, truth = pubs
    result = estimate(depolarizing(), made, replace(PLAIN, twirling=twirling, zne=zne))
    evs, stds = (np.concatenate([one.data[name] for one in result]) for name in ("evs", "stds"))
    raw = np.concatenate([one.data.evs_noise_factors[..., 0] for one in result])
    scores = (evs - truth) / stds
    assert len(scores) >= 200
    assert np.abs(raw - truth).mean() > 4 * np.abs(evs - truth).mean()
    assert abs(scores.mean()) < 0.3
    assert 0.8 < scores.std() < 1.3


def test_values_fall_off_with_the_noise_factor_as_they_must(pubs):
    options = replace(PLAIN, zne=ZneOptions(noise_factors=(1, 2, 3, 5)))
    data = estimate(depolarizing(), pubs[0][:4], options)
    for one in data:
        falls = np.abs(one.data.evs_noise_factors)
        assert (falls[:, 0] > falls[:, -1]).mean() > 0.9


@pytest.mark.parametrize("twirling", [Twirling(), GATES], ids=["plain", "twirled"])
def test_without_noise_nothing_changes(pubs, twirling):
    made, truth = pubs
    result = estimate(depolarizing(0.0), made, replace(PLAIN, twirling=twirling, zne=ZneOptions()))
    assert_allclose(np.concatenate([one.data.evs for one in result]), truth, atol=1e-9)
    assert_allclose(np.concatenate([one.data.stds for one in result]), 0, atol=1e-9)


def test_more_shots_shrink_the_error_as_the_square_root(pubs):
    def errors(shots):
        options = replace(PLAIN, default_shots=shots, zne=ZneOptions())
        return np.concatenate([one.data.stds for one in estimate(depolarizing(), pubs[0][:8], options)])

    assert np.median(errors(1000) / errors(16_000)) == pytest.approx(4, rel=0.15)


def test_every_field_has_its_shape_and_its_meaning(pubs):
    circuit = clifford(np.random.default_rng(1))
    zne = ZneOptions(
        noise_factors=(1, 2, 3, 4), extrapolators=("linear", "exponential", "fallback"), points=(0, 1, 2.5)
    )
    strings = [["ZZZZ"], ["XXII"]]
    pub = EstimatorPub.coerce((circuit, [[SparsePauliOp(one)] * 3 for (one,) in strings]))
    (one,) = estimate(depolarizing(), [pub], replace(PLAIN, twirling=GATES, zne=zne))
    assert one.data.evs.shape == one.data.stds.shape == one.data.ensemble_standard_error.shape == (2, 3)
    for name in ("evs_noise_factors", "stds_noise_factors", "ensemble_stds_noise_factors"):
        assert one.data[name].shape == (2, 3, 4)
    for name in ("evs_extrapolated", "stds_extrapolated"):
        assert one.data[name].shape == (2, 3, 3, 3)
    # linear is always successful here, so it makes the values
    assert_allclose(one.data.evs, one.data.evs_extrapolated[..., 0, 0])
    assert_allclose(one.data.stds, one.data.stds_extrapolated[..., 0, 0])
    assert_allclose(one.data.evs_extrapolated[..., 2, 0], one.data.evs_noise_factors[..., 0])
    assert one.metadata["resilience"]["zne"]["extrapolator"] == "linear"


def test_the_same_seed_gives_the_same_values(pubs):
    options = replace(PLAIN, twirling=GATES, zne=ZneOptions(noise_factors=(1, 1.6, 2.2)))
    made = [estimate(depolarizing(), pubs[0][:1], options, seed)[0].data.evs for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
