"""Zero-noise extrapolation: what is folded, and what fits give back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import Operator

from coldplate.domain.extrapolators import NAMES, least_factors
from coldplate.errors import IncompatibleOptions
from coldplate.mitigation.zne import choose, fit, fold, missed

FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


def chain(gates: int = 8) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    for gate in range(gates):
        circuit.sx(gate % 2)
        circuit.cz(gate % 2, gate % 2 + 1)
    return circuit


def folded(circuit, factor, amplifier="gate_folding", *, native=True):
    rng = np.random.default_rng(1)
    return fold(circuit, factor, amplifier=amplifier, native=native, rng=rng)


@pytest.mark.parametrize("amplifier", ["gate_folding", "gate_folding_front", "gate_folding_back"])
@pytest.mark.parametrize(("factor", "gates"), [(1, 8), (1.25, 10), (2, 16), (3, 24), (3.5, 28)])
def test_folding_multiplies_the_two_qubit_gates_and_changes_nothing_else(amplifier, factor, gates):
    circuit, reached = folded(chain(), factor, amplifier)
    assert circuit.count_ops()["cz"] == gates
    assert circuit.count_ops()["sx"] == 8
    assert reached == factor
    assert Operator(circuit).equiv(Operator(chain()))


@pytest.mark.parametrize(
    ("amplifier", "first", "last"), [("gate_folding_front", 3, 1), ("gate_folding_back", 1, 3)]
)
def test_a_part_is_folded_from_the_end_that_is_named(amplifier, first, last):
    circuit, _ = folded(chain(), 2, amplifier)
    runs = "".join("z" if one.name == "cz" else " " for one in circuit.data).split()
    assert (len(runs[0]), len(runs[-1])) == (first, last)


def test_the_factor_that_is_told_is_the_one_that_was_reached():
    _, reached = folded(chain(1), 1.8)
    assert reached == 1.0


def test_a_circuit_without_two_qubit_gates_is_left_alone():
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    assert folded(circuit, 3) == (circuit, 3)


@pytest.mark.parametrize("angle", [0.3, Parameter("t")])
def test_a_fractional_gate_is_undone_within_its_range_of_angles(angle):
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.rzz(angle, 0, 1)
    made, _ = folded(circuit, 3)
    assert {one.operation.params[0] for one in made.data if one.name == "rzz"} == {angle}
    values = [0.3] * len(circuit.parameters)
    assert Operator(made.assign_parameters(values)).equiv(Operator(circuit.assign_parameters(values)))


def test_a_gate_whose_inverse_the_device_lacks_is_refused_by_name():
    circuit = QuantumCircuit(2)
    circuit.iswap(0, 1)
    with pytest.raises(IncompatibleOptions, match=r"iswap.*zne.amplifier"):
        folded(circuit, 3)
    assert Operator(folded(circuit, 3, native=False)[0]).equiv(Operator(circuit))


TRUTHS = {
    "exponential": lambda x: 0.8 * np.exp(-0.2 * x),
    "double_exponential": lambda x: 0.5 * np.exp(-0.1 * x) + 0.3 * np.exp(-0.9 * x),
    "fallback": lambda x: 0 * x + 0.7,
}


@pytest.mark.parametrize("name", NAMES)
def test_data_of_a_model_are_extrapolated_exactly(name):
    degree = least_factors(name) - 1
    truth = TRUTHS.get(name, lambda x: 0.9 * (1 - x / 10) ** degree)
    data = np.array([truth(np.array(FACTORS)), -truth(np.array(FACTORS))])
    points = (1.0,) if name == "fallback" else (0.0, 1.0, 10.0)
    found = fit(name, FACTORS, data, np.full(data.shape, 0.01), points)
    assert_allclose(found.values[0], truth(np.array(points)), atol=1e-5)
    assert_allclose(found.values[1], -found.values[0], atol=1e-5)


# the parameters of two exponentials are found to the digits that their flat bottom allows
@pytest.mark.parametrize("name", [name for name in NAMES if name != "double_exponential"])
def test_gradients_say_how_values_move_with_the_data(name, rng):
    x = np.array(FACTORS)
    data = (TRUTHS["exponential"](x) + 1e-4 * rng.normal(size=len(x)))[None]
    errors = np.full(data.shape, 0.01)
    found = fit(name, FACTORS, data, errors, (0.0, 2.0))
    for factor in range(len(FACTORS)):
        step = np.zeros_like(data)
        step[0, factor] = 1e-5
        ends = [fit(name, FACTORS, data + sign * step, errors, (0.0, 2.0)).values for sign in (1, -1)]
        # least squares of a curve moves by Gauss and Newton's estimate up to the size of the residuals
        assert_allclose((ends[0] - ends[1]) / 2e-5, found.gradients[..., factor], rtol=0.02, atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stays_nothing_with_a_finite_error(name):
    found = fit(name, FACTORS, np.zeros((3, 8)), np.full((3, 8), 0.01), (0.0,))
    assert_allclose(found.values, 0, atol=1e-12)
    assert np.isfinite(found.errors(np.full((3, 8), 1e-4))).all()


@pytest.mark.parametrize("name", ["exponential", "polynomial_degree_2"])
def test_error_bars_cover(name, rng):
    heights, rates = rng.uniform(0.4, 1, 4000), rng.uniform(-0.25, -0.05, 4000)
    x = np.array([1.0, 3.0, 5.0])
    curves = {
        "exponential": heights[:, None] * np.exp(rates[:, None] * x),
        "polynomial_degree_2": heights[:, None] * (1 + rates[:, None] * x / 2 + 0.01 * x**2),
    }
    data = curves[name] + rng.normal(scale=0.02, size=(4000, 3))
    errors = np.full(data.shape, 0.02)
    found = fit(name, x, data, errors, (0.0,))
    scores = np.abs(found.values[:, 0] - heights) / found.errors(errors**2)[:, 0]
    assert abs((scores < 1).mean() - 0.683) < 0.03
    assert abs((scores < 2).mean() - 0.954) < 0.02


@pytest.mark.parametrize("truth", [0.0, 0.01, 0.02, 0.04, 0.5])
def test_error_bars_cover_where_next_to_nothing_is_left_of_a_signal(truth, rng):
    """An exponential that grows with the noise would fit such data, and tell an error of almost 0."""
    x, errors = (1.0, 3.0, 5.0), np.full((4000, 3), 0.016)
    data = truth * np.exp(-0.1 * np.array(x)) + rng.normal(scale=0.016, size=(4000, 3))
    fits = [fit(name, x, data, errors, (0.0,)) for name in ("exponential", "linear")]
    taken = choose(fits, errors**2, 0), np.arange(4000)
    values = np.stack([one.values[:, 0] for one in fits])[taken]
    told = np.stack([one.errors(errors**2)[:, 0] for one in fits])[taken]
    assert (np.abs(values - truth) < 2 * told).mean() > 0.93


@pytest.mark.parametrize("x", [(1.0, 3.0, 5.0), (1.0, 1.2, 1.6)])
@pytest.mark.parametrize("truth", [0.0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("scale", [0.016, 0.05])
def test_an_exponential_alone_stays_within_what_a_string_can_be_and_its_errors_cover(truth, scale, x, rng):
    """Where nothing is left of a signal, the curve that fits it best may begin at 1e16."""
    errors = np.full((4000, 3), scale)
    data = truth * np.exp(-0.2 * np.array(x)) + rng.normal(scale=scale, size=(4000, 3))
    found = fit("exponential", x, data, errors, (0.0,))
    values, told = found.values[:, 0], found.errors(errors**2)[:, 0]
    assert np.abs(values).max() <= 2
    assert told.max() <= 1 + 1e-9
    scores = (values - truth) / told
    assert abs(scores.mean()) < 0.3
    assert 0.7 < scores.std() < 1.1  # wide rather than narrow where nothing is known


@pytest.mark.parametrize("x", [(1.0, 3.0, 5.0), (1.0, 1.2, 1.6)])
@pytest.mark.parametrize(("truth", "kept"), [(1.0, 0.2), (-1.0, 0.3), (0.5, 0.25), (0.0, 0.5)])
def test_a_line_in_place_of_a_steep_decay_knows_what_it_misses(truth, kept, x, rng):
    errors = np.full((4000, 3), 0.016)
    data = truth * kept ** np.array(x) + rng.normal(scale=0.016, size=(4000, 3))
    fits = [fit(name, x, data, errors, (0.0,)) for name in ("exponential", "linear")]
    chosen = choose(fits, errors**2, 0)
    taken = chosen, np.arange(4000)
    values = np.stack([one.values[:, 0] for one in fits])[taken]
    told = np.stack([one.errors(errors**2)[:, 0] for one in fits])[taken]
    off, line = missed(fits, chosen, x, data, errors), chosen == 1
    assert (off[~line] == 0).all()
    wrong = np.abs(values - truth)[line]
    assert (wrong < 2 * np.hypot(told, off)[line]).mean() > 0.93
    assert truth == 0 or (wrong > 2 * told[line]).mean() > 0.9  # by itself the line's error covers nothing


@pytest.mark.parametrize("name", ["exponential", "double_exponential"])
def test_a_fit_that_chance_made_gives_way_to_a_line_that_may_be_had(name, rng):
    x = (1.0, 2.0, 3.0, 4.0, 5.0)
    data, errors = rng.normal(scale=0.02, size=(500, 5)), np.full((500, 5), 0.02)
    fits = [fit(one, x, data, errors, (0.0,)) for one in (name, "linear")]
    chosen = choose(fits, errors**2, 0)
    assert (chosen[~fits[0].sensible] == 1).all()
    assert (chosen == 1).mean() > 0.3


def test_too_few_factors_give_no_fit():
    found = fit("exponential", (1.0, 1.0), np.ones((2, 2)), np.ones((2, 2)), (0.0,))
    assert np.isnan(found.values).all()


def test_the_first_extrapolator_that_succeeds_is_taken_by_each_string():
    x, errors = (1.0, 3.0, 5.0), np.full((2, 3), 0.02)
    data = np.array([[0.8, 0.6, 0.45], [0.004, -0.02, 0.03]])  # the second is noise: no rate can be told
    fits = [fit(name, x, data, errors, (0.0,)) for name in ("exponential", "linear")]
    fits[0].values[1] = 40.0
    assert choose(fits, errors**2, 0).tolist() == [0, 1]


def test_where_none_succeeds_the_smallest_error_is_taken():
    x, data = (1.0, 3.0, 5.0), np.array([[0.8, 0.6, 0.45]])
    fits = [fit(name, x, data, np.full((1, 3), 9.0), (0.0,)) for name in ("polynomial_degree_2", "linear")]
    assert choose(fits, np.full((1, 3), 81.0), 0).tolist() == [1]
