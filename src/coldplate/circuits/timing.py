"""How long a circuit takes on a device: its longest chain of instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qiskit.circuit import ControlFlowOp, Operation, QuantumCircuit, Qubit
from qiskit.circuit.classical import expr

from coldplate.errors import BadInput

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}
Length = Callable[[str, tuple[int, ...]], float]  # of an instruction by name on qubits, seconds


def duration(circuit: QuantumCircuit, length: Length, *, dt: float | None) -> float:
    """Seconds from the start to the last instruction's end; of branches the longest, of loops every turn.

    Args:
        length: Seconds that an instruction takes.
        dt: The backend's unit of time, seconds.

    Raises:
        BadInput: A delay can't be told in seconds.
    """
    places = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    return block_duration(circuit, length, dt=dt, places=places)


def block_duration(
    circuit: QuantumCircuit, length: Length, *, dt: float | None, places: Mapping[Qubit, int]
) -> float:
    """The same for a body whose qubits stand for others."""
    clock: dict[object, float] = {}
    for instruction in circuit.data:
        wires = (*instruction.qubits, *instruction.clbits)
        start = max((clock.get(wire, 0.0) for wire in wires), default=0.0)
        if instruction.is_control_flow():
            operation = instruction.operation
            inner = [
                block_duration(
                    block,
                    length,
                    dt=dt,
                    places=dict(
                        zip(block.qubits, (places[qubit] for qubit in instruction.qubits), strict=True)
                    ),
                )
                for block in operation.blocks
            ]
            taken = turns(operation) * max(inner, default=0.0)
        elif instruction.name == "delay":
            taken = delay_seconds(instruction.operation, dt=dt)
        elif instruction.name == "barrier":
            taken = 0.0
        else:
            taken = length(instruction.name, tuple(places[qubit] for qubit in instruction.qubits))
        for wire in wires:
            clock[wire] = start + taken
    return max(clock.values(), default=0.0)


def turns(operation: ControlFlowOp) -> int:
    """How often a loop goes round at most, as far as it says; once for anything else."""
    if operation.name != "for_loop":
        return 1
    values = operation.params[0]
    return 1 if isinstance(values, expr.Expr) else len(values)


def delay_seconds(operation: Operation, *, dt: float | None) -> float:
    """How long a delay is.

    Raises:
        BadInput: It is in units of dt and there is none, or is a stretch or not a number.
    """
    try:
        value = float(operation.duration)
    except (TypeError, ValueError):
        raise BadInput("A delay's duration is not a number; resolve stretches first.") from None
    if operation.unit == "dt":
        if dt is None:
            raise BadInput("A delay is given in units of dt, and this backend has none.")
        return value * dt
    if operation.unit not in SECONDS or value < 0:
        raise BadInput(f"A delay of {value:g} {operation.unit} can't be.")
    return value * SECONDS[operation.unit]
