"""Clifford components of any width on stim, with noise as Pauli channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import stim
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction

from coldplate.backends.device import STANDARD
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
    # a Pauli of one shot would go on into the next where shots run into each other
    frames = Frames.of(component, angles) if rest_s is None else None
    groups = frames.groups if frames else Groups.by(angles.used_by(component.instructions))
    found = np.empty((len(groups.of), shots, len(component.clbits)), dtype=bool)
    for first, members in zip(groups.first, groups.members(), strict=True):
        writer, one = Writer(component, noise, dt), angles.at(np.array([first]))
        writer.add(component.instructions, one)
        seed = int(rng.integers(2**63))
        if rest_s is None:
            table = writer.take().compile_sampler(seed=seed).sample(len(members) * shots)
        else:
            writer.rest(rest_s)
            table = (writer.take() * shots).compile_sampler(seed=seed).sample(len(members))
        bits = table.reshape(len(members), shots, -1)
        if frames and len(members) > 1:
            bits ^= frames.flips(component, one, members)[:, None]
        found[members] = bits[..., writer.last]
    return found


def can_run(component: Component, angles: Angles) -> bool:
    """Whether a component has no control flow, and Clifford gates only for every element."""
    if component.has_control_flow:
        return False
    one = angles.at(np.arange(min(1, len(angles.values))))
    for instruction in component.instructions:
        if instruction.name in ("measure", "reset", "delay", "barrier"):
            continue
        free = [value for value in instruction.params if is_free(value)]
        if any(quarters(np.asarray(angles.of(value))) is None for value in free):
            return False
        try:
            steps(instruction, one)
        except NotIsa:
            return False
    return True


@dataclass(frozen=True)
class Frames:
    """Elements whose circuits differ by Paulis alone: they show the same, but for flips of bits.

    Half a turn about Z more or less is a Z, and a Pauli can be moved to the end of a Clifford circuit,
    through Pauli noise as well. So twirled circuits are one circuit.

    Attributes:
        groups: Such elements.
        halves: For each rz with a parameter, by its place: which elements have half a turn more than the
            first of their group.
    """

    groups: Groups
    halves: Mapping[int, NDArray[np.bool_]]

    @classmethod
    def of(cls, component: Component, angles: Angles) -> Frames:
        """The frames of a component."""
        keys, odd = [np.zeros((len(angles.values), 0))], {}
        for place, instruction in enumerate(component.instructions):
            free = [value for value in instruction.params if is_free(value)]
            turned = quarters(np.asarray(angles.of(free[0]))) if free and instruction.name == "rz" else None
            if turned is None:
                keys.append(angles.used_by([instruction]))
            else:
                keys.append((turned % 2)[:, None])
                odd[place] = turned % 4 > 1
        groups = Groups.by(np.concatenate(keys, axis=1))
        first = groups.first[groups.of]
        return cls(groups, {place: half ^ half[first] for place, half in odd.items()})

    def flips(self, component: Component, angles: Angles, members: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which measurements of some elements of a group are flipped, shape ``(len(members), num_records)``.

        Args:
            angles: Of the group's first element.
        """
        simulator = stim.FlipSimulator(
            batch_size=len(members),
            disable_stabilizer_randomization=True,
            num_qubits=len(component.wires),
        )
        writer = Writer(component, None, None)
        mask = np.zeros((len(component.wires), len(members)), dtype=bool)
        for place, instruction in enumerate(component.instructions):
            writer.add([instruction], angles)
            half = self.halves[place][members] if place in self.halves else None
            if half is not None and half.any():
                simulator.do(writer.take())
                qubit = component.place_of[instruction.qubits[0]]
                mask[qubit] = half
                simulator.broadcast_pauli_errors(pauli="Z", mask=mask)
                mask[qubit] = False
        simulator.do(writer.take())
        found: NDArray[np.bool_] = simulator.get_measurement_flips().T
        return found


def quarters(turns: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Angles in quarter turns; None when some are none."""
    found = np.round(turns / (np.pi / 2))
    return found if np.abs(turns - found * (np.pi / 2)).max(initial=0) < 10.0**-DIGITS else None


class Writer:
    """Writes a component as a stim circuit.

    Attributes:
        last: For each bit of the component, the record of its last measurement.
    """

    def __init__(self, component: Component, noise: DeviceNoise | None, dt: float | None):
        self._lines: list[str] = []  # of stim's own language: twenty times as fast as appending
        self.last: list[int] = [0] * len(component.clbits)
        self._component, self._noise, self._dt = component, noise, dt
        self._records = 0

    def add(self, instructions: Iterable[CircuitInstruction], angles: Angles) -> None:
        """Append instructions, with the angles of one element."""
        for instruction in instructions:
            name = instruction.name
            places = [self._component.place_of[qubit] for qubit in instruction.qubits]
            if name == "measure":
                self._write("M", places)
                self.last[self._component.bits.index(instruction.clbits[0])] = self._records
                self._records += 1
            elif name == "reset":
                self._write("R", places)
            elif name == "delay":
                if self._noise is not None:
                    self._idle(places[0], delay_seconds(instruction.operation, dt=self._dt))
            else:
                for gate, local in steps(instruction, angles):
                    self._write(gate, [places[qubit] for qubit in local])
                self._disturb(name, places)

    def take(self) -> stim.Circuit:
        """What was written since the last time."""
        taken, self._lines = self._lines, []
        return stim.Circuit("\n".join(taken))

    def _write(self, gate: str, places: list[int]) -> None:
        self._lines.append(f"{gate} {' '.join(map(str, places))}")

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
            self._write(f"{CHANNELS[len(places)]}({depolarizing_rate(found)!r})", places)
        for place, relaxation in zip(places, found.relaxations, strict=True):
            self._relax(place, relaxation)

    def _relax(self, place: int, relaxation: Relaxation) -> None:
        if any(relaxation.paulis):
            x, y, z = relaxation.paulis
            self._write(f"PAULI_CHANNEL_1({x!r},{y!r},{z!r})", [place])


def depolarizing_rate(noise: GateNoise) -> float:
    """The probability of any Pauli but the identity."""
    share = 4.0 ** -len(noise.relaxations)
    return min(1.0, noise.depolarization * (1 - share))


def steps(instruction: CircuitInstruction, angles: Angles) -> Steps:
    """A gate as stim's own gates.

    Raises:
        NotIsa: It is not a Clifford gate.
    """
    known = quick(instruction, angles)
    if known is None:
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


def quick(instruction: CircuitInstruction, angles: Angles) -> Steps | None:
    """The same for a standard gate whose angles are quarter turns, from memory."""
    if not instruction.is_standard_gate():
        return None
    turns = np.array([np.atleast_1d(angles.of(value))[0] for value in instruction.params])
    counted = quarters(turns)
    return None if counted is None else standard(instruction.name, tuple(int(n) % 8 for n in counted))


@cache
def standard(name: str, turned: tuple[int, ...]) -> Steps | None:
    """A standard gate at quarter turns as stim's gates; None when it is not Clifford."""
    gate = type(STANDARD[name])(*(number * np.pi / 2 for number in turned)) if turned else STANDARD[name]
    table = np.asarray(gate.to_matrix(), dtype=np.complex128)
    return decompose(table.tobytes(), len(table))


@cache
def decompose(table: bytes, size: int) -> Steps | None:
    """A unitary as stim's gates; None when it is not Clifford."""
    gate = np.frombuffer(table, dtype=np.complex128).reshape(size, size)
    try:
        tableau = stim.Tableau.from_unitary_matrix(gate, endian="little")
    except ValueError:
        return None
    # stim takes the nearest Clifford of some that are none
    nearest = tableau.to_unitary_matrix(endian="little")
    overlap = np.vdot(nearest, gate)
    if not np.allclose(nearest * (overlap / abs(overlap)), gate, rtol=0, atol=10.0 ** (1 - DIGITS)):
        return None
    return tuple(
        (one.name, tuple(target.value for target in group))
        for one in tableau.to_circuit()
        for group in one.target_groups()
    )
