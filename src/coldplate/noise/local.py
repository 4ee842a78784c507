"""The Pauli strings that a model is made of, and product bases that show them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import product

import numpy as np
import rustworkx
from numpy.typing import NDArray
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.noise.action import places
from coldplate.noise.model import Strings

Pairs = tuple[tuple[int, int], ...]
X, Y, Z = (True, False), (True, True), (False, True)
PAULIS = (X, Y, Z)


def neighbours(layer: Layer, target: Target, coupling: Collection[tuple[int, int]] | None = None) -> Pairs:
    """Places of a layer's qubits that are coupled: by the device, or by the layer's own gates.

    Args:
        coupling: Instead of the device's.
    """
    own = target.build_coupling_map() if coupling is None else None
    edges: Iterable[Collection[int]] = own.get_edges() if own is not None else coupling or ()
    place = places(layer)
    found = {tuple(sorted(edge)) for edge in edges if set(edge) <= place.keys()}
    found |= {tuple(sorted(gate.qubits)) for gate in layer.gates}
    return tuple(sorted((place[first], place[second]) for first, second in found))


def local_strings(num_qubits: int, pairs: Pairs) -> Strings:
    """X, Y and Z on every qubit, and their nine products on every pair."""
    number = 3 * num_qubits + 9 * len(pairs)
    x, z = np.zeros((2, number, num_qubits), dtype=bool)
    row = 0
    for qubit in range(num_qubits):
        for letter in PAULIS:
            x[row, qubit], z[row, qubit] = letter
            row += 1
    for first, second in pairs:
        for one, other in product(PAULIS, PAULIS):
            x[row, first], z[row, first] = one
            x[row, second], z[row, second] = other
            row += 1
    return Strings(x, z)


def product_bases(num_qubits: int, pairs: Pairs) -> Strings:
    """Letters for all qubits such that every pair shows all nine combinations; nine for up to 4 colours.

    Qubits of one colour are measured alike. Colours get the columns of an orthogonal array of strength 2,
    the linear forms over three elements, so any two of them run through all combinations equally often.
    """
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(num_qubits))
    graph.add_edges_from([(first, second, None) for first, second in pairs])
    colours = rustworkx.graph_greedy_color(graph)
    needed, power = len(set(colours.values())), 2
    while (3**power - 1) // 2 < needed:
        power += 1
    table = orthogonal_array(power)
    letters = np.stack([table[:, colours[qubit]] for qubit in range(num_qubits)], axis=1)
    found = np.array(PAULIS)[letters]
    return Strings(found[..., 0], found[..., 1])


def orthogonal_array(power: int) -> NDArray[np.intp]:
    """Rows of 0, 1 and 2, such that any two columns hold all nine pairs equally often.

    Shape ``(3**power, (3**power - 1) // 2)``: the columns are linear forms, one for each direction.
    """
    vectors = np.array(list(product(range(3), repeat=power)), dtype=np.intp)
    forms = [v for v in vectors if v.any() and v[np.flatnonzero(v)[0]] == 1]
    found: NDArray[np.intp] = vectors @ np.array(forms).T % 3
    return found


def shown(strings: Strings, bases: Strings) -> NDArray[np.bool_]:
    """Which strings each basis shows, shape ``(num_bases, num_strings)``."""
    found = []
    for x, z in zip(bases.x, bases.z, strict=True):
        differs = ((strings.x ^ x) | (strings.z ^ z)) & strings.support
        found.append(~differs.any(axis=1))
    return np.array(found)
