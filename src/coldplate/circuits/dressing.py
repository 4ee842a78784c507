"""A template circuit whose single-qubit gates are parametrised, so that any Pauli can be absorbed by them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Parameter, QuantumCircuit, Qubit
from qiskit.circuit.library import RZGate, SXGate

from coldplate.circuits.layers import (
    Layer,
    Level,
    Strategy,
    check_entanglers,
    layer_of,
    levels,
    twirled_qubits,
)
from coldplate.circuits.rotation import GENERAL, Rotation, columns, fresh_names, split

# made without a gate object each: there are tens of thousands
RZ, SX = RZGate._standard_gate, SXGate._standard_gate


@dataclass(frozen=True)
class Slot:
    """A place where a qubit is turned by three angles: instead of these gates, and any Paulis around them."""

    qubit: int
    chain: tuple[CircuitInstruction, ...]


@dataclass(frozen=True)
class Template:
    """A circuit with slots.

    Attributes:
        circuit: Its parameters are those of the original that are left, and angles of slots.
        slots: In order. The angles of slot k are sources ``3 k + n``, ``+ 1`` and ``+ 2`` (theta, phi, lam),
            n being the number of parameters of the original, which are the first sources.
        columns: The source of each parameter of `circuit`.
        layers: In order, one per use.
        gates: Their instructions, in the order of ``layer.gates``.
        before: For each layer the slots in front of ``layer.qubits``.
        after: For each layer the slots behind them, -1 where there is none because nobody looks.
        final: The slots in front of final measurements, by qubit.
    """

    circuit: QuantumCircuit
    slots: tuple[Slot, ...]
    columns: NDArray[np.intp]
    layers: tuple[Layer, ...]
    gates: tuple[tuple[CircuitInstruction, ...], ...]
    before: tuple[NDArray[np.intp], ...]
    after: tuple[NDArray[np.intp], ...]
    final: dict[Qubit, int]


def template(
    circuit: QuantumCircuit, *, strategy: Strategy, rotation: Rotation, flipped: Collection[Qubit] = ()
) -> Template:
    """The template of a circuit.

    Args:
        flipped: Qubits that need a slot before their final measurements, whatever comes before.

    Raises:
        FractionalConflict, IncompatibleOptions: See `circuits.layers.check_entanglers`.
    """
    body, measurements = split(list(circuit.data))
    found = levels(circuit, body)
    check_entanglers(found)
    writing = Writing(circuit, rotation)
    for level, qubits in zip(found, twirled_qubits(circuit, found, strategy), strict=True):
        writing.level(level, qubits)
    writing.finish(measurements, flipped)
    return writing.done()


@dataclass
class Writing:
    """A template that is being written.

    Attributes:
        chains: Gates of each qubit that are not written yet.
        open: The layer behind which each qubit has Paulis to undo, and the column there.
    """

    source: QuantumCircuit
    rotation: Rotation
    chains: dict[int, list[CircuitInstruction]] = field(default_factory=dict)
    open: dict[int, tuple[int, int]] = field(default_factory=dict)
    written: list[CircuitInstruction] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    angles: list[dict[int, Parameter]] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    gates: list[tuple[CircuitInstruction, ...]] = field(default_factory=list)
    before: list[NDArray[np.intp]] = field(default_factory=list)
    after: list[NDArray[np.intp]] = field(default_factory=list)
    final: dict[Qubit, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place = {qubit: index for index, qubit in enumerate(self.source.qubits)}
        (prefix,) = fresh_names(self.source, "twirl", 1)
        self.prefix = prefix.name

    def level(self, level: Level, qubits: Sequence[int]) -> None:
        """Write what happens at once."""
        for qubit, gates in level.before.items():
            self.chains.setdefault(qubit, []).extend(gates)
        for one in level.fixed:
            for qubit in one.qubits:
                self.settle(self.place[qubit], idle=one.name == "delay")
            self.written.append(one)
        if not level.gates:
            return
        self.before.append(np.array([self.slot(qubit) for qubit in qubits], dtype=np.intp))
        self.after.append(np.full(len(qubits), -1, dtype=np.intp))
        gates = sorted(level.gates, key=lambda one: [self.place[qubit] for qubit in one.qubits])
        self.written.extend(gates)
        self.layers.append(layer_of(self.source, level, tuple(qubits)))
        self.gates.append(tuple(gates))
        for column, qubit in enumerate(qubits):
            self.open[qubit] = len(self.layers) - 1, column

    def settle(self, qubit: int, *, idle: bool) -> None:
        """Write what has to come before something that is left as it is; Paulis may wait while it is idle."""
        if qubit in self.open and not (idle and not self.chains.get(qubit)):
            self.slot(qubit)
        else:
            self.written.extend(self.chains.pop(qubit, ()))

    def slot(self, qubit: int, *, measured: bool = False) -> int:
        """Write a slot, and give its number. What a measurement does not see is left out."""
        number = len(self.slots)
        self.slots.append(Slot(qubit, tuple(self.chains.pop(qubit, ()))))
        if qubit in self.open:
            layer, column = self.open.pop(qubit)
            self.after[layer][column] = number
        theta, phi, lam = (Parameter(f"{self.prefix}_{number:06d}_{letter}") for letter in "tpl")
        wire = (self.source.qubits[qubit],)
        if self.rotation.native:
            root = CircuitInstruction.from_standard(SX, wire, ())
            before, between, behind = (
                CircuitInstruction.from_standard(RZ, wire, (one,)) for one in (lam, theta, phi)
            )
            self.written += (
                (before, root, between, root) if measured else (before, root, between, root, behind)
            )
            self.angles.append({0: theta, 2: lam} if measured else {0: theta, 1: phi, 2: lam})
        else:
            gate = GENERAL[self.rotation.name](theta, phi, lam)
            self.written.append(CircuitInstruction(gate, wire))
            self.angles.append({0: theta, 1: phi, 2: lam})
        return number

    def finish(self, measurements: Sequence[CircuitInstruction], flipped: Collection[Qubit]) -> None:
        """Write the end: final measurements, and gates behind which nobody looks."""
        for one in measurements:
            qubit = self.place[one.qubits[0]]
            if one.qubits[0] in flipped or qubit in self.open:
                self.final[one.qubits[0]] = self.slot(qubit, measured=True)
        for qubit in sorted(self.chains):
            self.written.extend(self.chains[qubit])
        self.written.extend(measurements)

    def done(self) -> Template:
        """The template."""
        circuit = self.source.copy_empty_like()
        circuit.global_phase = 0
        for one in self.written:
            circuit._append(one)
        names = [parameter.name for parameter in self.source.parameters]
        sources = {name: place for place, name in enumerate(names)}
        for number, angles in enumerate(self.angles):
            for which, parameter in angles.items():
                sources[parameter.name] = len(names) + 3 * number + which
        return Template(
            circuit,
            tuple(self.slots),
            columns(circuit, sources),
            tuple(self.layers),
            tuple(self.gates),
            tuple(self.before),
            tuple(self.after),
            self.final,
        )
