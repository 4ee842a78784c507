"""Dynamical decoupling: idle qubits are turned over and back, so that what slowly turns them cancels out.

A static detuning, or ZZ with a neighbour that does not turn with it, is refocused; relaxation (T1) is not,
and every pulse has the error of a gate. Pulses go into windows in which a scheduled circuit leaves a qubit
idle and into delays, where all of a sequence fits.

Sources: Viola, Lloyd, Phys. Rev. A 58, 2733 (1998); Ezzell et al., Phys. Rev. Applied 20, 064027 (2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Literal

from qiskit.circuit import CircuitInstruction, Delay, Gate, QuantumCircuit
from qiskit.circuit.library import RZGate, XGate
from qiskit.transpiler import Target

from coldplate.circuits.schedule import Length, Method, Timed, lengths, schedule
from coldplate.errors import IncompatibleOptions

Sequence = Literal["XX", "XpXm", "XY4"]

# Each pulse as the angle about Z before it and behind it: rz(a) x rz(b). Rotations about Z take no time.
UP, DOWN = (0.0, 0.0), (pi, -pi)
ACROSS, BACK = (-pi / 2, pi / 2), (pi / 2, -pi / 2)
PULSES: dict[str, tuple[tuple[float, float], ...]] = {
    "XX": (UP, UP),
    "XpXm": (UP, DOWN),
    "XY4": (UP, ACROSS, DOWN, BACK),
}


@dataclass(frozen=True)
class DdOptions:
    """How idle qubits are decoupled.

    Attributes:
        slack: Where goes what rounding leaves over: into the middle delay, or to both ends.
        skip_reset: No pulses on a qubit that waits after the start or a reset.
    """

    sequence: Sequence = "XX"
    slack: Literal["middle", "edges"] = "middle"
    method: Method = "alap"
    skip_reset: bool = False


@dataclass(frozen=True)
class Decoupled:
    """A scheduled circuit whose idle times are delays, with pulses in those that are long enough.

    Attributes:
        sequences: How many sequences were put in.
        windows: How many idle windows there are.
    """

    circuit: QuantumCircuit
    sequences: int
    windows: int


@dataclass(frozen=True)
class Window:
    """A time in which a qubit idles, in dt.

    Attributes:
        fresh: It is 0 since the start or a reset.
        before: The place in the schedule of what ends it.
    """

    qubit: int
    start: int
    stop: int
    fresh: bool
    before: int


def decouple(circuit: QuantumCircuit, target: Target, options: DdOptions) -> Decoupled:
    """A circuit as it is scheduled, with decoupling pulses.

    Without durations, as on ideal simulators, nothing ever idles and nothing is added.

    Raises:
        IncompatibleOptions: The circuit is dynamic.
    """
    dynamic = sorted({one.name for one in circuit.data if one.is_control_flow() or one.name == "store"})
    if dynamic:
        raise IncompatibleOptions(
            f"options.dynamical_decoupling.enable needs circuits whose times are known; a circuit has "
            f"{', '.join(dynamic)}.",
            solution="Turn dynamical decoupling off for dynamic circuits.",
        )
    length = lengths(target)
    timed = schedule(circuit, length, method=options.method)
    found = list(windows(timed))
    written: list[tuple[tuple[int, float, int], CircuitInstruction]] = [
        ((one.start, place, 0), one.instruction)
        for place, one in enumerate(timed)
        if one.instruction.name != "delay"
    ]
    sequences = 0
    for window in found:
        pieces = fill(window, circuit, length, options)
        sequences += len(pieces) > 1
        written += [
            ((start, window.before - 0.5, number), piece) for number, (start, piece) in enumerate(pieces)
        ]
    padded = circuit.copy_empty_like()
    for _, instruction in sorted(written, key=lambda pair: pair[0]):
        padded._append(instruction)
    return Decoupled(padded, sequences, len(found))


def windows(timed: list[Timed]) -> Iterator[Window]:
    """The times in which qubits idle before something happens to them; delays are idle."""
    free: dict[int, int] = {}
    fresh: dict[int, bool] = {}
    for place, one in enumerate(timed):
        if one.instruction.name in ("delay", "barrier"):
            continue
        for qubit in one.qubits:
            start = free.get(qubit, 0)
            if one.start > start:
                yield Window(qubit, start, one.start, fresh.get(qubit, True), place)
            free[qubit] = one.stop
            # a rotation about Z leaves 0 alone
            fresh[qubit] = one.instruction.name == "reset" or (
                fresh.get(qubit, True) and one.instruction.name == "rz"
            )


def fill(
    window: Window, circuit: QuantumCircuit, length: Length, options: DdOptions
) -> list[tuple[int, CircuitInstruction]]:
    """What happens in a window, with its times: a sequence where it fits, else a delay."""
    wire = (circuit.qubits[window.qubit],)
    turn = CircuitInstruction.from_standard(XGate._standard_gate, wire, ())
    pulses = PULSES[options.sequence]
    each = length(turn, (window.qubit,))
    slack = window.stop - window.start - each * len(pulses)
    if slack <= 0 or each == 0 or (window.fresh and options.skip_reset):
        return [(window.start, CircuitInstruction(Delay(window.stop - window.start, unit="dt"), wire))]
    pieces: list[tuple[int, CircuitInstruction]] = []

    def add(operation: Gate | Delay, at: int) -> None:
        pieces.append((at, CircuitInstruction(operation, wire)))

    now = window.start
    delays = spacing(slack, len(pulses), options.slack)
    for number, delay in enumerate(delays):
        if delay:
            add(Delay(delay, unit="dt"), now)
            now += delay
        if number < len(pulses):
            before, behind = pulses[number]
            if before:
                add(RZGate(before), now)
            pieces.append((now, turn))
            now += each
            if behind:
                add(RZGate(behind), now)
    return pieces


def spacing(slack: int, num_pulses: int, extra: str) -> list[int]:
    """Delays around pulses that fill a time: half of one at both ends, and what rounding leaves over.

    >>> spacing(41, 2, "middle"), spacing(41, 2, "edges"), spacing(80, 4, "middle")
    ([10, 21, 10], [10, 20, 11], [10, 20, 20, 20, 10])
    """
    ends, between = slack // (2 * num_pulses), slack // num_pulses
    delays = [ends, *[between] * (num_pulses - 1), ends]
    left = slack - sum(delays)
    if extra == "middle":
        delays[len(delays) // 2] += left
    else:
        delays[0] += left // 2
        delays[-1] += left - left // 2
    return delays
