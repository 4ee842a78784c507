"""When every instruction of a circuit starts on a device, as soon or as late as can be; times in dt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from qiskit.circuit import CircuitInstruction, QuantumCircuit
from qiskit.transpiler import Target

from coldplate.circuits.timing import delay_seconds, turns

Method = Literal["asap", "alap"]
Length = Callable[[CircuitInstruction, tuple[int, ...]], int]


@dataclass(frozen=True)
class Timed:
    """An instruction with its time.

    Attributes:
        qubits: Indices in the circuit.
        start, duration: In dt.
    """

    instruction: CircuitInstruction
    qubits: tuple[int, ...]
    start: int
    duration: int

    @property
    def stop(self) -> int:
        """When it ends."""
        return self.start + self.duration


def lengths(target: Target) -> Length:
    """How long instructions take on a target; nothing where it does not say."""
    dt = target.dt
    known: dict[tuple[str, tuple[int, ...]], int] = {}

    def length(instruction: CircuitInstruction, qubits: tuple[int, ...]) -> int:
        name = instruction.name
        if dt is None or name == "barrier":
            return 0
        if name == "delay":
            return int(round(delay_seconds(instruction.operation, dt=dt) / dt))
        if instruction.is_control_flow():
            return longest(instruction, qubits, length)
        key = name, qubits
        if key not in known:
            properties = target[name].get(qubits) if name in target.operation_names else None
            known[key] = round((getattr(properties, "duration", None) or 0.0) / dt)
        return known[key]

    return length


def longest(instruction: CircuitInstruction, qubits: tuple[int, ...], length: Length) -> int:
    """How long the longest branch of control flow takes; of loops every turn that is known."""

    def outside(inner: CircuitInstruction, places: tuple[int, ...]) -> int:
        return length(inner, tuple(qubits[place] for place in places))

    blocks = [schedule(block, outside, method="asap") for block in instruction.operation.blocks]
    taken = max((one.stop for block in blocks for one in block), default=0)
    return turns(instruction.operation) * taken


def schedule(circuit: QuantumCircuit, length: Length, *, method: Method) -> list[Timed]:
    """Every instruction with its time, in an order in which they can be run: by start.

    Qubits, bits and barriers keep their order. Control flow is taken as one instruction.

    Args:
        method: As soon as possible, or as late as possible without the whole taking longer.
    """
    rows = rows_of(circuit, length)
    starts = soonest(rows)
    if method == "alap":
        backwards = soonest(rows[::-1])[::-1]
        end = max((start + taken for start, (*_, taken) in zip(starts, rows, strict=True)), default=0)
        starts = [end - start - taken for start, (*_, taken) in zip(backwards, rows, strict=True)]
    timed = [
        Timed(one, qubits, start, taken) for start, (one, qubits, taken) in zip(starts, rows, strict=True)
    ]
    return sorted(timed, key=lambda one: one.start)  # stable: what takes no time stays in order


Row = tuple[CircuitInstruction, tuple[int, ...], int]


def rows_of(circuit: QuantumCircuit, length: Length) -> list[Row]:
    """Every instruction with the indices of its qubits and how long it takes."""
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    placed = ((one, tuple(place[qubit] for qubit in one.qubits)) for one in circuit.data)
    return [(one, qubits, length(one, qubits)) for one, qubits in placed]


def soonest(rows: Sequence[Row]) -> list[int]:
    """The first times at which instructions can start."""
    clock: dict[object, int] = {}
    starts = []
    for instruction, _, taken in rows:
        wires = (*instruction.qubits, *instruction.clbits)
        start = max((clock.get(wire, 0) for wire in wires), default=0)
        clock.update(dict.fromkeys(wires, start + taken))
        starts.append(start)
    return starts


def tell_times(timed: list[Timed]) -> str:
    """A schedule as clients read it: lines of branch, instruction, channel, start, duration, kind; in dt."""
    lines = []
    for place, one in enumerate(timed):
        for qubit in one.qubits:
            name = one.instruction.name
            kind = {"barrier": "barrier", "measure": "acquire"}.get(
                name, "play" if one.duration else "shift_phase"
            )
            lines.append(f"main,{name}_{place},Qubit {qubit},{one.start},{one.duration},{kind}")
    return "\n".join(lines)
