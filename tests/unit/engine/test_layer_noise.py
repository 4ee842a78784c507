"""Which model a layer gets: of the same content first, else of the same gates, on the qubits of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_allclose

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.engine.layer_noise import matched
from coldplate.engine.learner import most_used
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise, Strings

GATE, OTHER = LayerGate((1, 2), "cz"), LayerGate((3, 4), "cz")


def layer(*qubits: int, gates: Sequence[LayerGate] = (GATE,)) -> Layer:
    return Layer(tuple(gates), qubits)


def model(one: Layer, rate: float = 0.01) -> LayerNoise:
    width = len(one.qubits)
    generators = local_strings(width, tuple((place, place + 1) for place in range(width - 1)))
    return LayerNoise.given(one, generators, rate * (1 + np.arange(len(generators))))


def test_the_same_content_comes_first():
    models = [model(layer(1, 2, 5)), model(layer(1, 2))]
    assert matched([layer(1, 2)], models)[layer(1, 2)] is models[1]


def test_a_layer_without_a_model_counts_as_free_of_noise():
    assert matched([layer(3, 4, gates=[OTHER])], [model(layer(1, 2))]) == {}


def test_the_first_of_several_with_the_same_gates_is_taken():
    models = [model(layer(1, 2, 5), rate) for rate in (0.01, 0.02)]
    found = matched([layer(0, 1, 2)], models)[layer(0, 1, 2)]
    assert_allclose(found.rates[0], models[0].rates[0])


@pytest.mark.parametrize("qubits", [(1, 2), (0, 1, 2, 7), (1, 2, 5, 9)], ids=["fewer", "others", "more"])
def test_what_is_known_of_qubits_that_both_twirl_stays_true(qubits):
    """Pauli strings on those qubits are damped as the part of the model says that acts on them alone."""
    known, other = model(layer(1, 2, 5)), layer(*qubits)
    found = known.on(other)
    shared = [place for place, qubit in enumerate(known.layer.qubits) if qubit in qubits]
    inside = ~np.delete(known.generators.support, shared, axis=1).any(axis=1)
    part = LayerNoise.given(
        known.layer, Strings(known.generators.x[inside], known.generators.z[inside]), known.rates[inside]
    )
    for letters in ("x", "z"):
        strings, moved = np.zeros((2, 1, 3), dtype=bool), np.zeros((2, 1, len(qubits)), dtype=bool)
        axis = "xz".index(letters)
        strings[axis, 0, shared] = True
        moved[axis, 0, [qubits.index(known.layer.qubits[place]) for place in shared]] = True
        assert_allclose(found.fidelities(Strings(*moved)), part.fidelities(Strings(*strings)))


def test_layers_are_learnt_by_use_and_then_by_gates():
    rare, often = layer(3, 4, gates=[OTHER]), layer(1, 2)
    large = layer(1, 2, 3, 4, gates=[GATE, OTHER])
    assert most_used([rare, often, large, often], None) == [often, large, rare]
    assert most_used([rare, often, large, often], 2) == [often, large]
    assert most_used([rare], 0) == []
