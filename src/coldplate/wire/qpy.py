"""Circuits as QPY: looked at without Qiskit first, loaded, then held against an allow-list.

Loading runs code that trusts what it reads, and can abort the process; so it only happens in a job's own
process, whose memory and time are limited. The checks here turn what can be foreseen into an answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from ibm_quantum_schemas.common.annotation_serializer import AnnotationSerializer
from qiskit import qpy
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    BoxOp,
    BreakLoopOp,
    CircuitInstruction,
    ContinueLoopOp,
    ControlFlowOp,
    ControlledGate,
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    Measure,
    Operation,
    QuantumCircuit,
    Reset,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import PauliEvolutionGate, UnitaryGate, get_standard_gate_name_mapping

from coldplate.circuits.content import mark
from coldplate.errors import BadProgram, LimitExceeded, NotIsa
from coldplate.wire import symengine
from coldplate.wire.params import check_structure, check_tags
from coldplate.wire.qpy_scan import scan

# Symengine reads expressions of QPY 10 to 12 with pickle, and old readers gave texts to sympy's eval: in a
# process that loads QPY neither can be imported, installed or not.
for banned in ("symengine", "sympy"):
    if sys.modules.get(banned) is not None:
        raise ImportError(f"{banned} must not be loaded in a process that reads users' circuits.")
    sys.modules[banned] = None  # type: ignore[assignment]

# The loader would hand such expressions to symengine itself; ours gives the same text, or refuses.
qpy.common.load_symengine_payload = symengine.text_of

VERSIONS = frozenset(range(9, 19))
WRITTEN = 13
MAX_BITS = 100_000  # qubits, and clbits, of one circuit
MAX_NESTING = 20  # levels of control flow
ANNOTATIONS: Mapping[str, type[AnnotationSerializer]] = {"samplomatic": AnnotationSerializer}

STANDARD = {
    name: (gate.base_class if isinstance(gate, Instruction) else type(gate))
    for name, gate in get_standard_gate_name_mapping().items()
}
FLOW = {
    "box": BoxOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
    "for_loop": ForLoopOp,
    "if_else": IfElseOp,
    "switch_case": SwitchCaseOp,
    "while_loop": WhileLoopOp,
}
BY_NAME = (
    STANDARD | FLOW | {"barrier": Barrier, "measure": Measure, "reset": Reset, "delay": Delay, "store": Store}
)
# A user's own instructions; a backend that knows them by name can run them, the others say so.
OWN = frozenset({Instruction, Gate, ControlledGate, AnnotatedOperation, UnitaryGate})
ALLOWED = OWN | frozenset(BY_NAME.values())
# Classes that a file may name: also those that only a definition of a user's own may be made of.
INSIDE = frozenset(
    {"MCPhaseGate", "MCXGate", "PauliGate", "PermutationGate", "DiagonalGate", "StatePreparation"}
)
REPEATED = frozenset({"complex", "datetime", "ndarray", "set"})  # tags that metadata may have
NAMES = INSIDE | {kind.__name__ for kind in ALLOWED}


def load_circuits(
    raw: bytes, *, expected: int, max_bits: int = MAX_BITS, versions: frozenset[int] = VERSIONS
) -> list[QuantumCircuit]:
    """The circuits of a QPY file.

    Args:
        expected: How many there have to be.
        max_bits: The most qubits, or clbits, that one circuit may have.
        versions: The QPY versions to take.

    Raises:
        BadProgram: It can't be read.
        NotIsa: A circuit has an operation that no backend runs.
        LimitExceeded: A circuit is wider than `max_bits`, or nests too deep.
    """
    scan(raw, expected=expected, versions=versions, names=NAMES, max_bits=min(max_bits, MAX_BITS))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the file was written by a newer Qiskit
            circuits = qpy.load(io.BytesIO(raw), annotation_factories=ANNOTATIONS)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Qiskit's Rust part is not an Exception
        raise BadProgram(f"A circuit can't be read: {str(error)[:300] or type(error).__name__}") from None
    source = hashlib.sha256(raw).digest()
    for index, circuit in enumerate(circuits):
        check_circuit(circuit, max_bits=max_bits)
        mark(circuit, source + index.to_bytes(8))
    return list(circuits)


def dump_circuit(circuit: QuantumCircuit) -> bytes:
    """A circuit of our own as a QPY file that every client since 2024 reads."""
    file = io.BytesIO()
    qpy.dump(circuit, file, version=WRITTEN)
    return file.getvalue()


def check_circuit(circuit: QuantumCircuit, *, max_bits: int = MAX_BITS) -> None:
    """Refuse a loaded circuit that holds what it may not hold.

    Raises:
        BadProgram, NotIsa, LimitExceeded: See `load_circuits`.
    """
    check_metadata(circuit.metadata)
    waiting = [(circuit, 0)]
    while waiting:
        block, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise LimitExceeded(
                f"A circuit nests control flow deeper than {MAX_NESTING} levels.",
                solution="Use fewer levels of control flow.",
            )
        if max(block.num_qubits, block.num_clbits) > max_bits:
            raise LimitExceeded(f"A circuit has more than {max_bits} qubits or clbits.")
        for instruction in block.data:
            if instruction.is_standard_gate():
                continue
            check_delay(instruction)
            operation = instruction.operation
            check_operation(operation)
            if isinstance(operation, ControlFlowOp):
                waiting.extend((inner, depth + 1) for inner in operation.blocks)


def check_delay(instruction: CircuitInstruction) -> None:
    """Refuse a delay in another unit than dt: QPY keeps its number, a float, but not its unit."""
    if instruction.name == "delay" and isinstance(instruction.params[0], float):
        raise BadProgram(
            f"A delay of {instruction.params[0]:g} arrived without its unit: circuits are sent as QPY, which "
            "keeps no unit but dt.",
            solution="Give delays in units of dt (backend.dt); transpiling for the backend converts them.",
        )


def check_metadata(metadata: Any) -> None:
    """Refuse a circuit's metadata that results could not repeat."""
    try:
        text = json.dumps(metadata, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise BadProgram("A circuit's metadata is not JSON, or has numbers that are not finite.") from None
    check_structure(text.encode("ascii"))
    check_tags(metadata, allowed=REPEATED, where="A circuit's metadata")


def check_operation(operation: Operation) -> None:
    """Refuse an operation of another class than its name says, or of a class that no backend runs."""
    kind = operation.base_class if isinstance(operation, Instruction) else type(operation)
    if BY_NAME.get(operation.name, kind) is not kind:
        raise BadProgram(f"A circuit has an instruction of its own with the name {operation.name!r}.")
    # A file can't make a time evolution by that class's name, only by a definition that was walked.
    if kind not in ALLOWED and kind is not PauliEvolutionGate:
        raise NotIsa(f"A circuit has {operation.name!r} ({kind.__name__}), which no backend runs.")
