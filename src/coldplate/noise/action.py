"""What a layer does to Pauli strings, as arrays of bits over its qubits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Gate, QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford

from coldplate.circuits.conjugation import conjugated, conjugation
from coldplate.circuits.layers import Layer, LayerGate
from coldplate.errors import IncompatibleOptions

Bits = NDArray[np.bool_]

STANDARD = get_standard_gate_name_mapping()


@cache
def gate_of(name: str, params: tuple[float, ...]) -> Gate:
    """A standard gate by its name."""
    known = STANDARD[name]
    return type(known)(*params) if params else known


def append(gate: LayerGate, circuit: QuantumCircuit, qubits: Sequence[int]) -> None:
    """Add a layer's gate to a circuit, on some of its qubits."""
    circuit.append(gate_of(gate.name, gate.params), list(qubits))


def places(layer: Layer) -> dict[int, int]:
    """The place among the layer's qubits of each of them."""
    return {qubit: place for place, qubit in enumerate(layer.qubits)}


def circuit_of(layer: Layer) -> QuantumCircuit:
    """The gates of a layer, on as many qubits as it has."""
    circuit, place = QuantumCircuit(len(layer.qubits)), places(layer)
    for gate in layer.gates:
        append(gate, circuit, [place[qubit] for qubit in gate.qubits])
    return circuit


def conjugate(layer: Layer, x: Bits, z: Bits) -> tuple[Bits, Bits]:
    """Pauli strings as they are after a layer, up to their signs.

    Args:
        x, z: Where the strings have X or Y, and Z or Y; shape ``(..., len(layer.qubits))``.
    """
    x, z, place = x.copy(), z.copy(), places(layer)
    for gate in layer.gates:
        table = conjugation(gate_of(gate.name, gate.params))
        columns = [place[qubit] for qubit in gate.qubits]
        x[..., columns], z[..., columns] = conjugated(table, x[..., columns], z[..., columns])
    return x, z


def clifford(gate: LayerGate) -> Clifford:
    """A gate of a layer as a Clifford.

    Raises:
        IncompatibleOptions: It isn't one.
    """
    try:
        return Clifford(gate_of(gate.name, gate.params))
    except QiskitError:
        angles = ", ".join(f"{value:.6g}" for value in gate.params)
        raise IncompatibleOptions(
            f"{gate.name}({angles}) on qubits {list(gate.qubits)} is not a Clifford gate, so the noise of "
            "its layer can't be learnt.",
            solution="Use entangling gates that are Clifford gates.",
        ) from None


def square(layer: Layer) -> tuple[Bits, Bits]:
    """The Pauli string that a layer twice is, by what it does: whether it flips X, and Z, of each qubit.

    Raises:
        IncompatibleOptions: It isn't one, or a gate is not Clifford; then the noise can't be learnt in pairs.
    """
    flips, place = np.zeros((2, len(layer.qubits)), dtype=bool), places(layer)
    for gate in layer.gates:
        once = clifford(gate)
        twice = once.compose(once)
        if not np.array_equal(twice.symplectic_matrix, np.eye(2 * len(gate.qubits))):
            raise IncompatibleOptions(
                f"{gate.name} on qubits {list(gate.qubits)} is not its own inverse, and noise is learnt in "
                "pairs of layers that undo each other.",
                solution="Use cz, ecr, cx or another entangling gate that is its own inverse.",
            )
        flips[:, [place[qubit] for qubit in gate.qubits]] = twice.phase.reshape(2, -1)
    return flips[0], flips[1]
