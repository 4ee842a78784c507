"""Steps as a stim circuit, as short as it can be.

Gates of one qubit that follow each other are one, and so are their channels, moved behind them: between two
gates that join it to others, a qubit has at most one gate and one channel. What can happen at the same time
is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import stim

from coldplate.backends.clifford_gates import Move, Moves, Turn, named, products
from coldplate.backends.clifford_steps import NONE, Channel, Damping, Step, flips

LAST = 1 << 60  # the time of final measurements
TURNS, CHANNELS, JOINTS, AFTER = range(4)  # at one time, in this order


class Written(NamedTuple):
    """A stim circuit.

    Attributes:
        records: For each step that is a measurement, by its place: which of the circuit's it is.
        last: For each bit, its last measurement.
    """

    circuit: stim.Circuit
    records: dict[int, int]
    last: list[int]


class Writer:
    """Writes steps of some qubits.

    Args:
        width: How many qubits.
        num_bits: How many bits.
    """

    def __init__(self, width: int, num_bits: int):
        self._identity = named("I")
        self._products = products()
        self._turn: list[Turn] = [self._identity] * width  # not written yet
        self._damping: list[Damping] = [NONE] * width  # after that turn
        self._time = [0] * width
        self._lines: dict[tuple[int, int, str], list[str]] = {}
        self._measured: list[tuple[int, int, int, int]] = []  # time, bit, place, step
        self._bits = num_bits

    def write(self, steps: Sequence[Step], chosen: Sequence[Moves]) -> None:
        """All steps, with the moves of one element."""
        last = {place: number for number, step in enumerate(steps) for place in step.places}
        for number, (step, moves) in enumerate(zip(steps, chosen, strict=True)):
            if step.bit >= 0:
                self._measure(step, number, is_final=last[step.places[0]] == number)
            elif step.instruction.name == "reset":
                self._put(step.places[0], "R")
            else:
                for move in moves:
                    self._move(move, step.places)
                if step.channel is not None:
                    self.disturb(step.channel, step.places)

    def disturb(self, channel: Channel, places: Sequence[int]) -> None:
        """Noise of some qubits."""
        if channel.depolarizing:
            # turns of single qubits don't change it, and channels of Paulis may change places
            time = max(self._time[place] for place in places)
            self._line(time - 1, AFTER, f"DEPOLARIZE2({channel.depolarizing!r})").extend(map(str, places))
            for place in places:
                self._time[place] = time
        for place, (x, y, z) in zip(places, channel.dampings, strict=True):
            kept = self._damping[place]
            self._damping[place] = (kept[0] * x, kept[1] * y, kept[2] * z)

    def finish(self) -> Written:
        """The circuit, with what is still to be written."""
        end = max(self._time)
        self._time = [end + 1] * len(self._time)
        self._flush(range(len(self._time)))
        measured = sorted((min(time, end), *rest) for time, *rest in self._measured)
        for time, _, place, _ in measured:
            self._line(time, JOINTS, "M").append(str(place))
        text = "\n".join(
            f"{name} {' '.join(targets)}" for (_, _, name), targets in sorted(self._lines.items())
        )
        records = {step: record for record, (_, _, _, step) in enumerate(measured)}
        last = [0] * self._bits
        for _, bit, _, step in sorted(measured, key=lambda one: one[3]):
            last[bit] = records[step]
        return Written(stim.Circuit(text), records, last)

    def _line(self, time: int, stage: int, name: str) -> list[str]:
        return self._lines.setdefault((time, stage, name), [])

    def _measure(self, step: Step, number: int, *, is_final: bool) -> None:
        time = self._flush(step.places)
        self._measured.append((LAST if is_final else time, step.bit, step.places[0], number))

    def _put(self, place: int, name: str) -> None:
        self._line(self._flush((place,)), JOINTS, name).append(str(place))

    def _turned(self, place: int, turn: Turn) -> None:
        if turn is self._identity:
            return
        self._turn[place] = self._products[self._turn[place].number][turn.number]
        kept, moved = self._damping[place], [1.0, 1.0, 1.0]
        for axis, image in enumerate(turn.images):
            moved[image] = kept[axis]
        self._damping[place] = (moved[0], moved[1], moved[2])

    def _move(self, move: Move, places: Sequence[int]) -> None:
        own = [places[qubit] for qubit in move.qubits]
        for place, turn in zip(own, move.before, strict=True):
            self._turned(place, turn)
        for join in move.joins:
            self._line(self._flush(own), JOINTS, join).extend(map(str, own))
        for place, turn in zip(own, move.after, strict=bool(move.after)):
            self._turned(place, turn)

    def _flush(self, places: Sequence[int]) -> int:
        """Write the turns and channels of some qubits; the time at which something can be done with them."""
        time = max(self._time[place] for place in places)
        for place in places:
            if self._turn[place] is not self._identity:
                self._line(time, TURNS, self._turn[place].name).append(str(place))
                self._turn[place] = self._identity
            if self._damping[place] != NONE:
                x, y, z = flips(self._damping[place])
                self._line(time, CHANNELS, f"PAULI_CHANNEL_1({x!r},{y!r},{z!r})").append(str(place))
                self._damping[place] = NONE
            self._time[place] = time + 1
        return time
