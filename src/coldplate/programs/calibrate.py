"""The calibrate program: takes the device out of its session's work for as long as measuring it takes.

An emulated device is what its snapshot says, so nothing about it changes. What a device measures first is
measured all the same, and charged: how every qubit reads 0 and 1. The log tells what came out.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from qiskit.circuit import QuantumCircuit

from coldplate.circuits.backend import Backend
from coldplate.circuits.program import Item, Outcomes, Program, unpack_bits
from coldplate.domain.options import settle
from coldplate.engine.seeds import origin
from coldplate.errors import BadInput
from coldplate.programs.registry import Answer, Context
from coldplate.wire.params import dumps, read
from coldplate.wire.quantum_program import write_time

SHOTS = 1024


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Calibrate a backend.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        BadInput: It is an ideal simulator.
    """
    fields = read(params)
    settle("calibrate", fields)
    if backend.simulator:
        raise BadInput(f"{backend.name} is an ideal simulator; there is nothing to calibrate.")
    start = origin(context.seed, now=datetime.now(UTC))
    items = tuple(reading(backend.target.num_qubits or 1, flip=flip) for flip in (False, True))
    outcomes = backend.run(Program(items, start.clock_start), start.generators()[1])
    if not outcomes.made_up:
        context.log(told(items, outcomes))
    body = dumps(
        {
            "schema_version": fields["schema_version"],
            "start": write_time(start.clock_start),
            "stop": write_time(max(one.span[1] for one in outcomes.items)),
        }
    )
    return Answer(body, usage_s=outcomes.usage_s)


def reading(num_qubits: int, *, flip: bool) -> Item:
    """All qubits as 0, or as 1, measured."""
    circuit = QuantumCircuit(num_qubits, num_qubits)
    if flip:
        circuit.x(range(num_qubits))
    circuit.measure(range(num_qubits), range(num_qubits))
    return Item(circuit, np.zeros((0,)), SHOTS)


def told(items: tuple[Item, ...], outcomes: Outcomes) -> str:
    """What came out, in a line."""
    (register,) = items[0].circuit.cregs
    ones = [unpack_bits(one.bits[register.name], len(register)).mean(axis=0) for one in outcomes.items]
    errors = (ones[0] + 1 - ones[1]) / 2
    worst = int(np.argmax(errors))
    return f"Readout errors: median {np.median(errors):.4f}, most {errors[worst]:.4f} on qubit {worst}."
