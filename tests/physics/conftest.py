"""Backends that are exact by construction: dense state vectors with any readout error one likes, and Clifford
circuits whose layers have any Pauli-Lindblad noise one likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import stim
from numpy.random import Generator
from qiskit.circuit import Parameter
from qiskit.transpiler import CouplingMap, Target

from coldplate.circuits.angles import Angles
from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program, pack_bits
from coldplate.noise.model import LayerNoise

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


Gates = frozenset[tuple[int, ...]]  # the pairs of a layer
TURNS = ((), ("S",), ("Z",), ("S_DAG",))  # by quarters


@dataclass
class LindbladDevice:
    """Runs static Clifford circuits; behind every run of two-qubit gates is the noise of that layer.

    Attributes:
        readout: Probability that a bit is misread.
        preparation: Probability that a qubit starts as 1.
    """

    models: tuple[LayerNoise, ...]
    num_qubits: int = 4
    readout: float = 0.0
    preparation: float = 0.0
    name: str = "lindblad"
    simulator: bool = False
    noise: Mapping[Gates, LayerNoise] = field(init=False)
    target: Target = field(init=False)

    def __post_init__(self) -> None:
        self.noise = {frozenset(gate.qubits for gate in one.layer.gates): one for one in self.models}
        self.target = Target.from_configuration(
            ["rz", "sx", "x", "cz"],
            num_qubits=self.num_qubits,
            coupling_map=CouplingMap.from_line(self.num_qubits),
        )

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """All shots of all items."""
        span = (program.clock_start, program.clock_start + timedelta(seconds=1))
        return Outcomes(tuple(ItemOutcome(self.measure(item, rng), {}, span) for item in program.items), 0.0)

    def measure(self, item: Item, rng: Generator) -> dict[str, np.ndarray]:
        """Packed bits by register; elements that differ by Paulis are sampled together."""
        quarters = self.quarters(item)
        _, of = np.unique(quarters % 2, axis=0, return_inverse=True)
        bits = np.zeros((len(quarters), item.shots, item.circuit.num_clbits), dtype=bool)
        for group in range(of.max() + 1):
            members = np.flatnonzero(of.ravel() == group)
            circuit, flips, clbits = self.write(item, quarters[members])
            sampler = circuit.compile_sampler(seed=int(rng.integers(2**62)))
            table = sampler.sample(len(members) * item.shots).reshape(len(members), item.shots, -1)
            table = table ^ flips[:, None] ^ (rng.random(table.shape) < self.readout)
            for record, clbit in enumerate(clbits):
                bits[members, :, clbit] = table[..., record]
        registers = {}
        for register in item.circuit.cregs:
            columns = [item.circuit.find_bit(bit).index for bit in register]
            registers[register.name] = pack_bits(bits[..., columns]).reshape(*item.shape, item.shots, -1)
        return registers

    def quarters(self, item: Item) -> np.ndarray:
        """Quarter turns of every rz, shape ``(num_elements, num_rz)``."""
        angles = Angles(item.circuit.parameters, item.flat_values)
        number = len(item.flat_values)
        turns = [
            np.broadcast_to(angles.of(one.params[0]), number) for one in item.circuit.data if one.name == "rz"
        ]
        found = np.stack(turns, axis=1) / (np.pi / 2) if turns else np.zeros((number, 0))
        assert np.allclose(found, np.round(found), atol=1e-6)
        return np.round(found).astype(int) % 4

    def write(self, item: Item, quarters: np.ndarray) -> tuple[stim.Circuit, np.ndarray, list[int]]:
        """The first of some elements, which records are flipped in each of them, and the bits they set.

        Half a turn more is a Z, and Paulis are followed to the measurements.
        """
        width, number = item.circuit.num_qubits, 0
        lines = [f"X_ERROR({self.preparation}) {qubit}" for qubit in range(width)]
        x, z = np.zeros((2, width, len(quarters)), dtype=bool)
        flips, clbits = [], []
        pairs: list[tuple[int, ...]] = []
        for one in item.circuit.data:
            places = [item.circuit.find_bit(qubit).index for qubit in one.qubits]
            if one.name == "barrier":
                continue
            if len(places) != 2 and pairs:
                lines += self.disturb(pairs)
                pairs = []
            if one.name == "rz":
                (place,), turned = places, quarters[:, number]
                lines += [f"{gate} {place}" for gate in TURNS[turned[0]]]
                if turned[0] % 2:
                    z[place] ^= x[place]
                z[place] ^= (turned - turned[0]) % 4 == 2
                number += 1
            elif one.name == "measure":
                lines.append(f"M {places[0]}")
                flips.append(x[places[0]].copy())
                clbits.append(item.circuit.find_bit(one.clbits[0]).index)
            elif one.name == "cz":
                lines.append(f"CZ {places[0]} {places[1]}")
                z[places[0]] ^= x[places[1]]
                z[places[1]] ^= x[places[0]]
                pairs.append(tuple(places))
            else:
                lines.append({"sx": "SQRT_X", "x": "X"}[one.name] + f" {places[0]}")
                x[places[0]] ^= z[places[0]] & (one.name == "sx")
        return stim.Circuit("\n".join(lines)), np.array(flips).T, clbits

    def disturb(self, pairs: list[tuple[int, ...]]) -> list[str]:
        """The noise behind a layer."""
        one = self.noise.get(frozenset(pairs))
        if one is None:
            return []
        lines = []
        for (letters, places), rate in zip(one.generators.sparse(), one.rates, strict=True):
            targets = [
                f"{letter}{one.layer.qubits[place]}" for letter, place in zip(letters, places, strict=True)
            ]
            lines.append(f"E({float(-np.expm1(-2 * rate)) / 2!r}) {' '.join(targets)}")
        return lines


@pytest.fixture
def lindblad() -> Callable[..., LindbladDevice]:
    """Makes a device with the noise of some layers."""
    return lambda *models, **settings: LindbladDevice(models, **settings)
