"""Sparse Pauli-Lindblad models: what is known about the noise of a layer.

The noise of a twirled layer is ``exp(sum_k rate_k (P_k . P_k - .))`` with Pauli strings P_k on single qubits
and coupled pairs. It damps a Pauli string by exp(-2 x the sum of the rates of the strings that anticommute
with it), and probabilities, scaling and the inverse are as simple.

Source: van den Berg, Minev, Kandala, Temme, Nature Physics 19, 1116 (2023), arXiv:2201.09866.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import PauliLindbladMap, PauliList, QubitSparsePauliList

from coldplate.circuits.layers import Layer
from coldplate.noise.action import conjugate

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]

LETTERS = np.array(["I", "Z", "X", "Y"])  # by 2 x + z


@dataclass(frozen=True)
class Strings:
    """Pauli strings without their signs.

    Attributes:
        x, z: Where a string has X or Y, and Z or Y; shape ``(num_strings, num_qubits)``.
    """

    x: Bits
    z: Bits

    def __len__(self) -> int:
        return len(self.x)

    @property
    def support(self) -> Bits:
        """Where a string is not the identity."""
        return self.x | self.z

    @property
    def paulis(self) -> PauliList:
        """As Qiskit's list."""
        return PauliList.from_symplectic(self.z, self.x)

    def sparse(self) -> list[tuple[str, list[int]]]:
        """Letters and the qubits they are on, qubits ascending."""
        letters = LETTERS[2 * self.x + self.z]
        return [
            ("".join(row[places]), places.tolist())
            for row, places in zip(letters, map(np.flatnonzero, self.support), strict=True)
        ]

    def anticommute(self, other: Strings) -> Bits:
        """Which strings anticommute, shape ``(len(self), len(other))``."""
        # counts of qubits on which they differ are exact in floating point, and that product is fast
        own, theirs = self.x.astype(np.float64), self.z.astype(np.float64)
        odd = own @ other.z.T.astype(np.float64) + theirs @ other.x.T.astype(np.float64)
        found: Bits = odd % 2 == 1
        return found


@dataclass(frozen=True)
class LayerNoise:
    """The noise of a layer.

    Attributes:
        layer: What it is the noise of.
        generators: Pauli strings on the layer's qubits.
        rates: One per generator.
        stds: Their standard errors, zero where they are given rather than learnt.
    """

    layer: Layer
    generators: Strings
    rates: Floats
    stds: Floats

    @classmethod
    def given(cls, layer: Layer, generators: Strings, rates: Sequence[float] | Floats) -> LayerNoise:
        """A model that is known."""
        found = np.asarray(rates, dtype=np.float64)
        return cls(layer, generators, found, np.zeros_like(found))

    def on(self, layer: Layer) -> LayerNoise:
        """What it says of a layer with the same gates, and perhaps other twirled qubits beside them."""
        place = {qubit: column for column, qubit in enumerate(layer.qubits)}
        own = [column for column, qubit in enumerate(self.layer.qubits) if qubit in place]
        away = [column for column, qubit in enumerate(self.layer.qubits) if qubit not in place]
        kept = ~self.generators.support[:, away].any(axis=1)
        x, z = np.zeros((2, int(kept.sum()), len(layer.qubits)), dtype=bool)
        there = [place[self.layer.qubits[column]] for column in own]
        x[:, there], z[:, there] = self.generators.x[kept][:, own], self.generators.z[kept][:, own]
        return LayerNoise(layer, Strings(x, z), self.rates[kept], self.stds[kept])

    @property
    def channel(self) -> PauliLindbladMap:
        """As Qiskit's map, on as many qubits as the layer has."""
        paulis = QubitSparsePauliList.from_sparse_list(self.generators.sparse(), len(self.layer.qubits))
        return PauliLindbladMap.from_components(self.rates, paulis)

    @property
    def log_gamma(self) -> float:
        """Logarithm of `gamma`; unlike it, always a number."""
        return float(2 * self.rates.clip(0).sum())

    @property
    def gamma(self) -> float:
        """The one-norm of the inverse channel as a sum of Paulis; undoing it costs its square in shots."""
        return float(np.exp(self.log_gamma))

    def fidelities(self, strings: Strings) -> Floats:
        """What is left of Pauli strings after the noise, shape ``(len(strings),)``."""
        return np.asarray(np.exp(-2 * (strings.anticommute(self.generators) @ self.rates)), dtype=np.float64)

    def pair_fidelities(self, strings: Strings) -> Floats:
        """What is left after the layer with its noise, twice; it is all that can be learnt.

        How much of a string is lost in the first layer and how much in the second is not observable apart
        from errors of preparation and measurement.
        """
        moved = Strings(*conjugate(self.layer, strings.x, strings.z))
        return self.fidelities(strings) * self.fidelities(moved)
