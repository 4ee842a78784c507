"""Components as circuits for Aer: on their own qubits, delays replaced by what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from qiskit.circuit import (
    CircuitInstruction,
    ControlFlowOp,
    Delay,
    Instruction,
    Operation,
    Parameter,
    ParameterExpression,
    QuantumCircuit,
    Qubit,
)

from coldplate.backends.aer_noise import AerNoise
from coldplate.circuits.angles import Angles, is_free
from coldplate.circuits.components import Component
from coldplate.circuits.timing import delay_seconds
from coldplate.errors import BadInput


@dataclass(frozen=True)
class Idling:
    """What delays do: what noise makes of them, and their unit in seconds."""

    noise: AerNoise | None
    dt: float | None


# gates that Aer 0.17 and 0.18 bind right; with angles of controlled gates it runs another circuit
BINDABLE = frozenset(["delay", "p", "r", "rx", "rxx", "ry", "ryy", "rz", "rzx", "rzz", "u", "u1", "u2", "u3"])

Batch = tuple[list[QuantumCircuit], list[dict[Parameter, list[float]]] | None]  # as AerSimulator.run takes it


def batch(component: Component, circuit: QuantumCircuit, angles: Angles, *, idling: Idling) -> Batch:
    """A component for every element: one circuit and its angles, or bound circuits where Aer can't bind it.

    Args:
        circuit: The component's circuit, for its registers.
    """
    built = empty(component, circuit)
    free = {one.name for one in component.instructions if one.is_parameterized()}
    if component.has_control_flow or not free <= BINDABLE:
        add(built, component.instructions, idling, component.qubit_of)
        return [bind(built, row) for row in angles.rows(built.parameters)], None
    instructions, expressions = plain(component.instructions)
    add(built, instructions, idling, component.qubit_of)
    if not expressions:
        return [built] * len(angles.values), None
    binds = {
        parameter: as_list(angles.of(expression), len(angles.values))
        for parameter, expression in expressions.items()
    }
    return [built], [binds]


def as_list(values: object, number: int) -> list[float]:
    """One value per element."""
    found: list[float] = np.broadcast_to(np.asarray(values, dtype=np.float64), (number,)).tolist()
    return found


def bind(circuit: QuantumCircuit, values: Mapping[Parameter, float]) -> QuantumCircuit:
    """A circuit without parameters."""
    return circuit.assign_parameters(values) if values else circuit


def plain(
    instructions: Iterable[CircuitInstruction],
) -> tuple[list[CircuitInstruction], dict[Parameter, ParameterExpression]]:
    """Instructions with one plain parameter per angle, and what each stands for.

    Aer binds plain parameters for all elements at once; expressions are evaluated before.
    """
    found: list[CircuitInstruction] = []
    expressions: dict[Parameter, ParameterExpression] = {}
    for instruction in instructions:
        operation = instruction.operation
        if operation.name != "delay" and any(map(is_free, operation.params)):
            operation = operation.to_mutable()
            for place, value in enumerate(operation.params):
                if is_free(value):
                    parameter = Parameter(f"angle{len(expressions)}")
                    expressions[parameter] = value
                    operation.params[place] = parameter
            instruction = CircuitInstruction(operation, instruction.qubits, instruction.clbits)
        found.append(instruction)
    return found, expressions


def empty(component: Component, circuit: QuantumCircuit) -> QuantumCircuit:
    """A circuit with a component's wires; where there is control flow, with all registers.

    Raises:
        BadInput: It has variables.
    """
    if not component.has_control_flow:
        return QuantumCircuit(list(component.wires), list(component.bits))
    built = QuantumCircuit(list(component.wires), circuit.clbits)
    for register in circuit.cregs:
        built.add_register(register)
    for variable in circuit.iter_vars():
        raise BadInput(  # Aer refuses booleans, and integers end its process
            f"The circuit has the variable {variable.name}; variables can't be simulated.",
            solution="Keep what was measured in classical bits and registers.",
        )
    return built


def add(
    circuit: QuantumCircuit,
    instructions: Iterable[CircuitInstruction],
    idling: Idling,
    place: Mapping[Qubit, int],
) -> None:
    """Append instructions, with delays as what they do, also inside control flow.

    Args:
        place: The device's qubit behind each qubit.
    """
    for instruction in instructions:
        operation = instruction.operation
        if operation.name == "delay":
            operation = waiting(operation, idling, place[instruction.qubits[0]])
            if operation is None:
                continue
        if isinstance(operation, ControlFlowOp):
            blocks = []
            for block in operation.blocks:
                inner = dict(zip(block.qubits, (place[qubit] for qubit in instruction.qubits), strict=True))
                blocks.append(block.copy_empty_like())
                add(blocks[-1], block.data, idling, inner)
            operation = operation.replace_blocks(blocks)
        circuit._append(CircuitInstruction(operation, instruction.qubits, instruction.clbits))


def waiting(delay: Operation, idling: Idling, qubit: int) -> Instruction | None:
    """What a delay does to a qubit of the device; None: nothing."""
    if idling.noise is None:
        return None
    if idling.noise.keeps_delays:
        return Delay(0)  # its errors are the same for any time
    error = idling.noise.idle(qubit, delay_seconds(delay, dt=idling.dt))
    return None if error is None else error.to_instruction()
