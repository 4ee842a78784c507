"""Whether a circuit is in a backend's instruction set (ISA)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from qiskit.circuit import CircuitInstruction, QuantumCircuit, Qubit
from qiskit.transpiler import Target

from coldplate.circuits.angles import Angles, is_free
from coldplate.circuits.program import Item
from coldplate.errors import NotIsa

EVERYWHERE = frozenset({"barrier", "store", "break_loop", "continue_loop"})
CONTROL_FLOW = frozenset({"if_else", "for_loop", "while_loop", "switch_case", "box"})
LARGEST_RZZ = math.pi / 2
SLACK = 1e-9  # of an rzz angle; rounding must not refuse a circuit


def check_isa(circuit: QuantumCircuit, target: Target, *, simulator: bool) -> None:
    """Refuse a circuit that the backend can't run as it is.

    Args:
        simulator: The backend takes any gate; only the width is checked.

    Raises:
        NotIsa: It is too wide, has an instruction the target lacks, or lacks on those qubits, or an rzz
            angle outside [0, pi/2].
    """
    width = target.num_qubits
    if width is not None and circuit.num_qubits > width:
        raise NotIsa(f"A circuit has {circuit.num_qubits} qubits, the backend {width}.")
    if simulator:
        return
    for instruction, qubits in flattened(circuit):
        name = instruction.name
        if name in EVERYWHERE:
            continue
        if not target.instruction_supported(name, qubits):
            place = f"on qubits {list(qubits)}" if name in target.operation_names else "at all"
            raise NotIsa(f"The instruction {name} is not supported {place} by this backend.")
        if name == "rzz" and not is_free(instruction.params[0]):
            check_rzz(float(instruction.params[0]), qubits)


def check_rzz_values(item: Item) -> None:
    """Refuse parameter values that make an rzz angle leave [0, pi/2].

    Raises:
        NotIsa: One does.
    """
    names = item.circuit.count_ops().keys()
    if "rzz" not in names and not names & CONTROL_FLOW:
        return
    angles = Angles(item.circuit.parameters, item.flat_values)
    for instruction, qubits in flattened(item.circuit):
        if instruction.name == "rzz" and is_free(instruction.params[0]):
            found = np.asarray(angles.of(instruction.params[0]))
            if found.size:
                check_rzz(float(found.min()), qubits)
                check_rzz(float(found.max()), qubits)


def check_rzz(angle: float, qubits: tuple[int, ...]) -> None:
    """Refuse one angle of an rzz."""
    if not -SLACK <= angle <= LARGEST_RZZ + SLACK:
        raise NotIsa(f"rzz on qubits {list(qubits)} has the angle {angle:.6g}, outside [0, pi/2].")


def flattened(circuit: QuantumCircuit) -> Iterator[tuple[CircuitInstruction, tuple[int, ...]]]:
    """Every instruction with the indices of its qubits, those inside control flow included."""
    yield from inside(circuit.data, {qubit: index for index, qubit in enumerate(circuit.qubits)})


def inside(
    instructions: Iterable[CircuitInstruction], place: dict[Qubit, int]
) -> Iterator[tuple[CircuitInstruction, tuple[int, ...]]]:
    """The same for instructions whose qubits stand for others."""
    for instruction in instructions:
        qubits = tuple(place[qubit] for qubit in instruction.qubits)
        yield instruction, qubits
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                yield from inside(block.data, dict(zip(block.qubits, qubits, strict=True)))
