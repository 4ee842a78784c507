"""Conditions of control flow as bits, and the values of them for which they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qiskit.circuit import ClassicalRegister, Clbit
from qiskit.circuit.classical import expr, types
from qiskit.circuit.controlflow import CASE_DEFAULT

from coldplate.backends.codes import Unsupported

Condition = tuple[list[int], list[int]]  # bits, least significant first, and values, ascending
Bits = Mapping[Clbit, int]

MOST_BITS = 12  # that an expression may read: it is evaluated for every value of them
WIDEST = 64  # bits of a register

Op = expr.Binary.Op
BINARY: dict[Any, Callable[[int, int], int]] = {
    Op.BIT_AND: lambda x, y: x & y,
    Op.BIT_OR: lambda x, y: x | y,
    Op.BIT_XOR: lambda x, y: x ^ y,
    Op.LOGIC_AND: lambda x, y: int(bool(x and y)),
    Op.LOGIC_OR: lambda x, y: int(bool(x or y)),
    Op.EQUAL: lambda x, y: int(x == y),
    Op.NOT_EQUAL: lambda x, y: int(x != y),
    Op.LESS: lambda x, y: int(x < y),
    Op.LESS_EQUAL: lambda x, y: int(x <= y),
    Op.GREATER: lambda x, y: int(x > y),
    Op.GREATER_EQUAL: lambda x, y: int(x >= y),
    Op.SHIFT_LEFT: lambda x, y: x << min(y, 2 * WIDEST),
    Op.SHIFT_RIGHT: lambda x, y: x >> y,
}


def condition_of(condition: Any, bits: Bits) -> Condition:
    """A condition of an if.

    Raises:
        Unsupported: It reads what the kernel does not have.
    """
    if isinstance(condition, tuple):
        target, value = condition
        return places_of(target, bits), [int(value)]
    return holds(condition, bits, lambda value: value != 0)


def switch_cases(operation: Any, bits: Bits) -> tuple[list[tuple[Condition, Any]], list[Any]]:
    """The cases of a switch with their blocks, and the block of its default.

    Raises:
        Unsupported: Its target is what the kernel does not have.
    """
    cases, rest = [], []
    for labels, block in operation.cases_specifier():
        if CASE_DEFAULT in labels:
            rest.append(block)
        else:
            cases.append((case(operation.target, frozenset(map(int, labels)), bits), block))
    return cases, rest


def case(target: Any, labels: frozenset[int], bits: Bits) -> Condition:
    """When a target has one of some values."""
    if isinstance(target, expr.Expr):
        return holds(target, bits, labels.__contains__)
    return places_of(target, bits), sorted(labels)


def places_of(target: Any, bits: Bits) -> list[int]:
    """The bits of a register or a bit."""
    members = [target] if isinstance(target, Clbit) else list(target)
    if len(members) > WIDEST or not all(bit in bits for bit in members):
        raise Unsupported("what a condition reads")
    return [bits[bit] for bit in members]


def holds(expression: expr.Expr, bits: Bits, accepted: Callable[[int], bool]) -> Condition:
    """When an expression has an accepted value, by trying all values of what it reads."""
    read = list(dict.fromkeys(read_bits(expression)))
    if len(read) > MOST_BITS or not all(bit in bits for bit in read):
        raise Unsupported("what a condition reads")
    values = []
    for number in range(1 << len(read)):
        shown = {bit: number >> place & 1 for place, bit in enumerate(read)}
        if accepted(evaluate(expression, shown)):
            values.append(number)
    return [bits[bit] for bit in read], values


def read_bits(expression: expr.Expr) -> Iterable[Clbit]:
    """All bits that an expression reads."""
    for variable in expr.iter_vars(expression):
        if isinstance(variable.var, Clbit):
            yield variable.var
        elif isinstance(variable.var, ClassicalRegister):
            yield from variable.var
        else:
            raise Unsupported("variables")


def evaluate(node: expr.Expr, shown: Mapping[Clbit, int]) -> int:
    """The value of an expression, booleans as 0 and 1."""
    if isinstance(node, expr.Value) and isinstance(node.value, int):
        return int(node.value)
    if isinstance(node, expr.Var):
        members = [node.var] if isinstance(node.var, Clbit) else node.var
        return sum(shown[bit] << place for place, bit in enumerate(members))
    if isinstance(node, expr.Cast):
        return fitted(evaluate(node.operand, shown), node)
    if isinstance(node, expr.Unary) and node.op in (expr.Unary.Op.BIT_NOT, expr.Unary.Op.LOGIC_NOT):
        value = evaluate(node.operand, shown)
        return int(not value) if node.op is expr.Unary.Op.LOGIC_NOT else fitted(~value, node)
    if isinstance(node, expr.Binary) and node.op in BINARY:
        return fitted(BINARY[node.op](evaluate(node.left, shown), evaluate(node.right, shown)), node)
    if isinstance(node, expr.Index):
        return evaluate(node.target, shown) >> evaluate(node.index, shown) & 1
    raise Unsupported("what a condition computes")


def fitted(value: int, node: expr.Expr) -> int:
    """A value in the width of an expression's type."""
    if isinstance(node.type, types.Bool):
        return int(bool(value))
    if isinstance(node.type, types.Uint):
        return value % (1 << int(node.type.width))
    raise Unsupported("what a condition computes")
