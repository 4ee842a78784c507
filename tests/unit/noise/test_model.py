"""A layer's model against Qiskit's own maps, and what a layer does to strings against its Clifford."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Clifford, Pauli, PauliList, QubitSparsePauli

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.errors import IncompatibleOptions
from coldplate.noise.action import circuit_of, conjugate, square
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise, Strings

GATES = [LayerGate((3, 1), "ecr"), LayerGate((4, 8), "cz"), LayerGate((5, 7), "cx")]
LAYER = Layer(tuple(sorted(GATES)), (1, 2, 3, 4, 5, 7, 8))
CHAIN = tuple((place, place + 1) for place in range(6))


def strings(labels: list[str]) -> Strings:
    paulis = PauliList(labels)
    return Strings(paulis.x, paulis.z)


@pytest.fixture
def model() -> LayerNoise:
    generators = local_strings(len(LAYER.qubits), CHAIN)
    rates = np.random.default_rng(5).exponential(0.01, len(generators))
    return LayerNoise.given(LAYER, generators, rates)


def random_strings(number: int) -> Strings:
    rng = np.random.default_rng(3)
    return Strings(*(rng.random((2, number, len(LAYER.qubits))) < 0.5))


def test_fidelities_are_those_of_the_map(model):
    some = random_strings(20)
    expected = [model.channel.pauli_fidelity(QubitSparsePauli(one)) for one in some.paulis]
    assert_allclose(model.fidelities(some), expected, rtol=1e-12)


def test_gamma_is_that_of_the_inverse(model):
    assert_allclose(model.gamma, model.channel.inverse().gamma(), rtol=1e-12)


def test_a_string_and_what_the_layer_makes_of_it_have_the_same_pair_fidelity(model):
    some = random_strings(20)
    moved = Strings(*conjugate(LAYER, some.x, some.z))
    assert_allclose(model.pair_fidelities(some), model.pair_fidelities(moved), rtol=1e-12)


def test_strings_move_through_a_layer_as_its_clifford_moves_them():
    some, whole = random_strings(30), Clifford(circuit_of(LAYER))
    moved = Strings(*conjugate(LAYER, some.x, some.z)).paulis
    for before, after in zip(some.paulis, moved, strict=True):
        expected = Pauli(before).evolve(whole, frame="s")
        assert_array_equal([after.x, after.z], [expected.x, expected.z])


def test_sparse_letters_name_the_string():
    assert strings(["XIZ", "IYI"]).sparse() == [("ZX", [0, 2]), ("Y", [1])]


def test_strings_anticommute_as_paulis_do():
    one, other = random_strings(12), random_strings(9)
    expected = [[a.anticommutes(b) for b in other.paulis] for a in one.paulis]
    assert_array_equal(one.anticommute(other), expected)


@pytest.mark.parametrize("name", ["cz", "cx", "ecr", "swap", "dcx", "cy"])
@pytest.mark.parametrize("letter", ["X", "Z"])
def test_a_layer_twice_is_the_pauli_that_its_square_says(name, letter):
    layer = Layer((LayerGate((0, 1), name),), (0, 1))
    if name == "dcx":
        with pytest.raises(IncompatibleOptions, match="dcx on qubits .* not its own inverse"):
            square(layer)
        return
    circuit: QuantumCircuit = circuit_of(layer)
    twice = Clifford(circuit.compose(circuit))
    for qubit in (0, 1):
        pauli = Pauli("II")
        getattr(pauli, letter.lower())[qubit] = True
        flipped = Pauli(pauli).evolve(twice, frame="s").phase == 2
        assert square(layer)["XZ".index(letter)][qubit] == flipped


def test_rzz_of_a_quarter_turn_squares_to_a_pauli():
    layer = Layer((LayerGate((0, 1), "rzz", (np.pi / 2,)),), (0, 1))
    assert_array_equal(square(layer), [[True, True], [False, False]])
