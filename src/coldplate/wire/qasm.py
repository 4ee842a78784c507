"""Circuits as OpenQASM 3 text, for users without Qiskit: held against bounds, then parsed."""

from __future__ import annotations

import re

from qiskit import qasm3
from qiskit.circuit import QuantumCircuit

from coldplate.errors import BadProgram
from coldplate.wire.qpy import MAX_BITS, check_circuit

MAX_LENGTH = 1_000_000  # characters
MAX_BRACKETS = 200  # nested brackets
MAX_GATES = 10**7  # statements times declared bits: what broadcasting a gate over registers may give
STANDARD_INCLUDE = "stdgates.inc"

INCLUDE = re.compile(r'\binclude\b\s*(?P<file>"[^"\n]*"|\S+)')
# The text is searched as it is, comments too, because what is a comment depends on what is around it.
DECLARED = re.compile(r"\b(?:qubit|bit)\s*(?:\[(?P<size>[^\]]*)\]|(?P<hidden>/))")
REGISTER = re.compile(r"\b(?:qreg|creg)\b[^;\[]*\[(?P<size>[^\]]*)\]")
NUMBER = re.compile(r"\s*[0-9]{1,9}\s*")


def load_qasm(text: str, *, max_bits: int = MAX_BITS) -> QuantumCircuit:
    """The circuit of an OpenQASM 3 program.

    Raises:
        BadProgram: It is too large, includes another file than stdgates.inc, or can't be read.
        NotIsa, LimitExceeded: See `wire.qpy.check_circuit`.
    """
    check_text(text, max_bits=max_bits)
    try:
        circuit = qasm3.loads(text)
    except MemoryError:
        raise
    except Exception as error:  # the parser raises whatever a wrong program leads it to
        raise BadProgram(f"An OpenQASM 3 program can't be read: {str(error)[:300]}") from None
    check_circuit(circuit, max_bits=max_bits)
    return circuit


def check_text(text: str, *, max_bits: int) -> None:
    """Refuse a program by its text, before anything parses it."""
    if len(text) > MAX_LENGTH:
        raise BadProgram(f"An OpenQASM 3 program has {len(text)} characters, more than {MAX_LENGTH}.")
    if brackets(text) > MAX_BRACKETS:
        raise BadProgram(f"An OpenQASM 3 program nests brackets deeper than {MAX_BRACKETS}.")
    for include in INCLUDE.finditer(text):
        if include["file"].strip("\"';") != STANDARD_INCLUDE:
            raise BadProgram(f"An OpenQASM 3 program may only include {STANDARD_INCLUDE}.")
    bits = declared_bits(text)
    if bits > max_bits or bits * text.count(";") > MAX_GATES:
        raise BadProgram(f"An OpenQASM 3 program declares {bits} bits, which is too many for its length.")


def brackets(text: str) -> int:
    """The deepest that brackets nest."""
    depth = deepest = 0
    for mark in re.finditer(r"[(\[{]|[)\]}]", text):
        depth += 1 if mark[0] in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def declared_bits(text: str) -> int:
    """The qubits and bits that all declarations with a size take."""
    bits = 0
    for declaration in (*DECLARED.finditer(text), *REGISTER.finditer(text)):
        size = declaration["size"]
        if size is None or not NUMBER.fullmatch(size):
            raise BadProgram(
                f"An OpenQASM 3 program declares bits as {declaration[0][:60]!r}.",
                solution="Write sizes as plain numbers.",
            )
        bits += int(size)
    return bits
