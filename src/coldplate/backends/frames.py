"""Elements whose circuits differ by Paulis alone: they show the same, but for flips of bits.

Half a turn about Z more or less is a Z, and a Pauli can be moved to the end of a Clifford circuit, through
Pauli noise as well. So twirled circuits are one circuit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplate.backends.clifford_gates import DIGITS, Move, Moves, Turn, moves, z_turns
from coldplate.backends.clifford_steps import Step
from coldplate.backends.sampling import Floats, Groups, chunks
from coldplate.circuits.angles import Angles

Packed = NDArray[np.uint8]  # rows of bits, the lowest bit of a byte first

QUARTER = np.pi / 2
AT_ONCE = 1 << 20  # angles


@dataclass(frozen=True)
class Frames:
    """The frames of a component.

    Attributes:
        groups: Elements that differ by Paulis.
        places: Steps that are rz with a parameter.
        quarters: By how many quarter turns, modulo 4; shape ``(num_places, num_elements)``.
    """

    groups: Groups
    places: Sequence[int]
    quarters: NDArray[np.int8]

    @classmethod
    def of(cls, steps: Sequence[Step], angles: Angles, *, alike: bool) -> Frames:
        """The frames of steps.

        Args:
            alike: Only elements that are alike are a group; a Pauli of one shot would go on into the next
                where shots run into each other.
        """
        free = [(place, step.instruction) for place, step in enumerate(steps) if step.moves is None]
        turns = [(place, one) for place, one in free if one.name == "rz"]
        counted = np.empty((len(turns), len(angles.values)), dtype=np.int8)
        exact = np.empty(len(turns), dtype=bool)
        for part in chunks(len(turns), AT_ONCE // max(1, len(angles.values))):
            turned = [angles.of(one.params[0]) for _, one in turns[part]]
            counted[part], exact[part] = quarters(turned, len(angles.values))
        places = [turns[row][0] for row in np.flatnonzero(exact)]
        known, counted = set(places), counted[exact]
        others = [one for place, one in free if place not in known]
        keys = counted if alike else np.packbits(counted & 1, axis=0)
        groups = Groups.by(np.concatenate([keys.T, angles.used_by(others)], axis=1))
        return cls(groups, places, counted)

    def moves(self, steps: Sequence[Step], angles: Angles, element: int) -> list[Moves]:
        """The moves of every step for one element.

        Raises:
            NotIsa: A gate is not a Clifford gate.
        """
        turned = dict(zip(self.places, self.quarters[:, element].tolist(), strict=True))
        one = angles.at(np.array([element]))
        return [
            (z_turns()[turned[place]] if place in turned else moves(step.instruction, one))
            if step.moves is None
            else step.moves
            for place, step in enumerate(steps)
        ]

    def flips(
        self,
        steps: Sequence[Step],
        chosen: Sequence[Moves],
        records: Mapping[int, int],
        members: NDArray[np.intp],
    ) -> Packed:
        """Which measurements of some elements of a group are flipped; packed, one row per element.

        Args:
            chosen: The moves of the group's first element.
            records: The number of each measurement, by its step.
        """
        halves = np.packbits((self.quarters[:, members] ^ self.quarters[:, members[:1]]) >> 1, axis=1)
        flipped = propagate(steps, chosen, dict(zip(self.places, map(bytes, halves), strict=True)))
        order = sorted(flipped, key=records.__getitem__)
        rows = b"".join(flipped[place].to_bytes(halves.shape[1]) for place in order)
        table = np.frombuffer(rows, dtype=np.uint8).reshape(len(order), halves.shape[1])
        bits = np.unpackbits(table, axis=1, count=len(members))
        return np.packbits(bits.T, axis=1, bitorder="little")


def quarters(turned: Sequence[float | Floats], number: int) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Some angles of all elements in quarter turns, modulo 4, and which of them are such everywhere."""
    table = np.array([np.full(number, one) if isinstance(one, float) else one for one in turned]) / QUARTER
    found = np.round(table)
    exact = np.all(np.abs(table - found) < 10.0**-DIGITS / QUARTER, axis=1)
    return (found % 4).astype(np.int8), exact


def propagate(steps: Sequence[Step], chosen: Sequence[Moves], halves: Mapping[int, bytes]) -> dict[int, int]:
    """Which elements' measurements are flipped, by the measurement's step; one bit of a number per element.

    Args:
        halves: At which steps there is a Z more, in which elements.
    """
    width = 1 + max((place for step in steps for place in step.places), default=0)
    x, z = [0] * width, [0] * width  # of each qubit: the elements that have an X, or a Z, more
    found = {}
    for number, (step, moved) in enumerate(zip(steps, chosen, strict=True)):
        if number in halves:
            z[step.places[0]] ^= int.from_bytes(halves[number])
        if step.bit >= 0:
            found[number] = x[step.places[0]]
        elif step.instruction.name == "reset":
            x[step.places[0]] = z[step.places[0]] = 0
        for move in moved:
            carry(move, step.places, x, z)
    return found


def carry(move: Move, places: Sequence[int], x: list[int], z: list[int]) -> None:
    """Take Paulis through a move."""
    own = [places[qubit] for qubit in move.qubits]
    for place, turn in zip(own, move.before, strict=True):
        turn_over(turn, place, x, z)
    for join in move.joins:
        first, second = own
        if join == "CZ":
            z[first] ^= x[second]
            z[second] ^= x[first]
        else:
            x[first], x[second] = x[second], x[first]
            z[first], z[second] = z[second], z[first]
    for place, turn in zip(own, move.after, strict=bool(move.after)):
        turn_over(turn, place, x, z)


def turn_over(turn: Turn, place: int, x: list[int], z: list[int]) -> None:
    """Take the Paulis of a qubit through a turn."""
    of_x, _, of_z = turn.images
    if of_x == 0 and of_z == 2:
        return
    had_x, had_z = x[place], z[place]
    x[place] = (had_x if of_x != 2 else 0) ^ (had_z if of_z != 2 else 0)
    z[place] = (had_x if of_x != 0 else 0) ^ (had_z if of_z != 0 else 0)
