"""Laws of estimating: values are unbiased, errors are as large as they are told, shapes are NumPy's."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp, random_pauli_list

from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Twirling
from coldplate.mitigation.trex import TrexOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
NUM_QUBITS = 4
ANSATZ = real_amplitudes(NUM_QUBITS, reps=2)
LEVEL_0 = EstimatorOptions(default_shots=2000, twirling=Twirling(), trex=None)
LEVEL_1 = EstimatorOptions(default_shots=2000, twirling=Twirling(measure=True), trex=TrexOptions())


def estimate(backend, options, observables, values, *, circuit=ANSATZ, seed=1):
    rng = np.random.default_rng(seed)
    pub = EstimatorPub.coerce((circuit, observables, values))
    prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng), options)[0].data


def exactly(observables, values):
    return StatevectorEstimator().run([(ANSATZ, observables, values)], precision=0).result()[0].data.evs


def random_sums(number, *, terms, seed):
    rng = np.random.default_rng(seed)
    return [
        SparsePauliOp(random_pauli_list(NUM_QUBITS, terms, seed=rng, phase=False), rng.normal(size=terms))
        for _ in range(number)
    ]


@pytest.mark.parametrize(
    ("options", "readout"),
    [
        pytest.param(LEVEL_0, "perfect", id="level-0"),
        pytest.param(LEVEL_1, "perfect", id="level-1-without-noise"),
        pytest.param(LEVEL_1, "asymmetric", id="level-1-asymmetric-readout"),
        pytest.param(LEVEL_1, "in-pairs", id="level-1-correlated-readout"),
    ],
)
def test_errors_are_as_large_as_they_are_told(exact, rng, options, readout):
    observables = random_sums(24, terms=5, seed=3)
    values = rng.uniform(-np.pi, np.pi, (20, 1, 3 * NUM_QUBITS))
    z = []
    # values of one run share its calibration; several runs make independent ones
    for run, part in enumerate(np.split(values, 10)):
        data = estimate(exact(readout), options, observables, part, seed=run)
        z.append((data.evs - exactly(observables, part)) / data.stds)
    scores = np.ravel(z)
    assert scores.size >= 200
    assert abs(scores.mean()) < 0.25
    assert 0.85 < scores.std() < 1.15


def test_terms_measured_together_have_their_covariance_counted(exact):
    # each pair of terms agrees in every shot, or never does
    together = SparsePauliOp(["IIZZ", "IZZI", "IZIZ"], [1.0, 1.0, -1.0])
    values = np.random.default_rng(3).uniform(-np.pi, np.pi, (300, 3 * NUM_QUBITS))
    data = estimate(exact(), LEVEL_0, together, values)
    scores = (data.evs - exactly(together, values)) / data.stds
    assert 0.85 < scores.std() < 1.15


@pytest.mark.parametrize(
    ("options", "readout"),
    [(LEVEL_0, "perfect"), (LEVEL_1, "perfect"), (LEVEL_1, "in-pairs")],
    ids=["level-0", "level-1", "level-1-correlated-readout"],
)
def test_the_error_falls_as_one_over_the_root_of_the_shots(exact, rng, options, readout):
    values = rng.uniform(-np.pi, np.pi, (200, 3 * NUM_QUBITS))
    observable = SparsePauliOp(["ZZII", "IXXI"], [1.0, 0.5])
    truth, errors = exactly(observable, values), {}
    for precision in (0.08, 0.02):
        pub = EstimatorPub.coerce((ANSATZ, observable, values, precision))
        generator = np.random.default_rng(5)
        backend = exact(readout)
        prepared = prepare([pub], options, target=backend.target, rng=generator, clock_start=START)
        data = combine(prepared, backend.run(prepared.program, generator), options)[0].data
        errors[precision] = np.sqrt(np.mean((data.evs - truth) ** 2))
    assert 3.2 < errors[0.08] / errors[0.02] < 5


@pytest.mark.parametrize(
    ("params_shape", "observables_shape"),
    [
        ((), ()),
        ((3,), ()),
        ((), (4,)),
        ((4,), (4,)),
        ((3, 1), (4,)),
        ((2, 3), (2, 1)),
        ((3,), (2, 1)),
        ((0,), ()),
    ],
)
def test_values_are_broadcast_as_numpy_does(exact, rng, params_shape, observables_shape):
    values = rng.uniform(-np.pi, np.pi, (*params_shape, 3 * NUM_QUBITS))
    observables = np.empty(observables_shape, dtype=object)
    for place, one in zip(
        np.ndindex(*observables_shape),
        random_sums(max(1, observables.size), terms=3, seed=7),
        strict=True,
    ):
        observables[place] = dict(zip(one.paulis.to_labels(), one.coeffs.real, strict=True))
    given = observables.tolist() if observables_shape else observables[()]
    data = estimate(exact(), LEVEL_0, given, values)
    truth = exactly(given, values) if 0 not in params_shape else np.zeros((0,))
    assert data.evs.shape == np.broadcast_shapes(params_shape, observables_shape) == truth.shape
    assert_allclose((data.evs - truth) / np.where(data.stds == 0, 1, data.stds), 0, atol=5)


def test_either_set_of_gates_measures_the_same(exact, rng):
    values = rng.uniform(-np.pi, np.pi, (6, 3 * NUM_QUBITS))
    observable = SparsePauliOp(["XYZI", "YYXX", "ZIZZ"], [1.0, -0.5, 0.3])
    native = estimate(exact(native=True), LEVEL_1, observable, values)
    universal = estimate(exact(native=False), LEVEL_1, observable, values)
    assert_allclose(native.evs, universal.evs, atol=1e-12)


def test_the_same_seed_gives_the_same_numbers(exact, rng):
    values = rng.uniform(-np.pi, np.pi, (3, 3 * NUM_QUBITS))
    observable = SparsePauliOp(["XYZI", "ZIZZ"])
    first, again = (estimate(exact("asymmetric"), LEVEL_1, observable, values, seed=9) for _ in range(2))
    other = estimate(exact("asymmetric"), LEVEL_1, observable, values, seed=10)
    assert (first.evs == again.evs).all()
    assert (first.evs != other.evs).any()
