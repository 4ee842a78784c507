"""What the noise of a layer is expected to be, from the errors that a target tells: for dry runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.noise.action import places
from coldplate.noise.model import LayerNoise, Strings

TURNS = 2  # sx on each qubit, in each twirl
LARGEST = 0.99  # share of what an error can take away


def expected(layer: Layer, generators: Strings, target: Target) -> LayerNoise:
    """A model in which every gate depolarizes by its error: its own, and those of the twirl before it."""
    rates, place = np.zeros(len(generators)), places(layer)
    for qubit in layer.qubits:
        own = within(generators, [place[qubit]])
        rates[own] += TURNS * depolarizing_rate(error_of(target, "sx", (qubit,)), num_qubits=1)
    for gate in layer.gates:
        own = within(generators, [place[qubit] for qubit in gate.qubits])
        rates[own] += depolarizing_rate(error_of(target, gate.name, gate.qubits), num_qubits=2)
    return LayerNoise.given(layer, generators, rates)


def within(generators: Strings, columns: list[int]) -> NDArray[np.bool_]:
    """Which generators act on some qubits only."""
    away = np.ones(generators.x.shape[1], dtype=bool)
    away[columns] = False
    return np.asarray(~generators.support[:, away].any(axis=1))


def error_of(target: Target, name: str, qubits: tuple[int, ...]) -> float:
    """The average infidelity of a gate; 0 where none is told."""
    if name not in target.operation_names:
        return 0.0
    properties = (target[name] or {}).get(qubits)
    return float(getattr(properties, "error", None) or 0.0)


def depolarizing_rate(error: float, *, num_qubits: int) -> float:
    """The rate of each Pauli of a depolarizing channel with some average infidelity.

    With ``d = 2^n`` it leaves ``1 - error d / (d - 1)`` of a Pauli; half of all ``d^2`` anticommute with it.
    """
    dim = 2**num_qubits
    left = 1 - min(error * dim / (dim - 1), LARGEST)
    return float(-np.log(left) / dim**2)
