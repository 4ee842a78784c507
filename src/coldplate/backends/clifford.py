"""Clifford components of any width on stim, with noise as Pauli channels."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import stim
from numpy.random import Generator
from qiskit.circuit import CircuitInstruction

from coldplate.backends.noise import DeviceNoise, GateNoise, Relaxation
from coldplate.backends.sampling import Bits, Groups
from coldplate.circuits.angles import Angles, is_free
from coldplate.circuits.components import Component
from coldplate.circuits.matrices import unitary
from coldplate.circuits.timing import delay_seconds
from coldplate.errors import NotIsa

DIGITS = 6  # of angles, to which a gate is a Clifford gate
CHANNELS = {1: "DEPOLARIZE1", 2: "DEPOLARIZE2"}

Steps = tuple[tuple[str, tuple[int, ...]], ...]  # stim gates on a gate's own qubits


def run(
    component: Component,
    angles: Angles,
    noise: DeviceNoise | None,
    *,
    shots: int,
    dt: float | None,
    rest_s: float | None,
    rng: Generator,
) -> Bits:
    """Shots of a component without control flow, bits in the order of its `clbits`.

    Args:
        dt: Unit of delays, seconds.
        rest_s: Time between shots that run into each other; None: every shot begins at 0.

    Returns:
        Shape ``(num_elements, shots, num_clbits)``.

    Raises:
        NotIsa: A gate is not a Clifford gate.
    """
    used = [value for one in component.instructions for value in one.params if is_free(value)]
    groups = Groups.by(angles.values[:, angles.columns(used)])
    found = np.empty((len(groups.of), shots, len(component.clbits)), dtype=bool)
    for first, members in zip(groups.first, groups.members(), strict=True):
        writer = Writer(component, noise, dt)
        writer.add(component.instructions, angles.at(np.array([first])))
        seed = int(rng.integers(2**63))
        if rest_s is None:
            table = writer.circuit.compile_sampler(seed=seed).sample(len(members) * shots)
            bits = table.reshape(len(members), shots, -1)
        else:
            writer.rest(rest_s)
            table = (writer.circuit * shots).compile_sampler(seed=seed).sample(len(members))
            bits = table.reshape(len(members), shots, -1)
        found[members] = bits[..., writer.last]
    return found


class Writer:
    """Writes a component as a stim circuit.

    Attributes:
        last: For each bit of the component, the record of its last measurement.
    """

    def __init__(self, component: Component, noise: DeviceNoise | None, dt: float | None):
        self.circuit = stim.Circuit()
        self.last: list[int] = [0] * len(component.clbits)
        self._component, self._noise, self._dt = component, noise, dt
        self._place = {qubit: index for index, qubit in enumerate(component.wires)}
        self._records = 0

    def add(self, instructions: Iterable[CircuitInstruction], angles: Angles) -> None:
        """Append instructions, with the angles of one element."""
        for instruction in instructions:
            name = instruction.name
            places = [self._place[qubit] for qubit in instruction.qubits]
            if name == "measure":
                self.circuit.append("M", places)
                self.last[self._component.bits.index(instruction.clbits[0])] = self._records
                self._records += 1
            elif name == "reset":
                self.circuit.append("R", places)
            elif name == "delay":
                self._idle(places[0], delay_seconds(instruction.operation, dt=self._dt))
            else:
                for gate, local in steps(instruction, angles):
                    self.circuit.append(gate, [places[qubit] for qubit in local])
                self._disturb(name, places)

    def rest(self, seconds: float) -> None:
        """All qubits wait."""
        for place in range(len(self._component.wires)):
            self._idle(place, seconds)

    def _idle(self, place: int, seconds: float) -> None:
        if self._noise is not None:
            self._relax(place, self._noise.relaxation(self._component.qubits[place], seconds))

    def _disturb(self, name: str, places: list[int]) -> None:
        if self._noise is None:
            return
        found = self._noise.gate(name, tuple(self._component.qubits[place] for place in places))
        if found is None:
            return
        if found.depolarization:
            self.circuit.append(CHANNELS[len(places)], places, depolarizing_rate(found))
        for place, relaxation in zip(places, found.relaxations, strict=True):
            self._relax(place, relaxation)

    def _relax(self, place: int, relaxation: Relaxation) -> None:
        if any(relaxation.paulis):
            self.circuit.append("PAULI_CHANNEL_1", [place], relaxation.paulis)


def depolarizing_rate(noise: GateNoise) -> float:
    """The probability of any Pauli but the identity."""
    share = 4.0 ** -len(noise.relaxations)
    return min(1.0, noise.depolarization * (1 - share))


def steps(instruction: CircuitInstruction, angles: Angles) -> Steps:
    """A gate as stim's own gates.

    Raises:
        NotIsa: It is not a Clifford gate.
    """
    found = unitary(instruction, angles)
    one = found if found.ndim == 2 else found[0]
    leading = one.flat[np.flatnonzero(np.abs(one) > 0.1)[0]]
    rounded = np.round(one * (abs(leading) / leading), DIGITS) + 0.0  # without a phase, and without -0
    known = decompose(rounded.tobytes(), len(rounded))
    if known is None:
        shown = ", ".join(f"{np.atleast_1d(angles.of(value))[0]:.6g}" for value in instruction.params[:3])
        raise NotIsa(
            f"{instruction.name}({shown}) is not a Clifford gate, and this backend runs no others.",
            solution="Use angles that are multiples of pi/2, or another backend.",
        )
    return known


@cache
def decompose(table: bytes, size: int) -> Steps | None:
    """A unitary as stim's gates; None when it is not Clifford."""
    gate = np.frombuffer(table, dtype=np.complex128).reshape(size, size)
    try:
        tableau = stim.Tableau.from_unitary_matrix(gate, endian="little")
    except ValueError:
        return None
    # stim takes the nearest Clifford of some that are none
    overlap = np.vdot(tableau.to_unitary_matrix(endian="little"), gate) / size
    if abs(abs(overlap) - 1) > 10**-DIGITS:
        return None
    return tuple(
        (one.name, tuple(target.value for target in group))
        for one in tableau.to_circuit()
        for group in one.target_groups()
    )
