"""The values inside a QPY file, walked without Qiskit: see `wire.qpy_scan`."""

from __future__ import annotations

import ast
import math
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from coldplate.errors import BadProgram, LimitExceeded
from coldplate.wire import npy, symengine

MAX_NESTING = 20  # circuits inside circuits: bodies of control flow, definitions of gates
MAX_OPERATIONS = 5_000  # of one parameter expression, which is evaluated by recursion
MAX_SYMBOLIC_TEXT = 4_096  # characters of an expression before version 13
MAX_POWER = 1_000  # in such a text, of powers inside powers: both sides may be numbers
MAX_VECTORS = 250_000  # elements of all parameter vectors; they are made whole

FUNCTIONS = frozenset(
    {"Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Abs", "sign", "conjugate", "exp", "log"}
    | {"sin", "cos", "tan", "asin", "acos", "atan"}
)
CONSTANTS = frozenset({"I", "pi", "E"})
ASSUMPTIONS = frozenset({"precision", "real", "complex", "positive", "integer", "commutative"})
NUMBER = re.compile(r"[-+]?[0-9]{0,64}\.?[0-9]{0,64}([eE][-+]?[0-9]{1,4})?")

TYPED, MAPPED = struct.Struct("!cQ"), struct.Struct("!HcH")
PARAMETER, LONG = struct.Struct("!H16s"), struct.Struct("!Q")
ELEMENT = {False: struct.Struct("!HQ16sQ"), True: struct.Struct("!HQ")}  # from version 18 on
EXPRESSION, SYMBOL = struct.Struct("!QQ"), struct.Struct("!ccQ")
OPERATION = struct.Struct("!Bc16sc16s")
MODIFIER = struct.Struct("!cIId")
MAX_CONTROLS = 1_000
SUBSTITUTION = b"u"


def too_deep() -> LimitExceeded:
    """The error of a circuit inside too many others."""
    return LimitExceeded(
        f"A circuit nests control flow, definitions or expressions deeper than {MAX_NESTING} levels.",
        solution="Use fewer levels.",
    )


class Place:
    """A place in a file's bytes, and where the part that it is in ends."""

    def __init__(self, raw: bytes, at: int = 0, stop: int | None = None):
        self.raw = raw
        self.at = at
        self.stop = len(raw) if stop is None else stop

    @property
    def left(self) -> int:
        """Bytes until the end."""
        return self.stop - self.at

    def skip(self, size: int) -> None:
        """Go on by some bytes.

        Raises:
            BadProgram: There are not as many.
        """
        if size > self.stop - self.at:
            raise BadProgram("A circuit is cut off.")
        self.at += size

    def read(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The fields of one record."""
        start = self.at
        self.skip(layout.size)
        return layout.unpack_from(self.raw, start)

    def each(self, layout: struct.Struct, number: int) -> Iterator[tuple[Any, ...]]:
        """The fields of records, one by one; what follows a record is the caller's to skip."""
        for _ in range(number):
            yield self.read(layout)

    def take(self, size: int) -> bytes:
        """Some bytes."""
        start = self.at
        self.skip(size)
        return self.raw[start : self.at]

    def text(self, size: int) -> str:
        """Some bytes as text."""
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise BadProgram("A circuit has a name that is not text.") from None

    def part(self, size: int) -> Place:
        """A place that ends after some bytes; this one goes on behind them."""
        start = self.at
        self.skip(size)
        return Place(self.raw, start, self.at)

    def end(self) -> None:
        """Refuse a part that goes on.

        Raises:
            BadProgram: There are bytes left.
        """
        if self.left:
            raise BadProgram("A part of a circuit is longer than what it holds.")


class Values(ABC):
    """A walk through values, with what it has met so far."""

    def __init__(self, version: int):
        self.version = version
        self.by_symengine = False  # expressions are in that library's own form
        self.vectors = 0
        self.seen: set[bytes] = set()

    @abstractmethod
    def circuit(self, place: Place, depth: int) -> int:
        """Walk a circuit that is a value; how many gates it stands for."""

    def typed(self, place: Place, depth: int) -> int:
        """Walk a value with its type and size before it; how many gates it stands for."""
        kind, size = place.read(TYPED)
        return self.value(kind, place.part(size), depth)

    def value(self, kind: bytes, part: Place, depth: int) -> int:
        """Walk a value; how many gates it stands for. Simple ones are bounded by their size."""
        if kind == b"q":
            gates = self.circuit(part, depth + 1)
            part.end()
            return gates
        if kind == b"t":
            return self.sequence(part, depth)
        if kind == b"n":
            npy.load(part.take(part.left))
        elif kind == b"v":
            self.element(part)
        elif kind == b"e":
            self.expression(part, depth)
        elif kind == b"m" and part.read(MODIFIER)[1] > MAX_CONTROLS:
            raise BadProgram("An instruction has too many controls.")
        return 0

    def sequence(self, part: Place, depth: int) -> int:
        """Walk a sequence; how many gates it stands for."""
        if depth > MAX_NESTING:
            raise too_deep()
        (number,) = part.read(LONG)
        gates = 0
        for _ in range(number):
            gates += self.typed(part, depth + 1)
        return gates

    def element(self, part: Place) -> None:
        """Walk an element of a parameter vector, which is made with all the others of its vector."""
        if self.version >= 18:
            part.skip(ELEMENT[True].size)
            return
        name, size, uuid, index = part.read(ELEMENT[False])
        part.skip(name)
        root = ((int.from_bytes(uuid, "big") - index) % 2**128).to_bytes(16, "big")
        if root not in self.seen:
            self.seen.add(root)
            self.vector(size)

    def vector(self, size: int) -> None:
        """Count a parameter vector.

        Raises:
            LimitExceeded: There are too many elements.
        """
        self.vectors += size
        if self.vectors > MAX_VECTORS:
            raise LimitExceeded(
                f"Parameter vectors have more than {MAX_VECTORS} elements.",
                solution="Use smaller parameter vectors.",
            )

    def expression(self, part: Place, depth: int) -> None:
        """Walk a parameter expression and its symbols."""
        if depth > MAX_NESTING:
            raise too_deep()
        number, size = part.read(EXPRESSION)
        if self.by_symengine:
            symengine.text_of(part.take(size))
        elif self.version >= 13:
            self.operations(part.part(size), depth)
        else:
            check_symbolic(part.text(size))
        for symbol, kind, value_size in part.each(SYMBOL, number):
            self.symbol(symbol, part, depth)
            if value_size:
                self.value(kind, part.part(value_size), depth + 1)

    def symbol(self, kind: bytes, part: Place, depth: int) -> None:
        """Walk a symbol of an expression."""
        if kind == b"p":
            name, _uuid = part.read(PARAMETER)
            part.skip(name)
        elif kind == b"v":
            self.element(part)
        elif kind == b"e":
            self.expression(part, depth + 1)
        else:
            raise BadProgram("A parameter expression has a symbol of an unknown type.")

    def operations(self, part: Place, depth: int) -> None:
        """Walk the operations that an expression is made by."""
        for _ in range(MAX_OPERATIONS + 1):
            if not part.left:
                return
            _code, left, operand, _right, _operand = part.read(OPERATION)
            if left == SUBSTITUTION:
                mapping = part.part(LONG.unpack_from(operand)[0])
                for key, kind, size in mapping.each(MAPPED, *mapping.read(LONG)):
                    mapping.skip(key)
                    self.value(kind, mapping.part(size), depth + 1)
        raise LimitExceeded(
            f"A parameter expression has more than {MAX_OPERATIONS} operations.",
            solution="Bind some of its parameters, or use fewer.",
        )


def check_symbolic(text: str) -> None:
    """Refuse an expression that takes long to read: too long, or a power of numbers that is huge.

    Raises:
        BadProgram: It is one, or not an expression.
    """
    if len(text) > MAX_SYMBOLIC_TEXT:
        raise BadProgram(f"A parameter expression has {len(text)} characters, more than {MAX_SYMBOLIC_TEXT}.")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadProgram("A parameter expression can't be read.") from None
    if power(tree) > MAX_POWER:
        raise BadProgram("A parameter expression has a power that is too large.")
    if not all(is_symbolic(node) for node in ast.walk(tree.body)):
        raise BadProgram("A parameter expression has something else than numbers, symbols and functions.")


def is_symbolic(node: ast.AST) -> bool:
    """Whether a part of an expression is one that Qiskit writes.

    Readers of that time evaluate such a text. What is taken here may be shown to others, so a name has to be
    that of a function, and a text that of a symbol or a number.
    """
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
        return named and all(is_plain(node, part) for part in node.args)
    if isinstance(node, ast.Name):
        return node.id in FUNCTIONS or node.id in CONSTANTS
    if isinstance(node, ast.keyword):
        return node.arg in ASSUMPTIONS and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Constant | ast.Load | ast.UnaryOp | ast.USub | ast.UAdd)


def is_plain(call: ast.Call, part: ast.expr) -> bool:
    """Whether an argument is no text, or text where it is only a name or a number."""
    if not isinstance(part, ast.Constant) or not isinstance(part.value, str):
        return not isinstance(part, ast.Starred)
    called = call.func.id if isinstance(call.func, ast.Name) else ""
    return called == "Symbol" or (called == "Float" and NUMBER.fullmatch(part.value) is not None)


def power(node: ast.AST) -> float:
    """The largest power inside an expression, powers of powers multiplied."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Pow":
        if any(power(child) > 1 for child in children[2:]):
            return math.inf
        exponents = [abs(number) for child in children[2:] for number in numbers(child)]
        return max(2, *exponents) * max(map(power, children))
    return max(map(power, children), default=1)


def numbers(node: ast.AST) -> Iterator[float]:
    """The literal numbers inside an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, int | float):
            yield part.value
