"""Expressions as symengine archives them: what three of its versions wrote is read, and nothing else."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
from qiskit.circuit import Parameter, ParameterExpression

from coldplate.errors import BadProgram
from coldplate.wire.symengine import MAX_NODES, text_of

WRITTEN = json.loads(Path(__file__).with_name("symengine.json").read_text())
VALUES = {"a": 0.37, "b": -1.2, "θ[0]": 0.8}
FUNCTIONS = {
    name: getattr(math, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "log")
}
HEAD = b"\1\0\0\x0f\0"


def node(number: int, kind: int, rest: bytes = b"") -> bytes:
    return struct.pack("<QBB", number, 1, kind) + rest


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


A = node(1, 13, b"\0" + text("a"))


@pytest.mark.parametrize(
    ("version", "written"), [(version, name) for version, found in WRITTEN.items() for name in found]
)
def test_what_was_written_is_read(version, written):
    read = text_of(bytes.fromhex(WRITTEN[version][written]))
    symbols = {name: Parameter(name) for name in VALUES if name in read}
    bound = ParameterExpression(symbols, read).bind({symbols[name]: VALUES[name] for name in symbols})
    given = {"a": VALUES["a"], "b": VALUES["b"], "theta": VALUES["θ[0]"], "abs": abs, "pi": math.pi}
    expected = eval(written, {}, FUNCTIONS | given)  # noqa: S307 (a text of ours)
    assert float(bound) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\1\0\0\x0f",
        b"\0\0\0\x0f\0" + A,  # another byte order
        b"\1\1\0\x0f\0" + A,
        b"\1\0\0\x10\0" + A,  # a version of later
        HEAD + A + b"\0",
        HEAD + A[:-1],
        HEAD + node(1, 13, b"\1" + text("a")),  # a pickled symbol
        HEAD + node(1, 13, b"\0" + text("a b")),
        HEAD + node(1, 13, b"\0" + text("__import__('os')")),
        HEAD + node(1, 13, b"\0" + text("sin")),
        HEAD + node(1, 31, text("oo")),
        HEAD + node(1, 0, text("1_0")),
        HEAD + node(1, 0, text("9" * 61)),
        HEAD + node(1, 6, struct.pack("<d", math.inf)),
        HEAD + node(1, 2, A + A),  # complex
        HEAD + node(1, 200, A),
        HEAD + node(1, 17, A + A.replace(b"\1\0", b"\2\0", 1)),  # a power of a symbol
        HEAD + node(1, 17, A + node(3, 0, text("2000"))),
        HEAD + node(1, 1, node(2, 0, text("1")) + node(3, 0, text("0"))),
        HEAD + struct.pack("<QB", 7, 0),  # what is not there
        HEAD + node(1, 16, A + struct.pack("<Q", 2**60)),
        HEAD + b"".join(node(number, 35) for number in range(100)) + A,  # too deep
        HEAD + node(1, 16, A + struct.pack("<Q", MAX_NODES) + struct.pack("<QB", 1, 0) * 2 * MAX_NODES),
    ],
)
def test_what_nobody_writes_is_refused(payload):
    with pytest.raises(BadProgram, match="symengine"):
        text_of(payload)


def test_references_can_not_unfold_into_much():
    inner = node(1, 16, A + struct.pack("<Q", 1) + A.replace(b"\1\0", b"\2\0", 1) + struct.pack("<QB", 2, 0))
    for number in range(10, 40):
        again = struct.pack("<QB", number - 1 if number > 10 else 1, 0)
        inner = node(number, 15, inner + struct.pack("<Q", 2) + (again + node(99, 0, text("2"))) * 2)
    with pytest.raises(BadProgram, match="too large|refers"):
        text_of(HEAD + inner)
