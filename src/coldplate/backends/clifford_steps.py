"""A component as steps that a Clifford simulation takes, read once for all elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qiskit.circuit import CircuitInstruction

from coldplate.backends.clifford_gates import Moves, moves
from coldplate.backends.noise import DeviceNoise, GateNoise
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.circuits.timing import delay_seconds

Damping = tuple[float, float, float]  # what is left of X, Y and Z

NONE: Damping = (1.0, 1.0, 1.0)


class Channel(NamedTuple):
    """Pauli noise after a gate.

    Attributes:
        depolarizing: Probability of any Pauli but the identity on two qubits.
        dampings: Of each qubit by itself.
    """

    depolarizing: float
    dampings: tuple[Damping, ...]


class Step(NamedTuple):
    """What one instruction does.

    Attributes:
        instruction: As it stands in the circuit.
        places: Its qubits in the component.
        moves: Of a gate; None where they depend on the element.
        channel: What follows; None: nothing.
        bit: That a measurement is written to, as a place in the component.
    """

    instruction: CircuitInstruction
    places: tuple[int, ...]
    moves: Moves | None = ()
    channel: Channel | None = None
    bit: int = -1


def read(component: Component, angles: Angles, noise: DeviceNoise | None, *, dt: float | None) -> list[Step]:
    """The steps of a component.

    Args:
        angles: Of any elements; only those that are numbers are read.
        dt: Unit of delays, seconds.

    Raises:
        NotIsa: A gate without parameters is not a Clifford gate.
    """
    bits = {bit: place for place, bit in enumerate(component.bits)}
    channels: dict[tuple[str, tuple[int, ...]], Channel | None] = {}
    found = []
    for instruction in component.instructions:
        name = instruction.name
        places = tuple(component.place_of[qubit] for qubit in instruction.qubits)
        qubits = tuple(component.qubits[place] for place in places)
        if name == "measure":
            found.append(Step(instruction, places, bit=bits[instruction.clbits[0]]))
        elif name == "reset":
            found.append(Step(instruction, places))
        elif name == "delay":
            found.append(Step(instruction, places, channel=waiting(instruction, qubits, noise, dt)))
        else:
            if (name, places) not in channels:
                channels[name, places] = channel(noise.gate(name, qubits)) if noise else None
            own = None if instruction.is_parameterized() else moves(instruction, angles)
            found.append(Step(instruction, places, own, channels[name, places]))
    return found


def waiting(
    instruction: CircuitInstruction, qubits: Sequence[int], noise: DeviceNoise | None, dt: float | None
) -> Channel | None:
    """What a delay does."""
    return resting(noise, qubits, delay_seconds(instruction.operation, dt=dt)) if noise else None


def resting(noise: DeviceNoise, qubits: Sequence[int], seconds: float) -> Channel | None:
    """What time does to some qubits."""
    return channel(GateNoise(tuple(noise.relaxation(qubit, seconds) for qubit in qubits)))


def channel(noise: GateNoise | None) -> Channel | None:
    """Gate noise as Pauli noise."""
    if noise is None:
        return None
    dampings = tuple(damping(*one.paulis) for one in noise.relaxations)
    if len(dampings) == 1:
        kept = 1.0 - noise.depolarization
        return Channel(0.0, ((kept * dampings[0][0], kept * dampings[0][1], kept * dampings[0][2]),))
    share = 4.0 ** -len(dampings)
    return Channel(min(1.0, noise.depolarization * (1 - share)), dampings)


def damping(x: float, y: float, z: float) -> Damping:
    """What is left of X, Y and Z by flips of these probabilities."""
    return 1 - 2 * (y + z), 1 - 2 * (x + z), 1 - 2 * (x + y)


def flips(left: Damping) -> tuple[float, float, float]:
    """The inverse of `damping`; what rounding makes negative is 0."""
    x, y, z = left
    shares = ((1 + x - y - z) / 4, (1 - x + y - z) / 4, (1 - x - y + z) / 4)
    return max(0.0, shares[0]), max(0.0, shares[1]), max(0.0, shares[2])
