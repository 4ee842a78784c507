"""QPY walked without Qiskit: every length, count and name in a file, before anything is made of it.

Qiskit's loader takes memory for whatever a file claims, and calls what its names name. This walk follows the
published layout, so that a file which would exhaust or abort the process is refused with a reason instead.

Source: the documentation of `qiskit.qpy`, versions 9 to 18.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping

from coldplate.errors import BadProgram, LimitExceeded, NotIsa
from coldplate.wire.qpy_evolution import PREFIX, evolution
from coldplate.wire.qpy_values import MAX_CONTROLS, MAX_NESTING, TYPED, Place, Values, too_deep

MAX_TOTAL_BITS = 10**6  # of all circuits of a file, and what their registers hold; a bit takes 350 bytes
MAX_GATES = 10**7  # after every definition is expanded

FILE = {False: struct.Struct("!6sBBBBQ"), True: struct.Struct("!6sBBBBQc")}  # from version 10 on
CIRCUIT = {False: struct.Struct("!HcHIIQIQ"), True: struct.Struct("!HcHIIQIQI")}  # from version 12 on
REGISTER = {False: struct.Struct("!c?IH?"), True: struct.Struct("!c?IH?B")}  # from version 18 on
LAYOUT = {False: struct.Struct("!?iiiI"), True: struct.Struct("!?iiiIi")}  # from version 10 on
DEFINITION = struct.Struct("!HcII?QIIQ")
INSTRUCTION = struct.Struct("!HHHIIBHqII")
VARIABLE = struct.Struct("!16scHc")
ANNOTATION = struct.Struct("!IQ")
VECTOR = struct.Struct("!HQ16s")
SHORT, INT, LONG, SIGNED = (struct.Struct(layout) for layout in ("!H", "!I", "!Q", "!i"))
CONDITION, BY_EXPRESSION, HAS_ANNOTATIONS = 0b11, 2, 0x80  # in an instruction's flags
SYMPY, SYMENGINE = b"p", b"e"  # how the header of version 10 and later says what expressions are
CONTIGUOUS = 1  # a register that gives only its first bit
UNUSUAL = BY_EXPRESSION | HAS_ANNOTATIONS
SIMPLE = frozenset({b"i", b"f", b"c", b"p", b"z"})  # kinds of values that are what their size says
FLOAT = TYPED.pack(b"f", 8)
OPERAND = 5  # bytes of each qubit and clbit of an instruction


def scan(
    raw: bytes, *, expected: int, versions: Collection[int], names: Collection[str], max_bits: int
) -> None:
    """Walk a QPY file to its end.

    Args:
        expected: How many circuits there have to be.
        versions: The versions of the format to take.
        names: Names of the classes that an instruction may be of, beside definitions of the file's own.
        max_bits: The most qubits, or clbits, that one circuit may have.

    Raises:
        BadProgram: It is not QPY of such a version, cut off, or not what it says it is.
        NotIsa: It has an instruction of another class.
        LimitExceeded: It would take too much memory, nest too deep or expand to too many gates.
    """
    place = Place(raw)
    version = raw[6] if raw[:6] == b"QISKIT" and len(raw) > 6 else None
    if version is None:
        raise BadProgram("A circuit is not QPY.")
    if version not in versions:
        raise BadProgram(
            f"A circuit is QPY version {version}; this server reads {', '.join(map(str, sorted(versions)))}.",
            solution="Use a client with a supported version of Qiskit.",
        )
    header = place.read(FILE[version >= 10])
    programs = header[5]
    if programs != expected:
        raise BadProgram(f"There are {programs} circuits in one QPY file where {expected} are expected.")
    if place.take(1) != b"q":
        raise BadProgram("A QPY file holds something that is not a circuit.")
    walk = Scan(version, names, max_bits)
    if 10 <= version < 13 and header[6] != SYMPY:
        if header[6] != SYMENGINE:
            raise BadProgram("A QPY file has parameter expressions of an unknown form.")
        walk.by_symengine = True
    starts = [place.read(LONG)[0] for _ in range(programs)] if version >= 16 else [None] * programs
    for start in starts:
        if start is not None and start != place.at:
            raise BadProgram("The circuits of a QPY file are not where its table says.")
        walk.circuit(place, 0)
    if place.left:
        raise BadProgram("A QPY file goes on after its last circuit.")


class Scan(Values):
    """One walk through a file, and what it has met so far."""

    def __init__(self, version: int, names: Collection[str], max_bits: int):
        super().__init__(version)
        self.names = names
        self.known = {name.encode() for name in names}
        self.max_bits = max_bits
        self.bits = 0

    def circuit(self, place: Place, depth: int) -> int:
        """Walk one circuit; how many gates it has when its definitions are expanded."""
        if depth > MAX_NESTING:
            raise too_deep()
        name, phase, phase_size, qubits, clbits, metadata, registers, instructions, *variables = place.read(
            CIRCUIT[self.version >= 12]
        )
        self.count(qubits)
        self.count(clbits)
        place.skip(name)
        self.value(phase, place.part(phase_size), depth)
        place.skip(metadata)
        self.registers(place, registers)
        self.variables(place, variables[0] if variables else 0)
        self.tables(place)
        own = self.definitions(place, depth)
        gates = walked = 0
        while walked < instructions:
            plain = self.plain(place, own, instructions - walked)
            walked += plain
            gates += plain
            if walked < instructions:
                gates += self.instruction(place, own, depth)
                walked += 1
            if gates > MAX_GATES:
                raise LimitExceeded(
                    f"A circuit expands to more than {MAX_GATES} gates.",
                    solution="Use fewer or smaller gate definitions.",
                )
        if self.version < 18 and place.read(SHORT) != (0,):
            raise BadProgram("A circuit has pulse calibrations, which no backend has.")
        self.layout(place)
        return gates

    def tables(self, place: Place) -> None:
        """Walk what annotations and parameter vectors refer to."""
        if self.version >= 15:
            for namespace, state in place.each(ANNOTATION, *place.read(INT)):
                place.skip(namespace + state)
        if self.version >= 18:
            for name, size, _uuid in place.each(VECTOR, *place.read(SHORT)):
                self.vector(size)
                place.skip(name)

    def count(self, bits: int) -> None:
        """Count the bits of a circuit or register.

        Raises:
            LimitExceeded: They are too many.
        """
        self.bits += bits
        if bits > self.max_bits or self.bits > MAX_TOTAL_BITS:
            raise LimitExceeded(
                f"A circuit has {bits} qubits or clbits, of at most {self.max_bits}; "
                f"all circuits of a file together may have {MAX_TOTAL_BITS}.",
                solution="Use fewer qubits and clbits.",
            )

    def registers(self, place: Place, number: int) -> None:
        """Walk the registers of a circuit or layout."""
        width = 4 if self.version >= 18 else 8
        for _kind, _standalone, size, name, _used, *attached in place.each(
            REGISTER[self.version >= 18], number
        ):
            self.count(size)
            place.skip(name + width * (1 if attached == [CONTIGUOUS] else size))

    def variables(self, place: Place, number: int) -> None:
        """Walk the classical variables and stretches that a circuit declares."""
        for _uuid, _usage, name, kind in place.each(VARIABLE, number):
            place.skip(name + (INT.size if kind == b"u" else 0))

    def definitions(self, place: Place, depth: int) -> Mapping[str, int]:
        """Walk a circuit's own definitions; how many gates each of them stands for."""
        found: dict[str, int] = {}
        under: dict[str, Place] = {}
        for name_size, kind, qubits, clbits, defined, size, controls, _state, base in place.each(
            DEFINITION, *place.read(LONG)
        ):
            name = place.text(name_size)
            if (kind == b"p") != name.startswith(PREFIX):
                raise BadProgram(f"The instruction {name[:60]!r} is not of the kind that it is called.")
            if max(qubits, clbits) > self.max_bits or controls > MAX_CONTROLS:
                raise BadProgram(
                    f"The instruction {name[:60]!r} has {qubits} qubits and {controls} controls."
                )
            gates = 1
            if defined:
                gates = self.definition(place.part(size), depth, evolves=qubits if kind == b"p" else None)
            found[name] = gates
            if base:
                under[name] = place.part(base)
        self.bases(under, found, depth)
        return found

    def definition(self, part: Place, depth: int, *, evolves: int | None) -> int:
        """Walk what an instruction of the file's own stands for, a circuit or a time evolution.

        Args:
            evolves: Of how many qubits, if it is a time evolution.
        """
        if evolves is not None:
            return evolution(self, part, num_qubits=evolves, depth=depth)
        gates = max(1, self.circuit(part, depth + 1))
        part.end()
        return gates

    def bases(self, under: Mapping[str, Place], own: Mapping[str, int], depth: int) -> None:
        """Walk the instructions that controlled ones are made from, which may not go round in circles."""
        follows = {}
        for name, base in under.items():
            header = Place(base.raw, base.at, base.stop)
            follows[name] = header.text(header.read(INSTRUCTION)[0])
            self.instruction(base, own, depth, operand=0)
            base.end()
        for name in under:
            for _ in range(MAX_NESTING):
                name = follows.get(name, "")
            if name:
                raise too_deep()

    def plain(self, place: Place, own: Mapping[str, int], most: int) -> int:
        """Walk instructions that stand for themselves and have simple values only; how many there were.

        It stops before whatever needs a closer look, or is wrong: `instruction` says what.
        """
        raw, stop, known = place.raw, place.stop, self.known - {name.encode() for name in own}
        for walked in range(most):
            at = place.at + INSTRUCTION.size
            if at > stop:
                return walked
            name, label, params, qubits, clbits, flags, register, _value, controls, _state = (
                INSTRUCTION.unpack_from(raw, place.at)
            )
            if raw[at : at + name] not in known or flags & UNUSUAL or controls > MAX_CONTROLS:
                return walked
            at += name + label + register + OPERAND * (qubits + clbits)
            for _ in range(params):
                if raw[at : at + 9] == FLOAT:
                    at += 17
                elif raw[at : at + 1] in SIMPLE and at + 9 <= stop:
                    at += 9 + LONG.unpack_from(raw, at + 1)[0]
                else:
                    return walked
            if at > stop:
                return walked
            place.at = at
        return most

    def instruction(self, place: Place, own: Mapping[str, int], depth: int, *, operand: int = OPERAND) -> int:
        """Walk one instruction; how many gates it stands for.

        Args:
            operand: Bytes of each qubit and clbit; those that other instructions are made from have none.
        """
        name_size, label, params, qubits, clbits, flags, register, _value, controls, _state = place.read(
            INSTRUCTION
        )
        name = place.text(name_size)
        if name not in own and name not in self.names:
            raise NotIsa(f"A circuit has {name[:60]!r}, which no backend runs.")
        if controls > MAX_CONTROLS:
            raise BadProgram(f"An instruction {name[:60]!r} has {controls} controls.")
        place.skip(label + register)
        if flags & CONDITION == BY_EXPRESSION:
            self.typed(place, depth)
        place.skip(operand * (qubits + clbits))
        gates = own.get(name, 1)
        for _ in range(params):
            gates += self.typed(place, depth)
        if flags & HAS_ANNOTATIONS:
            for _namespace, payload in place.each(ANNOTATION, *place.read(INT)):
                place.skip(payload)
        return gates

    def layout(self, place: Place) -> None:
        """Walk where the qubits were placed."""
        exists, initial, mapping, final, registers, *_ = place.read(LAYOUT[self.version >= 10])
        if not exists:
            return
        self.registers(place, registers)
        for (index,) in place.each(SIGNED, max(0, initial)):
            if index == -1 and self.version >= 18:
                continue
            (name,) = place.read(SIGNED)
            place.skip(max(0, name))
        place.skip(INT.size * (max(0, mapping) + max(0, final)))
