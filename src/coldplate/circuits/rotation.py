"""A parametrised rotation before a measurement: which Pauli is measured, and whether the bit is flipped.

One template circuit then serves every basis and every twirl; they differ in angles only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Clbit, Parameter, QuantumCircuit, Qubit
from qiskit.circuit.library import RZGate, SXGate, U3Gate, UGate
from qiskit.transpiler import Target

from coldplate.errors import IncompatibleOptions

Floats = NDArray[np.float64]

GENERAL = {"u": UGate, "u3": U3Gate}


@dataclass(frozen=True)
class Rotation:
    """How a target turns a qubit before it is measured, by two angles `turn` and `phase`.

    The rotation is U(turn, 0, phase): one u (or u3) where the target has it, else rz-sx-rz-sx, as devices
    do. The second is right up to a phase and a rotation about Z, which a measurement along Z doesn't see.

    Attributes:
        native: By rz and sx.
        name: What the target calls u.
    """

    native: bool
    name: str = "u"

    @classmethod
    def of(cls, target: Target) -> Rotation:
        """The rotation that a target can do.

        Raises:
            IncompatibleOptions: It can do neither.
        """
        names = set(target.operation_names)
        for name in GENERAL:
            if name in names:
                return cls(native=False, name=name)
        if {"rz", "sx"} <= names:
            return cls(native=True)
        raise IncompatibleOptions(
            "The backend has neither rz and sx nor u or u3, to turn qubits before they are measured."
        )

    def append(
        self, circuit: QuantumCircuit, qubit: Qubit, *, turn: Parameter, phase: Parameter | None
    ) -> None:
        """Add the rotation of one qubit; without `phase` only Z is measured, flipped or not."""
        if not self.native:
            circuit.append(GENERAL[self.name](turn, 0.0, 0.0 if phase is None else phase), [qubit])
            return
        if phase is not None:
            circuit.append(RZGate(phase), [qubit])
        circuit.append(SXGate(), [qubit])
        circuit.append(RZGate(turn), [qubit])
        circuit.append(SXGate(), [qubit])

    def turns(self, x: NDArray[np.bool_], *, flips: NDArray[np.bool_]) -> Floats:
        """Angles `turn`: a quarter back for X and Y, and half a turn for a flip.

        Args:
            x: Whether X or Y is measured.
            flips: Whether the bit is flipped; broadcast with `x`.
        """
        angles = np.where(x, -np.pi / 2, 0.0) + np.where(flips, np.pi, 0.0)
        # U(turn, 0, phase) is rz sx rz(turn + pi) sx rz(phase)
        return angles + np.pi if self.native else angles

    def phases(self, x: NDArray[np.bool_], z: NDArray[np.bool_]) -> Floats:
        """Angles `phase`: a quarter back for Y."""
        return np.where(x & z, -np.pi / 2, 0.0)


def split(
    instructions: Sequence[CircuitInstruction], *, num_wires: int | None = None
) -> tuple[list[CircuitInstruction], list[CircuitInstruction]]:
    """A circuit's instructions without its final measurements, and the final measurements.

    A measurement is final when nothing but barriers and delays comes after it on its qubit, and nothing
    reads or writes its bit. Delays behind it go with it: nobody looks at the qubit any more.

    Args:
        num_wires: How many qubits and bits the instructions are on, where that is known.
    """
    body: list[CircuitInstruction | None] = []
    final: list[CircuitInstruction] = []
    used: set[Qubit | Clbit] = set()
    measured: set[Qubit] = set()
    waiting: dict[Qubit, list[int]] = {}  # places in the body of delays that nothing follows
    for number, instruction in enumerate(reversed(instructions)):
        if len(used) == num_wires:  # nothing before can be the last of its wires
            body.extend(reversed(instructions[: len(instructions) - number]))
            break
        name, qubits = instruction.name, instruction.qubits
        if name == "measure" and used.isdisjoint((*qubits, *instruction.clbits)):
            final.append(instruction)
            used.update(instruction.clbits)
            measured.update(qubits)
            for place in waiting.pop(qubits[0], ()):
                body[place] = None
            continue
        if name == "delay" and used.isdisjoint(qubits) and measured.isdisjoint(qubits):
            waiting.setdefault(qubits[0], []).append(len(body))
        elif name != "barrier":
            used.update(qubits, instruction.clbits)
        body.append(instruction)
    return [instruction for instruction in reversed(body) if instruction is not None], final[::-1]


def columns(template: QuantumCircuit, sources: Mapping[str, int]) -> NDArray[np.intp]:
    """For each parameter of a template, in its order, where its values come from, by name."""
    return np.array([sources[parameter.name] for parameter in template.parameters], dtype=np.intp)


def fresh_names(circuit: QuantumCircuit, prefix: str, number: int) -> list[Parameter]:
    """New parameters whose names the circuit does not use.

    >>> [parameter.name for parameter in fresh_names(QuantumCircuit(1), "turn", 2)]
    ['_turn0', '_turn1']
    """
    taken = {parameter.name for parameter in circuit.parameters}
    prefix = f"_{prefix}"
    while any(name.startswith(prefix) for name in taken):
        prefix = f"_{prefix}"
    return [Parameter(f"{prefix}{index}") for index in range(number)]
