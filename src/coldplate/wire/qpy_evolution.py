"""Time evolutions in a QPY file (`PauliEvolutionGate`), walked without Qiskit: see `wire.qpy_scan`.

Not circuits are stored but what they are made from: sums of Pauli strings, a time, and the name and settings
of a product formula, which Qiskit's loader looks up and calls. Two formulas are known here, with numbers and
flags as settings. Sums are arrays of records; one whose weights have parameters is pickled, and refused.

Source: the documentation of `qiskit.qpy` (PAULI_EVOLUTION), and `qiskit.synthesis.evolution`.
"""

from __future__ import annotations

import json
import math
import re
import struct
from typing import Any

from coldplate.errors import BadInput, BadProgram, NotIsa
from coldplate.wire import npy
from coldplate.wire.qpy_values import LONG, Place, Values

PREFIX = "###PauliEvolutionGate_"  # by which the loader knows the definition of one
EVOLUTION = struct.Struct("!Q?cQQ")
SPARSE = struct.Struct("!IQQQQ")
ITEMS = (16, 2, 4, 8)  # bytes of a weight, a letter, a qubit and a boundary of a sparse sum
WEIGHT = {False: struct.Struct("<dd"), True: struct.Struct("!dd")}  # of sparse sums
MAX_REPS, MAX_ORDER = 10_000, 10
MAX_SETTINGS = 1_000  # characters
TIMES = (b"i", b"f", b"p", b"v", b"e")  # kinds of numbers, parameters and expressions
LABEL = re.compile("[IXYZ]*")
FORMULAS = frozenset({"LieTrotter", "SuzukiTrotter"})
FLAGS = frozenset({"insert_barriers", "wrap", "preserve_order"})
STRUCTURES = ("chain", "fountain")


def evolution(values: Values, part: Place, *, num_qubits: int, depth: int) -> int:
    """Walk a time evolution to its end; how many gates it stands for.

    Args:
        values: The walk, for the time.

    Raises:
        BadProgram: It is cut off, or not what it says it is.
        NotIsa: It is made by another formula than those known.
    """
    sums, alone, kind, time_size, settings_size = part.read(EVOLUTION)
    if sums < 1 or (alone and sums != 1):
        raise BadProgram(f"A time evolution is of {sums} operators.")
    gates = 0
    for _ in range(sums):
        sparse = values.version >= 17 and part.take(1) != b"\0"
        gates += sparse_sum(part, num_qubits) if sparse else labelled_sum(part, num_qubits)
    if kind not in TIMES:
        raise BadProgram("A time evolution has a time that is not a number.")
    values.value(kind, part.part(time_size), depth)
    stages = steps(part.text(settings_size))
    part.end()
    return max(1, gates * stages)


def labelled_sum(part: Place, num_qubits: int) -> int:
    """Walk a sum as an array of labels and weights; how many gates one step of it takes."""
    (size,) = part.read(LONG)
    raw = part.take(size)
    try:
        header, start = npy.header_of(raw)
    except BadInput as error:
        raise BadProgram(f"A time evolution has an operator that can't be read: {error.message}") from None
    fields = [("labels", f"<U{num_qubits}"), ("coeffs", "<c16")]
    shape: Any = header.get("shape")
    if header != {"descr": fields, "fortran_order": False, "shape": shape} or not plain(shape):
        raise BadProgram("A time evolution has an operator that is not Pauli strings with numbers.")
    row = 4 * num_qubits + WEIGHT[False].size
    if len(raw) != start + shape[0] * row:
        raise BadProgram("A time evolution has an operator that is cut off.")
    gates = 0
    for at in range(start, len(raw), row):
        check_weight(*WEIGHT[False].unpack_from(raw, at + 4 * num_qubits))
        label = raw[at : at + 4 * num_qubits].decode("utf-32-le", "replace")
        if not LABEL.fullmatch(label):
            raise BadProgram(f"A time evolution has the Pauli string {label[:40]!r}.")
        gates += cost(num_qubits - label.count("I"))
    return gates


def sparse_sum(part: Place, num_qubits: int) -> int:
    """Walk a sum that names only the letters that are not I; how many gates one step of it takes."""
    width, *sizes = part.read(SPARSE)
    if width != num_qubits or any(size % item for size, item in zip(sizes, ITEMS, strict=True)):
        raise BadProgram(f"A time evolution on {num_qubits} qubits has an operator of another shape.")
    number = int(sizes[0]) // ITEMS[0]
    for weight in part.each(WEIGHT[True], number):
        check_weight(*weight)
    part.skip(sum(sizes[1:]))
    return cost(int(sizes[2]) // ITEMS[2]) + number


def check_weight(real: float, imaginary: float) -> None:
    """Refuse a weight that is not a real number."""
    if imaginary or not math.isfinite(real):
        raise BadProgram("A time evolution has a weight that is not a real number: it is not unitary.")


def plain(shape: Any) -> bool:
    """Whether a shape is that of a list."""
    return isinstance(shape, tuple) and len(shape) == 1 and type(shape[0]) is int and 0 < shape[0] < 2**32


def cost(letters: int) -> int:
    """Gates of a rotation about a Pauli string: turned before and after, and a ladder on each side.

    >>> cost(3)
    19
    """
    return 6 * letters + 1


def steps(text: str) -> int:
    """How often a formula goes through all its strings.

    Raises:
        BadProgram: Its settings are not what they can be.
        NotIsa: It is another formula.
    """
    try:
        told = json.loads(text) if len(text) <= MAX_SETTINGS else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("settings"), dict) or len(told) != 2:
        raise BadProgram("A time evolution has settings that can't be read.")
    if not isinstance(told.get("class"), str) or told["class"] not in FORMULAS:
        raise NotIsa(
            f"A time evolution is made by {str(told.get('class'))[:40]!r}, which is not run here.",
            solution=f"Use {' or '.join(sorted(FORMULAS))}, or decompose the circuit first.",
        )
    settings = dict(told["settings"])
    reps, order = settings.pop("reps", 1), settings.pop("order", 1)
    right = whole(reps, most=MAX_REPS) and whole(order, most=MAX_ORDER)
    right &= settings.pop("cx_structure", STRUCTURES[0]) in STRUCTURES
    right &= all(name in FLAGS and type(value) is bool for name, value in settings.items())
    if not right or ("order" in told["settings"] and told["class"] == "LieTrotter"):
        raise BadProgram("A time evolution has settings that its formula does not have.")
    return int(reps * 2 * 5 ** ((order - 1) // 2))


def whole(value: Any, *, most: int) -> bool:
    """Whether a value is an integer from 1 to `most`."""
    return type(value) is int and 1 <= value <= most
