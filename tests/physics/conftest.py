"""A backend that is exact by construction: dense state vectors, and any readout error one likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from qiskit.circuit import Parameter
from qiskit.transpiler import Target

from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program, pack_bits

Misread = Callable[[np.ndarray, Generator], np.ndarray]  # bits of all measured qubits -> bits as read


def rotation(axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    half = np.asarray(angles)[:, None, None] / 2
    return np.cos(half) * np.eye(2) - 1j * np.sin(half) * axis


X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
MATRICES: dict[str, Callable[..., np.ndarray]] = {
    "rx": lambda angle: rotation(X, angle),
    "ry": lambda angle: rotation(Y, angle),
    "rz": lambda angle: rotation(Z, angle),
    "sx": lambda: rotation(X, np.array([np.pi / 2])),
    "x": lambda: X[None].astype(complex),
    "u": lambda theta, phi, lam: rotation(Z, phi) @ rotation(Y, theta) @ rotation(Z, lam),
}


def amplitudes(item: Item) -> np.ndarray:
    """Final states of all elements, shape ``(num_elements, 2, 2, ...)``, qubit k on axis k + 1."""
    circuit = item.circuit
    values = item.values.reshape(-1, item.values.shape[-1])
    column = {parameter: place for place, parameter in enumerate(circuit.parameters)}
    state = np.zeros((len(values), *[2] * circuit.num_qubits), dtype=complex)
    state[(slice(None), *[0] * circuit.num_qubits)] = 1
    for instruction in circuit.data:
        name = instruction.operation.name
        qubits = [circuit.find_bit(qubit).index + 1 for qubit in instruction.qubits]
        if name in ("cz", "cx"):
            control: list[Any] = [slice(None)] * state.ndim
            control[qubits[0]] = 1
            part = state[tuple(control)]
            axis = qubits[1] - (qubits[1] > qubits[0])
            if name == "cz":
                part = np.moveaxis(part, axis, -1) * [1, -1]
                state[tuple(control)] = np.moveaxis(part, -1, axis)
            else:
                state[tuple(control)] = np.flip(part, axis).copy()
        elif name in MATRICES:
            angles = [
                values[:, column[one]] if isinstance(one, Parameter) else np.full(len(values), float(one))
                for one in instruction.operation.params
            ]
            matrix = np.broadcast_to(MATRICES[name](*angles), (len(values), 2, 2))
            moved = np.moveaxis(state, qubits[0], 1)
            turned = matrix @ moved.reshape(len(values), 2, -1)
            state = np.moveaxis(turned.reshape(moved.shape), 1, qubits[0])
    return state


@dataclass
class ExactBackend:
    """Runs small static circuits without error, but for how bits are read."""

    target: Target
    misread: Misread
    name: str = "exact"
    simulator: bool = False

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """All shots of all items."""
        outcomes, clock = [], program.clock_start
        for item in program.items:
            span = (clock, clock + timedelta(seconds=1))
            outcomes.append(ItemOutcome(self.measure(item, rng), {}, span, metadata={"method": "exact"}))
            clock = span[1]
        return Outcomes(tuple(outcomes), usage_s=0.0)

    def measure(self, item: Item, rng: Generator) -> dict[str, np.ndarray]:
        """Packed bits by register."""
        circuit = item.circuit
        found = {one.clbits[0]: one.qubits[0] for one in circuit.data if one.operation.name == "measure"}
        state = amplitudes(item)
        # qubit 0 counts ones, so it comes last
        weights = np.abs(np.moveaxis(state, 0, -1).T.reshape(len(state), -1)) ** 2
        cumulative = np.cumsum(weights, axis=1)
        draws = rng.random((len(weights), item.shots)) * cumulative[:, -1:]
        rows = zip(cumulative, draws, strict=True)
        states = np.stack([np.searchsorted(row, draw, side="right") for row, draw in rows])
        bits = (states[..., None] >> np.arange(circuit.num_qubits)) & 1
        read = self.misread(bits.astype(bool), rng)
        registers = {}
        for register in circuit.cregs:
            table = np.zeros((*bits.shape[:2], len(register)), dtype=bool)
            for place, bit in enumerate(register):
                if bit in found:
                    table[..., place] = read[..., circuit.find_bit(found[bit]).index]
            registers[register.name] = pack_bits(table).reshape(*item.shape, item.shots, -1)
        return registers


def perfectly(bits: np.ndarray, _rng: Generator) -> np.ndarray:
    return bits


def independently(zero_as_one: float, one_as_zero: float) -> Misread:
    """Every qubit is misread by itself."""
    return lambda bits, rng: bits ^ (rng.random(bits.shape) < np.where(bits, one_as_zero, zero_as_one))


def in_pairs(together: float, alone: float) -> Misread:
    """Neighbours (0, 1), (2, 3) ... are misread together, and each by itself."""

    def misread(bits: np.ndarray, rng: Generator) -> np.ndarray:
        pairs = rng.random((*bits.shape[:-1], -(-bits.shape[-1] // 2))) < together
        return independently(alone, alone)(bits, rng) ^ np.repeat(pairs, 2, axis=-1)[..., : bits.shape[-1]]

    return misread


READOUTS: dict[str, Misread] = {
    "perfect": perfectly,
    "symmetric": independently(0.05, 0.05),
    "asymmetric": independently(0.02, 0.08),
    "in-pairs": in_pairs(0.03, 0.02),
    "hopeless": independently(0.3, 0.3),
}


@pytest.fixture
def exact() -> Callable[..., ExactBackend]:
    """Makes an exact backend with a named readout error."""

    def make(readout: str = "perfect", *, native: bool = True) -> ExactBackend:
        gates = ["rz", "sx", "x", "cz"] if native else ["u", "rx", "ry", "rz", "cx"]
        return ExactBackend(Target.from_configuration(basis_gates=gates, num_qubits=12), READOUTS[readout])

    return make
