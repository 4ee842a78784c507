"""Coherent and slow noise as gates: what a device does to phases while time passes.

A circuit is laid out in time, gates in the middle of their slots. Phases commute with all that is diagonal,
so each is collected until a gate on its qubit that is not, and written before that gate: `p` for a qubit,
`cp` for a pair, gates that no device has and that no noise follows. Where a phase is another in every shot it
is a parameter, and every shot an element of its own; so any method can simulate it.

A qubit is 0 until its first gate that is not diagonal, and has no phases before. The pair of a two-qubit gate
has no ZZ beside the gate while it lasts: that is part of its calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import (
    CircuitInstruction,
    Clbit,
    Delay,
    Operation,
    Parameter,
    ParameterExpression,
    QuantumCircuit,
    Qubit,
)
from qiskit.circuit.library import CPhaseGate, PhaseGate, RZXGate, RZZGate

from coldplate.backends.coherent import Coherent, flicker
from coldplate.backends.device import Device
from coldplate.backends.layout import TICK_S, Slot, lay_out
from coldplate.backends.methods import SHARE, memory
from coldplate.backends.readout import Crosstalk
from coldplate.backends.switches import Pair
from coldplate.circuits.content import derived
from coldplate.circuits.program import Item, Program
from coldplate.errors import LimitExceeded

DIAGONAL = frozenset(
    {"rz", "p", "u1", "z", "s", "sdg", "t", "tdg", "id", "cz", "cp", "rzz", "delay", "measure"}
)
TURN = 2 * np.pi
HALF_TICK_S = TICK_S / 2
NOTHING = 1e-12  # a phase that only rounding left


@dataclass(frozen=True)
class Stretch:
    """A time in which a qubit collects phase by its detuning, in half ticks.

    Attributes:
        parameter: The detuning in Hz, or where it moves within a shot, the turns of this stretch.
    """

    qubit: int
    start: int
    stop: int
    parameter: Parameter


def check_noise(
    name: str,
    circuit: QuantumCircuit,
    program: Program,
    coherent: Coherent | None,
    crosstalk: Crosstalk | None,
) -> None:
    """Refuse what can't be simulated with a device's coherent noise, or its readout crosstalk.

    Args:
        name: The backend's.

    Raises:
        LimitExceeded: The circuit has control flow, or with coherent noise: shots run into each other, or the
            method knows no phases.
    """
    if coherent is None and crosstalk is None:
        return
    wrong = {"circuits with control flow": any(one.is_control_flow() for one in circuit.data)}
    if coherent is not None:
        wrong["init_qubits = false"] = not program.init_qubits
        wrong["the method stabilizer"] = program.method == "stabilizer"
    for what, is_asked in wrong.items():
        if is_asked:
            kind = "readout crosstalk" if coherent is None else "coherent noise"
            raise LimitExceeded(
                f"{name} has {kind}, which can't be simulated with {what}.",
                solution="Take a backend without such noise.",
            )


def drifted(item: Item, device: Device, coherent: Coherent, rng: Generator, *, relaxing: bool) -> Item:
    """An item with the phases it collects; where they differ from shot to shot, with one element per shot.

    Args:
        item: Without control flow.
        relaxing: The device relaxes: idle time becomes delays.

    Raises:
        LimitExceeded: There are too many phases to draw.
    """
    writer = Writer(item.circuit, device, coherent, relaxing=relaxing)
    for slot in lay_out(item.circuit, device):
        writer.add(slot)
    circuit = writer.finish()
    content = derived(item.content, "drifted", coherent.plain, relaxing)
    if not writer.stretches:
        return replace(item, circuit=circuit, content=content)
    number = item.executions
    needed, room = 3 * 8 * number * len(circuit.parameters), SHARE * memory()
    if needed > room:
        raise LimitExceeded(
            f"The noise of {number} shots needs {needed / 2**30:.3g} GiB of phases, and there are "
            f"{room / 2**30:.3g}.",
            solution="Ask for fewer shots, or fewer parameter sets in one pub.",
        )
    given = np.repeat(item.flat_values, item.shots, axis=0)
    columns = dict(zip(item.circuit.parameters, given.T, strict=True))
    columns |= draw(writer.stretches, coherent, rng, number=number)
    values = np.stack([columns[parameter] for parameter in circuit.parameters], axis=1)
    return replace(item, circuit=circuit, values=values, shots=1, content=content)


def draw(
    stretches: Sequence[Stretch], coherent: Coherent, rng: Generator, *, number: int
) -> dict[Parameter, NDArray[np.float64]]:
    """Values of the parameters of stretches: detunings in Hz, or turns where they move within a shot."""
    found: dict[Parameter, NDArray[np.float64]] = {}
    for qubit in sorted({one.qubit for one in stretches}):
        own = [one for one in stretches if one.qubit == qubit]
        spread = coherent.detuning[qubit]
        if not coherent.flicker:
            found[own[0].parameter] = spread * rng.standard_normal(number)
            continue
        starts, stops = (
            HALF_TICK_S * np.array(edge) for edge in zip(*((s.start, s.stop) for s in own), strict=True)
        )
        drawn = spread * flicker(starts, stops, rng, number=number)
        found |= dict(zip((one.parameter for one in own), drawn.T, strict=True))
    return found


class Writer:
    """Writes a circuit with the phases that it collects.

    Attributes:
        stretches: Where phases differ from shot to shot.
    """

    def __init__(self, circuit: QuantumCircuit, device: Device, coherent: Coherent, *, relaxing: bool):
        self.stretches: list[Stretch] = []
        self._qubits, self._written = circuit.qubits, circuit.copy_empty_like()
        self._coherent, self._relaxing = coherent, relaxing
        self._neighbours: dict[int, list[Pair]] = {}
        for pair in sorted(device.pairs) if coherent.over_rotation else coherent.zz:
            for qubit in pair:
                self._neighbours.setdefault(qubit, []).append(pair)
        self._since: dict[int, int] = {}  # from when a qubit that is not just 0 collects phase
        self._seen: dict[Pair, int] = {}  # when a pair's phase was last brought up to date
        self._joint: dict[Pair, float] = {}  # phases of pairs
        self._free: dict[int, int] = {}  # when a qubit's last instruction ended
        self._detunings: dict[int, Parameter] = {}  # of qubits whose detuning stays within a shot
        self._last = last_uses(circuit)
        self._final: list[Slot] = []
        self._prefix = "detuning"
        while any(parameter.name.startswith(self._prefix) for parameter in circuit.parameters):
            self._prefix += "_"

    def add(self, slot: Slot) -> None:
        """Append an instruction; those that come later in time come later."""
        instruction = slot.instruction
        last = [self._last.get(wire, -1) for wire in (*instruction.qubits, *instruction.clbits)]
        if instruction.name == "delay" and last[0] < slot.index:
            return  # nothing shows it
        for qubit in slot.qubits:
            self._wait(qubit, slot)
        if instruction.name == "measure" and last == [slot.index] * 2:
            self._final.append(slot)  # what its neighbours collect while it is read must come before
        elif instruction.name in DIAGONAL:
            self._exclude(slot, 2 * slot.half)
            self._rotate(slot)
        else:
            self._exclude(slot, slot.half)
            for qubit in slot.qubits:
                self._settle(qubit, slot.middle)
            self._rotate(slot)
            for qubit in slot.qubits:
                self._since[qubit] = slot.middle
                if instruction.name == "reset":
                    del self._since[qubit]
            self._exclude(slot, slot.half)

    def finish(self) -> QuantumCircuit:
        """The circuit; what is collected last only turns what was already measured."""
        for slot in sorted(self._final, key=lambda one: one.index):
            self._written._append(slot.instruction)
        return self._written

    def _append(self, operation: Operation, *qubits: int) -> None:
        wires = tuple(self._qubits[qubit] for qubit in qubits)
        self._written._append(CircuitInstruction(operation, wires))

    def _wait(self, qubit: int, slot: Slot) -> None:
        """Idle time since the qubit's last instruction."""
        idle = slot.start - self._free.get(qubit, slot.start)
        self._free[qubit] = slot.stop
        if idle and self._relaxing and qubit in self._since:
            self._append(Delay(idle * TICK_S, unit="s"), qubit)

    def _are_live(self, pair: Pair) -> bool:
        return pair[0] in self._since and pair[1] in self._since

    def _exclude(self, slot: Slot, time: int) -> None:
        """Take the ZZ between a gate's own qubits back, for some half ticks."""
        pair = (min(slot.qubits), max(slot.qubits))
        rate = self._coherent.zz.get(pair)
        if rate and self._are_live(pair):
            self._joint[pair] = self._joint.get(pair, 0.0) + TURN * rate * time * HALF_TICK_S

    def _settle(self, qubit: int, now: int) -> None:
        """Write the phases of a qubit and its pairs."""
        since = self._since.get(qubit, now)
        if since < now and self._coherent.detuning[qubit]:
            self._append(PhaseGate(self._detuned(qubit, since, now)), qubit)
        for pair in self._neighbours.get(qubit, ()):
            phase = self._joint.pop(pair, 0.0)
            if self._are_live(pair):
                phase -= TURN * self._coherent.zz.get(pair, 0.0) * (now - self._seen[pair]) * HALF_TICK_S
            self._seen[pair] = now
            if abs(phase) > NOTHING:
                self._append(CPhaseGate(phase), *pair)

    def _detuned(self, qubit: int, since: int, now: int) -> ParameterExpression:
        """The phase of a qubit by its detuning."""
        if self._coherent.flicker:
            parameter = Parameter(f"{self._prefix}{qubit}_{len(self.stretches)}")
            self.stretches.append(Stretch(qubit, since, now, parameter))
            return -TURN * parameter
        if qubit not in self._detunings:
            self._detunings[qubit] = Parameter(f"{self._prefix}{qubit}")
            self.stretches.append(Stretch(qubit, since, now, self._detunings[qubit]))
        return -TURN * (now - since) * HALF_TICK_S * self._detunings[qubit]

    def _rotate(self, slot: Slot) -> None:
        """The instruction, and by how much it turns too far."""
        instruction, excess = slot.instruction, self._coherent.over_rotation
        if excess and instruction.name == "rzz":
            self._append(RZZGate(instruction.params[0] * (1 + excess)), *slot.qubits)
            return
        if excess and instruction.name in ("ecr", "cx"):
            self._append(RZXGate(np.pi / 2 * excess), *slot.qubits)
        pair = (min(slot.qubits), max(slot.qubits))
        if excess and instruction.name == "cz" and self._are_live(pair):
            self._joint[pair] = self._joint.get(pair, 0.0) + np.pi * excess
        self._written._append(instruction)


def last_uses(circuit: QuantumCircuit) -> dict[Qubit | Clbit, int]:
    """The place in the circuit of the last instruction on each wire that is not just time passing."""
    return {
        wire: index
        for index, one in enumerate(circuit.data)
        if one.name not in ("delay", "barrier")
        for wire in (*one.qubits, *one.clbits)
    }
