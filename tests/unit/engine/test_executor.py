"""Executor: arguments and samplexes are broadcast to the item's shape as samplomatic's own runner does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample
from samplomatic import ChangeBasis, Twirl, build

from coldplate.engine.executor import circuit_item, draw, samplex_item
from coldplate.errors import BadInput


def sweep(num_parameters: int = 1) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    for index in range(num_parameters):
        circuit.rz(Parameter(f"t{index}"), 0)
    return circuit


@pytest.fixture(scope="module")
def boxed():
    circuit = QuantumCircuit(2)
    with circuit.box([Twirl()]):
        circuit.rz(Parameter("a"), 0)
        circuit.sx(0)
        circuit.cz(0, 1)
    with circuit.box([Twirl(), ChangeBasis(ref="m")]):
        circuit.measure_all()
    template, samplex = build(circuit)
    return template, samplex.finalize()


def arguments(*shape: int) -> dict[str, np.ndarray]:
    return {
        "parameter_values": np.arange(np.prod(shape), dtype=float).reshape(*shape, 1),
        "basis_changes.m": np.zeros(2, dtype=np.uint8),
    }


@pytest.mark.parametrize(
    ("given", "shape"),
    [((1,), ()), ((3, 1), (3,)), ((3, 1), (5, 3)), ((1, 1), (4,)), ((1, 3, 1), (2, 3))],
)
def test_circuit_arguments_are_broadcast_to_the_shape(given, shape):
    values = np.arange(np.prod(given), dtype=float).reshape(given)
    item = circuit_item(sweep(), values, shape=shape, shots=3, index=0)
    assert item.shape == shape
    assert_array_equal(item.values, np.broadcast_to(values, (*shape, 1)))


def test_a_circuit_without_parameters_has_an_empty_last_axis():
    item = circuit_item(QuantumCircuit(1), np.zeros(0), shape=(4,), shots=3, index=0)
    assert item.values.shape == (4, 0)


@pytest.mark.parametrize(
    ("given", "shape", "says"),
    [((2,), (), "a circuit with 1 parameters"), ((3, 1), (2,), "don't broadcast to"), ((), (), "shape")],
)
def test_circuit_arguments_that_do_not_fit_are_refused(given, shape, says):
    with pytest.raises(BadInput, match=says):
        circuit_item(sweep(), np.zeros(given), shape=shape, shots=3, index=0)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        pytest.param((), (6,), id="only-randomizations"),
        pytest.param((3,), (4, 3), id="randomizations-first"),
        pytest.param((3, 1), (3, 4), id="randomizations-last"),
        pytest.param((2, 1, 3), (2, 4, 3), id="randomizations-between"),
        pytest.param((3,), (3,), id="only-a-sweep"),
        pytest.param((), (), id="one"),
    ],
)
def test_samples_are_those_of_the_official_runner(boxed, given, shape):
    _, samplex = boxed
    bound = samplex.inputs().make_broadcastable().bind(**arguments(*given))
    expected = broadcast_sample(samplex, bound, shape, np.random.default_rng(5))
    drawn = draw(samplex, arguments(*given), shape=shape, rng=np.random.default_rng(5))
    assert drawn.keys() == expected.keys()
    for name, values in expected.items():
        assert drawn[name].dtype == values.dtype
        assert_array_equal(drawn[name], values)


def test_what_a_samplex_draws_beside_angles_goes_along_unchanged(boxed, rng):
    template, samplex = boxed
    item = samplex_item(template, samplex, arguments(3), shape=(4, 3), shots=7, rng=rng, index=0)
    assert item.shape == (4, 3)
    assert list(item.side) == ["measurement_flips.meas"]
    assert item.side["measurement_flips.meas"].shape == (4, 3, 1, 2)


@pytest.mark.parametrize(
    ("change", "shape", "says"),
    [
        ({"unheard_of": np.zeros(1)}, (3,), "unheard_of"),
        ({"parameter_values": np.zeros((3, 5))}, (3,), "can't be sampled"),
        ({}, (2,), "can't be sampled"),
    ],
)
def test_samplex_arguments_that_do_not_fit_are_refused(boxed, change, shape, says, rng):
    template, samplex = boxed
    given = {**arguments(3), **change}
    with pytest.raises(BadInput, match=says):
        samplex_item(template, samplex, given, shape=shape, shots=1, rng=rng, index=2)


def test_a_samplex_of_another_circuit_is_refused(boxed, rng):
    _, samplex = boxed
    with pytest.raises(BadInput, match="its circuit has 1"):
        samplex_item(sweep(), samplex, arguments(3), shape=(3,), shots=1, rng=rng, index=0)
