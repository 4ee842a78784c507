"""Laws of PEC and PEA: known layer noise is undone, errors cover, gamma squared is the price."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import Clifford, Pauli, PauliList, StabilizerState

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.engine.estimator import combine, prepare
from coldplate.engine.layer_noise import continued, knowledge
from coldplate.engine.options import EstimatorOptions, Twirling
from coldplate.mitigation.pec import PecOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions
from coldplate.noise.learning import LearningOptions
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise, Strings

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 4
ALL = tuple(range(NUM_QUBITS))
CHAIN = ((0, 1), (1, 2), (2, 3))
LAYERS = (
    Layer((LayerGate((0, 1), "cz"), LayerGate((2, 3), "cz")), ALL),
    Layer((LayerGate((1, 2), "cz"),), ALL),
)
TWIRL = Twirling(gates=True, strategy="all", shots_per_randomization=64)
PLAIN = EstimatorOptions(default_shots=4096, twirling=TWIRL, trex=None)
PEC = replace(PLAIN, pec=PecOptions())
PEA = replace(
    PLAIN, zne=ZneOptions(amplifier="pea", noise_factors=(1, 1.5, 2, 3), extrapolators=("exponential",))
)

FEW = replace(  # too few to have drawn much of what is added
    PEA,
    default_shots=2048,
    zne=ZneOptions(amplifier="pea", noise_factors=(1, 1.2, 1.6), extrapolators=("exponential", "linear")),
)


def true_noise(scale=0.003) -> tuple[LayerNoise, ...]:
    rng, generators = np.random.default_rng(4), local_strings(NUM_QUBITS, CHAIN)
    shape = (len(LAYERS), len(generators))
    rates = np.where(rng.random(shape) < 0.4, rng.exponential(scale, shape), 0)
    return tuple(LayerNoise.given(one, generators, row) for one, row in zip(LAYERS, rates, strict=True))


NOISE = true_noise()


def clifford(seed: int, depth: int = 4) -> QuantumCircuit:
    rng, circuit = np.random.default_rng(seed), QuantumCircuit(NUM_QUBITS)
    for level in range(depth):
        for qubit in ALL:
            circuit.rz(rng.integers(4) * np.pi / 2, qubit)
            circuit.sx(qubit)
            circuit.rz(rng.integers(4) * np.pi / 2, qubit)
        for first in range(level % 2, NUM_QUBITS - 1, 2):
            circuit.cz(first, first + 1)
        circuit.barrier()  # or gates on idle qubits may come before the layer's noise
    return circuit


def stabilizers(circuit: QuantumCircuit) -> tuple[list[str], np.ndarray]:
    """All strings that the final state has a value of 1 or -1 for, and these."""
    state = StabilizerState(circuit)
    labels = [Pauli((row[4:8], row[:4])).to_label() for row in products(state.clifford.stab)]
    return labels, np.array([state.expectation_value(Pauli(label)).real for label in labels])


def products(generators: np.ndarray) -> list[np.ndarray]:
    rows = [np.array(row, dtype=bool) for row in generators]
    return [
        np.logical_xor.reduce([row for bit, row in enumerate(rows) if choice >> bit & 1])
        for choice in range(1, 2 ** len(rows))
    ]


def damping(circuit: QuantumCircuit, labels: list[str]) -> np.ndarray:
    """What the noise leaves of each string, in closed form: followed back layer by layer."""
    strings, left, layer = PauliList(labels), np.ones(len(labels)), set()
    for one in (one for one in reversed(circuit.data) if one.name != "barrier"):
        qubits = tuple(circuit.find_bit(qubit).index for qubit in one.qubits)
        if len(qubits) == 2 and not layer:
            number = 0 if qubits != (1, 2) else 1
            left *= NOISE[number].fidelities(Strings(strings.x, strings.z))
            layer = {gate.qubits for gate in LAYERS[number].gates}
        layer.discard(qubits)
        strings = strings.evolve(Clifford(one.operation), qargs=list(qubits), frame="h")
    return left


def estimate(device, options, *, seeds=range(1), seed=1, noise=NOISE):
    """Values of all stabilizers of some circuits with their errors, and the truth."""
    circuits = [clifford(one) for one in seeds]
    strings, truths = zip(*map(stabilizers, circuits), strict=True)
    pubs = [EstimatorPub.coerce(pair) for pair in zip(circuits, strings, strict=True)]
    rng = np.random.default_rng(seed)
    options = replace(options, layer_noise=noise)
    known = knowledge(
        pubs, options, target=device.target, run=lambda p, _: device.run(p, rng), rng=rng, clock_start=START
    )
    prepared = prepare(pubs, options, models=known.models, target=device.target, rng=rng, clock_start=START)
    result = combine(prepared, device.run(continued(prepared.program, known), rng), options)
    evs, stds = (np.concatenate([pub.data[name] for pub in result]) for name in ("evs", "stds"))
    return evs, stds, np.concatenate(truths), result


def test_without_mitigation_values_are_damped_as_the_models_say(lindblad):
    """So that the laws below undo something: every value is damped, some by a lot."""
    evs, stds, truth, _ = estimate(lindblad(*NOISE), PLAIN, seeds=range(4))
    left = np.concatenate([damping(clifford(seed), stabilizers(clifford(seed))[0]) for seed in range(4)])
    assert left.max() < 0.98
    assert left.min() < 0.8
    assert np.abs((evs - truth * left) / stds).max() < 4.5


@pytest.mark.parametrize(
    ("options", "most"), [(PEC, 0.1), (PEA, 0.1), (FEW, 0.3)], ids=["pec", "pea", "pea, 32 randomizations"]
)
def test_known_noise_is_undone_and_error_bars_cover(lindblad, options, most):
    evs, stds, truth, _ = estimate(lindblad(*NOISE), options, seeds=range(14))
    scores = (evs - truth) / stds
    assert len(scores) >= 200
    assert abs(scores.mean()) < 0.3
    assert abs((truth * scores).mean()) < 0.3  # signs would hide values that are all too small
    assert 0.8 < scores.std() < 1.3
    assert np.median(stds) < most


@pytest.mark.parametrize("options", [PEC, pytest.param(PEA, marks=pytest.mark.slow)], ids=["pec", "pea"])
def test_readout_error_is_undone_beside_the_noise_of_layers(lindblad, options):
    both = replace(options, trex=TrexOptions(), twirling=replace(TWIRL, measure=True))
    evs, stds, truth, _ = estimate(lindblad(*NOISE, readout=0.04), both, seeds=range(14))
    scores = (evs - truth) / stds
    assert len(scores) >= 200
    assert abs(scores.mean()) < 0.3
    assert abs((truth * scores).mean()) < 0.3
    assert 0.8 < scores.std() < 1.3


@pytest.mark.parametrize("options", [PEC, PEA], ids=["pec", "pea"])
def test_without_noise_nothing_changes(lindblad, options):
    nothing = tuple(LayerNoise.given(one.layer, one.generators, 0 * one.rates) for one in NOISE)
    evs, _, truth, _ = estimate(lindblad(), options, noise=nothing)
    assert_allclose(evs, truth, atol=1e-9)


def test_pec_pays_gamma_squared_in_shots(lindblad):
    _, stds, _, result = estimate(lindblad(*NOISE), PEC, seeds=[0])
    about = result[0].metadata
    log_gamma = 2 * NOISE[0].log_gamma + 2 * NOISE[1].log_gamma  # two uses of each
    assert_allclose(about["coldplate"]["pec"]["gamma"], np.exp(log_gamma), rtol=1e-9)
    assert_allclose(about["resilience"]["layer_noise"]["noise_overhead"], np.exp(2 * log_gamma), rtol=1e-9)
    assert about["num_randomizations"] == np.ceil(64 * np.exp(2 * log_gamma))
    assert about["resilience"]["layer_noise"]["total_mitigated_layers"] == 4
    assert about["resilience"]["layer_noise"]["unique_mitigated_layers"] == 2
    assert (stds < 1 / 8).all()  # at worst what 64 randomizations give, were they free of noise


def test_a_cap_leaves_as_much_noise_as_it_must(lindblad):
    capped = replace(PEC, pec=PecOptions(max_overhead=1.3))
    evs, _, truth, result = estimate(lindblad(*NOISE), capped, seeds=range(6))
    about = result[0].metadata
    assert_allclose(about["coldplate"]["pec"]["gamma"] ** 2, 1.3, rtol=1e-9)
    assert about["num_randomizations"] == np.ceil(64 * 1.3)
    plain, *_ = estimate(lindblad(*NOISE), PLAIN, seeds=range(6))
    assert 0.2 < (1 - (truth * evs).mean()) / (1 - (truth * plain).mean()) < 0.95


@pytest.mark.parametrize(("gain", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0)])
def test_noise_gain_is_how_much_of_the_noise_is_left(lindblad, gain, expected):
    options = replace(PEC, pec=PecOptions(noise_gain=gain))
    damped = [estimate(lindblad(*NOISE), one, seeds=range(8))[0] for one in (options, PLAIN)]
    truth = estimate(lindblad(*NOISE), PLAIN, seeds=range(8))[2]
    logs = [np.log((truth * evs).mean()) for evs in damped]
    assert_allclose(logs[0], expected * logs[1], atol=0.02)


def test_amplified_values_are_those_of_more_noise(lindblad):
    """With many randomizations: few of them rarely draw what is rare, and underrate its spread."""
    many = replace(PEA, twirling=replace(TWIRL, shots_per_randomization=8))
    _, _, truth, result = estimate(lindblad(*NOISE), many, seeds=range(8))
    left = np.concatenate([damping(clifford(seed), stabilizers(clifford(seed))[0]) for seed in range(8)])
    evs, stds = (
        np.concatenate([pub.data[name] for pub in result])
        for name in ("evs_noise_factors", "stds_noise_factors")
    )
    exact = truth[:, None] * left[:, None] ** np.array(PEA.zne.noise_factors)
    scores = (evs - exact) / stds
    assert abs(scores.mean()) < 0.3
    assert 0.8 < scores.std() < 1.3


@pytest.mark.parametrize("options", [PEC, PEA], ids=["pec", "pea"])
def test_learnt_noise_does_as_well_as_the_truth(lindblad, options):
    """Twirls are learnt as they are run, and the layers are found in the circuits."""
    learning = LearningOptions(32, 256, pair_depths=(0, 1, 2, 4, 12))
    evs, stds, truth, result = estimate(
        lindblad(*NOISE), replace(options, learning=learning), seeds=range(5), noise=None
    )
    plain, *_ = estimate(lindblad(*NOISE), PLAIN, seeds=range(5))
    assert np.abs((evs - truth) / stds).max() < 5
    assert np.abs((truth * evs).mean() - 1) < 0.2 * np.abs((truth * plain).mean() - 1)
    assert result[0].metadata["resilience"]["layer_noise"]["unique_mitigated_layers"] == 2


def test_layers_beyond_the_most_to_learn_keep_their_noise(lindblad):
    one = replace(PEC, max_layers_to_learn=1, learning=LearningOptions(8, 256, (0, 1, 4)))
    *_, result = estimate(lindblad(*NOISE), one, noise=None)
    about = result[0].metadata["resilience"]["layer_noise"]
    assert (about["total_mitigated_layers"], about["unique_mitigated_layers"]) == (2, 1)


@pytest.mark.parametrize("options", [PEC, FEW], ids=["pec", "pea"])
def test_the_same_seed_gives_the_same_bytes(lindblad, options):
    one, again, other = (estimate(lindblad(*NOISE), options, seed=seed)[0] for seed in (11, 11, 12))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize(("options", "fewest"), [(PEC, 2048), (PEA, 4096)], ids=["pec", "pea"])
def test_more_shots_shrink_errors_as_their_root(lindblad, options, fewest):
    few, many = (
        estimate(lindblad(*NOISE), replace(options, default_shots=shots), seeds=range(2))[1]
        for shots in (fewest, 16 * fewest)
    )
    assert_allclose(np.median(few / many), 4, rtol=0.25)
