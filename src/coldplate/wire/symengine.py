"""Parameter expressions that clients of 2024 have symengine write into QPY 10 to 12, read without it.

That library reads whatever its archives can hold, pickled symbols included. Here sums, products, powers and
functions of numbers and plain symbols are read; they become text for Qiskit's own parser of expressions.

Source: the archives that symengine 0.11 to 0.15 writes (`Basic.__reduce__`).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable

from coldplate.errors import BadProgram

NARROW, WIDE = (11, 13), (15,)  # minor versions by how nodes are numbered
MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_DIGITS = 60, 5_000, 50_000, 60
MAX_EXPONENT = 1_000
SYMBOL = re.compile(r"[^\W\d]\w*(\[[0-9]{1,6}\])?")
DIGITS = re.compile(r"-?[0-9]+")
FUNCTIONS = {35: "sin", 36: "cos", 37: "tan", 41: "asin", 42: "acos", 45: "atan", 29: "log"}
FUNCTIONS |= {77: "abs", 32: "sign", 30: "conjugate"}
CONSTANTS = {"pi": math.pi, "E": math.e}
TAKEN = {*FUNCTIONS.values(), *CONSTANTS, "I", "exp"}  # names that are no symbols where the text is read
INTEGER, RATIONAL, REAL, NAME, PRODUCT, SUM, POWER, CONSTANT = 0, 1, 6, 13, 15, 16, 17, 31


def text_of(payload: bytes) -> str:
    """An expression as text.

    Raises:
        BadProgram: It is cut off, too large, or has something else than the above.
    """
    if len(payload) < 5 or payload[0] != 1 or payload[1:3] != b"\0\0" or payload[4] != 0:
        raise refusal("its archive is of an unknown kind")
    minor = payload[3]
    if minor not in NARROW + WIDE:
        raise refusal(f"it was written by version 0.{minor} of that library")
    archive = Archive(payload, wide=minor in WIDE)
    text = archive.node(0)
    if archive.at != len(payload):
        raise refusal("its archive goes on after its end")
    return text


def refusal(why: str) -> BadProgram:
    """The error of an expression that can't be read."""
    return BadProgram(
        f"A circuit has a parameter expression, written by symengine, that can't be read: {why}.",
        solution="Bind the parameters, use a client of 2025 or later, or uninstall symengine.",
    )


class Archive:
    """A walk through an archive.

    Args:
        wide: Nodes have addresses as numbers.
    """

    def __init__(self, raw: bytes, *, wide: bool):
        self.raw, self.at, self.wide = raw, 5, wide
        self.known: dict[int, str] = {}
        self.nodes = 0
        self.kinds: dict[int, Callable[[int], str]] = {
            INTEGER: self.integer,
            RATIONAL: self.rational,
            REAL: self.real,
            NAME: self.name,
            PRODUCT: self.product,
            SUM: self.sum,
            POWER: self.power,
            CONSTANT: self.constant,
        }

    def read(self, layout: str) -> int | float:
        """One number."""
        size = struct.calcsize(layout)
        if self.at + size > len(self.raw):
            raise refusal("it is cut off")
        (found,) = struct.unpack_from(layout, self.raw, self.at)
        self.at += size
        number: int | float = found
        return number

    def count(self) -> int:
        """A length."""
        found = int(self.read("<Q"))
        if found > len(self.raw):
            raise refusal("it is cut off")
        return found

    def string(self) -> str:
        """A text."""
        size = self.count()
        found = self.raw[self.at : self.at + size]
        self.at += size
        return found.decode("utf-8", "replace") if len(found) == size else ""

    def node(self, depth: int) -> str:
        """A node, or one that was there before, as text in brackets where it needs them."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise refusal("it is too large")
        number = int(self.read("<Q" if self.wide else "<I"))
        new = bool(self.read("<B")) if self.wide else bool(number >> 31)
        number = number if self.wide else number & 0x7FFFFFFF
        if not new:
            if number not in self.known:
                raise refusal("it refers to what is not there")
            return self.known[number]
        kind = int(self.read("<B" if self.wide else "<I"))
        text = self.kinds[kind](depth + 1) if kind in self.kinds else self.function(kind, depth + 1)
        if len(text) > MAX_TEXT:
            raise refusal("it is too large")
        self.known[number] = text
        return text

    def integer(self, _depth: int) -> str:
        """An integer."""
        text = self.string()
        if len(text) > MAX_DIGITS or not DIGITS.fullmatch(text):
            raise refusal("it has a number that is none, or too large")
        return number(float(int(text)))

    def rational(self, depth: int) -> str:
        """A fraction."""
        above, below = (value(self.node(depth)) for _ in range(2))
        if below == 0:
            raise refusal("it divides by zero")
        return number(above / below)

    def real(self, _depth: int) -> str:
        """A floating-point number."""
        return number(self.read("<d"))

    def name(self, _depth: int) -> str:
        """A symbol; those with an object of Python's are refused."""
        pickled, text = self.read("<B"), self.string()
        if pickled or not SYMBOL.fullmatch(text) or text in TAKEN:
            raise refusal(f"it has the symbol {text[:40]!r}")
        return text

    def constant(self, _depth: int) -> str:
        """Pi, or Euler's number."""
        text = self.string()
        if text not in CONSTANTS:
            raise refusal(f"it has the constant {text[:40]!r}")
        return number(CONSTANTS[text])

    def sum(self, depth: int) -> str:
        """A number, and terms with their factors."""
        parts = [self.node(depth)]
        for _ in range(self.count()):
            term = self.node(depth)
            parts.append(f"{self.node(depth)}*{term}")
        return f"({' + '.join(parts)})"

    def product(self, depth: int) -> str:
        """A number, and factors with their exponents."""
        parts = [self.node(depth)]
        for _ in range(self.count()):
            factor = self.node(depth)
            parts.append(raised(factor, self.node(depth)))
        return f"({'*'.join(parts)})"

    def power(self, depth: int) -> str:
        """A power; of Euler's number with any exponent, else with a number."""
        base, exponent = self.node(depth), self.node(depth)
        return f"exp({exponent})" if base == number(math.e) else raised(base, exponent)

    def function(self, kind: int, depth: int) -> str:
        """A function of one argument."""
        if kind not in FUNCTIONS:
            raise refusal(f"it has a node of kind {kind}")
        return f"{FUNCTIONS[kind]}({self.node(depth)})"


def raised(base: str, exponent: str) -> str:
    """A power whose exponent is a number."""
    by = value(exponent)
    if abs(by) > MAX_EXPONENT:
        raise refusal("it has a power that is too large")
    return base if by == 1 else f"({base}**{exponent})"


def number(found: float) -> str:
    """A number as text.

    >>> number(-2.0), number(1.5e-7)
    ('(-2)', '1.5e-07')
    """
    if not math.isfinite(found):
        raise refusal("it has a number that is not finite")
    text = repr(found).removesuffix(".0")
    return f"({text})" if found < 0 else text


def value(text: str) -> float:
    """What a text of `number` stands for."""
    try:
        return float(text.removeprefix("(").removesuffix(")"))
    except ValueError:
        raise refusal("it has a power, or a fraction, of what is not a number") from None
