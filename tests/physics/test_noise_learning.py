"""Laws of noise learning: a model that is put in comes out again, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit.library import RZGate, SXGate
from qiskit.quantum_info import PTM

from coldplate.backends.catalog import load
from coldplate.circuits.layers import Layer, LayerGate
from coldplate.circuits.program import Program
from coldplate.errors import IncompatibleOptions
from coldplate.noise.action import circuit_of, conjugate
from coldplate.noise.expected import expected
from coldplate.noise.fit import Readings, learn
from coldplate.noise.learning import LearningOptions, study
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise, Strings

START = datetime(2025, 1, 1, tzinfo=UTC)
CHAIN = ((0, 1), (1, 2), (2, 3))
EVEN = Layer((LayerGate((0, 1), "cz"), LayerGate((2, 3), "cz")), (0, 1, 2, 3))
ODD = Layer((LayerGate((1, 2), "cz"),), (0, 1, 2, 3))
QUICK = LearningOptions(8, 512, pair_depths=(0, 1, 2, 4, 12))


def learnt(backend, layer, options=QUICK, *, seed=1) -> LayerNoise:
    rng = np.random.default_rng(seed)
    one = study(layer, options, backend.target, rng)
    return learn(one, Readings.of(one, backend.run(Program(one.items, START), rng).items))


def truth(layer, *, seed=2, share=0.4, scale=0.004) -> LayerNoise:
    """Some of all rates are not zero."""
    rng, generators = np.random.default_rng(seed), local_strings(4, CHAIN)
    rates = np.where(rng.random(len(generators)) < share, rng.exponential(scale, len(generators)), 0)
    return LayerNoise.given(layer, generators, rates)


def symmetric(model: LayerNoise) -> np.ndarray:
    """Rates, averaged over a generator and what the layer makes of it where that is a generator, too."""
    moved = Strings(*conjugate(model.layer, model.generators.x, model.generators.z))
    place = {label: index for index, label in enumerate(model.generators.paulis.to_labels())}
    other = [place.get(label, index) for index, label in enumerate(moved.paulis.to_labels())]
    return (model.rates + model.rates[other]) / 2


@pytest.mark.parametrize("layer", [EVEN, ODD], ids=["two-gates", "idle-qubits"])
@pytest.mark.parametrize("spam", [0.0, 0.06], ids=["clean", "spam"])
def test_an_injected_model_is_learnt_back_whatever_preparation_and_readout_do(lindblad, layer, spam):
    known = truth(layer)
    found = learnt(lindblad(known, readout=spam, preparation=spam / 2), layer)
    scores = (found.rates - symmetric(known)) / found.stds
    assert np.abs(scores).max() < 4.5
    assert np.sqrt((scores**2).mean()) < 1.25
    assert_allclose(found.gamma, known.gamma, rtol=0.02)


def test_no_weight_is_found_where_none_is(lindblad):
    known = truth(EVEN)
    found = learnt(lindblad(known), EVEN)
    empty = symmetric(known) == 0
    assert empty.sum() > 10
    assert (found.rates[empty] < 4 * found.stds[empty]).all()
    assert found.rates[empty].mean() < 0.1 * found.rates[~empty].mean()


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (LayerGate((0, 1), "dcx"), "not its own inverse"),
        (LayerGate((0, 1), "rzz", (0.3,)), "rzz.0.3. on qubits .* is not a Clifford gate"),
    ],
)
def test_layers_that_can_not_be_learnt_in_pairs_are_refused_at_any_depth(lindblad, gate, says):
    layer = Layer((gate,), (0, 1))
    with pytest.raises(IncompatibleOptions, match=says):
        study(layer, LearningOptions(1, 1, (0, 2)), lindblad().target, np.random.default_rng(1))


def test_without_noise_no_rate_stands_out(lindblad):
    found = learnt(lindblad(), EVEN)
    assert (found.rates <= 3 * found.stds).all()
    assert found.gamma < 1.01


def test_error_bars_cover(lindblad):
    """Over many runs; only of rates far from zero, where the bound does not cut."""
    known = truth(ODD, share=1.0, scale=0.01)
    device, exact = lindblad(known), symmetric(known)
    options = LearningOptions(16, 128, pair_depths=(0, 1, 2, 6))
    runs = [learnt(device, ODD, options, seed=seed) for seed in range(12)]
    scores = np.array([(run.rates - exact) / run.stds for run in runs])[:, exact > 0.004]
    assert scores.size > 200
    assert abs(scores.mean()) < 0.3
    assert 0.8 < scores.std() < 1.3


def test_more_shots_shrink_errors_as_their_root(lindblad):
    device = lindblad(truth(EVEN))
    few = learnt(device, EVEN, LearningOptions(8, 128, (0, 1, 4))).stds
    many = learnt(device, EVEN, LearningOptions(8, 2048, (0, 1, 4))).stds
    assert_allclose(np.median(few / many), 4, rtol=0.25)


def test_deep_circuits_that_forget_everything_do_no_harm(lindblad):
    known = truth(EVEN, scale=0.05)
    found = learnt(lindblad(known), EVEN)
    scores = (found.rates - symmetric(known)) / found.stds
    assert np.abs(scores).max() < 5


def test_one_randomization_still_has_errors(lindblad):
    found = learnt(lindblad(truth(EVEN)), EVEN, LearningOptions(1, 2048))
    scores = (found.rates - symmetric(truth(EVEN))) / found.stds
    assert (found.stds > 0).all()
    assert np.sqrt((scores**2).mean()) < 1.4


def from_calibrations(backend, gate: LayerGate) -> LayerNoise:
    """The noise of a twirled layer of one gate: two sx on each qubit, then the gate."""
    layer = Layer((gate,), tuple(sorted(gate.qubits)))
    first, second = (backend.noise.gate("sx", (qubit,)).transfer for qubit in layer.qubits)
    turn = PTM(SXGate()).data.real @ PTM(RZGate(np.pi)).data.real
    slot = np.kron(second @ turn @ second @ turn, first @ turn @ first @ turn)
    entangler = PTM(circuit_of(layer)).data.real
    behind = backend.noise.gate(gate.name, gate.qubits).transfer.reshape(4, 4, 4, 4)
    if gate.qubits != layer.qubits:
        behind = behind.transpose(1, 0, 3, 2)
    ideal = entangler @ np.kron(turn @ turn, turn @ turn)
    noise = behind.reshape(16, 16) @ entangler @ slot @ np.linalg.inv(ideal)
    strings = local_strings(2, ((0, 1),))
    numbers = np.array([[0, 3], [1, 2]])[strings.x.astype(int), strings.z.astype(int)]
    left = np.diag(noise)[numbers @ [1, 4]]
    rates = np.linalg.solve(strings.anticommute(strings).astype(float), -np.log(left) / 2)
    return LayerNoise.given(layer, strings, rates)


@pytest.mark.parametrize("name", ["emu_heron_r1", "clifford_eagle127"])
def test_a_learnt_model_matches_the_truth_of_a_device(name):
    backend = load(name)
    entangler = next(one for one in ("cz", "ecr") if one in backend.target.operation_names)
    pairs = sorted(backend.target[entangler])[:12:4]
    scores = []
    for pair in pairs:
        known = from_calibrations(backend, LayerGate(pair, entangler))
        found = learnt(backend, known.layer, LearningOptions(64, 128))
        assert_allclose(found.gamma, known.gamma, rtol=0.01)
        scores.append((found.rates - symmetric(known)) / found.stds)
    assert np.abs(scores).max() < 4
    assert np.sqrt(np.mean(np.square(scores))) < 1.25


@pytest.mark.parametrize("name", ["emu_heron_r1", "clifford_eagle127"])
def test_what_dry_runs_expect_is_near_the_truth(name):
    """So that a dry run of PEC tells what it will cost."""
    backend = load(name)
    entangler = next(one for one in ("cz", "ecr") if one in backend.target.operation_names)
    for pair in sorted(backend.target[entangler])[:40:4]:
        known = from_calibrations(backend, LayerGate(pair, entangler))
        guess = expected(known.layer, known.generators, backend.target)
        assert_allclose(guess.log_gamma, known.log_gamma, rtol=0.1)


def test_the_same_seed_learns_the_same(lindblad):
    one, again = (learnt(lindblad(truth(ODD)), ODD, seed=7) for _ in range(2))
    assert one.rates.tobytes() == again.rates.tobytes()
    assert one.stds.tobytes() == again.stds.tobytes()
