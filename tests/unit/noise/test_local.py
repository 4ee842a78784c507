"""The strings of a model, and bases that show them all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit.transpiler import CouplingMap, Target

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.noise.local import local_strings, neighbours, orthogonal_array, product_bases, shown

CHAIN = tuple((place, place + 1) for place in range(9))
RING = (*((place, place + 1) for place in range(4)), (0, 4))
COMPLETE = tuple(combinations(range(5), 2))
GRAPHS = {"chain": (10, CHAIN), "odd-ring": (5, RING), "complete": (5, COMPLETE), "lone": (1, ())}


@pytest.mark.parametrize(("num_qubits", "pairs"), GRAPHS.values(), ids=GRAPHS)
def test_bases_show_every_string(num_qubits, pairs):
    bases = product_bases(num_qubits, pairs)
    assert shown(local_strings(num_qubits, pairs), bases).any(axis=0).all()
    assert (bases.x | bases.z).all()


@pytest.mark.parametrize("graph", ["chain", "odd-ring", "lone"])
def test_nine_bases_are_enough_for_devices(graph):
    assert len(product_bases(*GRAPHS[graph])) == 9


@pytest.mark.parametrize("power", [2, 3])
def test_any_two_columns_hold_every_pair_equally_often(power):
    table = orthogonal_array(power)
    for first, second in combinations(table.T, 2):
        assert_array_equal(np.bincount(3 * first + second), 3 ** (power - 2))


def test_there_are_3_strings_per_qubit_and_9_per_pair_all_different():
    found = local_strings(10, CHAIN)
    assert len(found) == 3 * 10 + 9 * 9
    assert len(set(found.paulis.to_labels())) == len(found)
    assert found.support.sum(axis=1).max() == 2


def test_neighbours_are_coupled_qubits_of_the_layer_and_pairs_of_its_gates():
    target = Target.from_configuration(["cz"], num_qubits=8, coupling_map=CouplingMap.from_line(8))
    layer = Layer((LayerGate((7, 2), "cz"),), (1, 2, 3, 7))
    assert neighbours(layer, target) == ((0, 1), (1, 2), (1, 3))
    assert neighbours(layer, target, {(1, 3), (3, 1), (0, 1)}) == ((0, 2), (1, 3))
    assert neighbours(layer, Target.from_configuration(["cz"], num_qubits=8)) == ((1, 3),)
