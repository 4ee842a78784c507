"""Stretches resolved: delays as long as they can be without anything else waiting for them.

Every barrier, and the end, stays at the time it would have if all stretches were 0. Within that the smallest
stretch is made as long as it can be, then all of them together: a linear programme. Control flow takes as
long as its longest branch, so a delay in another branch may fill that, and one beside it may last as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CONTROL_FLOW_OP_NAMES, CircuitInstruction, Delay, Duration, QuantumCircuit
from qiskit.circuit.classical import expr
from qiskit.transpiler import Target
from scipy.optimize import linprog
from scipy.sparse import lil_array

from coldplate.circuits.schedule import Length, Row, lengths, rows_of, soonest
from coldplate.circuits.timing import SECONDS, turns
from coldplate.errors import BadInput

ROUNDING = 1e-6  # dt
MAY_WAIT = {"delay", *CONTROL_FLOW_OP_NAMES}

Path = tuple[int, ...]  # to an instruction: its place; within control flow after the places and blocks to it
Name = tuple[str, int]  # of a stretch, and its identity: two blocks may each have one of the same name


@dataclass(frozen=True)
class Linear:
    """A duration in dt: a number, and multiples of stretches."""

    constant: float
    slopes: Mapping[Name, float]

    def times(self, factor: float) -> Linear:
        """A multiple of it."""
        return Linear(factor * self.constant, {name: factor * slope for name, slope in self.slopes.items()})

    def plus(self, other: Linear) -> Linear:
        """The sum of two."""
        names = {**self.slopes, **other.slopes}
        return Linear(
            self.constant + other.constant,
            {name: self.slopes.get(name, 0.0) + other.slopes.get(name, 0.0) for name in names},
        )

    def at(self, values: Mapping[Name, float]) -> float:
        """Its value."""
        return self.constant + sum(slope * values[name] for name, slope in self.slopes.items())


@dataclass(frozen=True)
class Resolved:
    """A circuit without stretches, and what they were resolved to, as official metadata tell it."""

    circuit: QuantumCircuit
    values: list[dict[str, Any]]


@dataclass(frozen=True)
class Scope:
    """A circuit, or a block of control flow, timed from its own start.

    Attributes:
        path: Of what is in it, but for the place.
        starts: When its instructions start if all delays are as they are.
        end: When it ends; a block with the longest of its kind.
        offsets: When it starts itself: once, or once in every turn of a loop.
    """

    path: Path
    rows: list[Row]
    starts: list[int]
    end: int
    offsets: tuple[int, ...]


def has_stretches(circuit: QuantumCircuit) -> bool:
    """Whether a circuit has any, or durations that have to be calculated."""
    if circuit.num_stretches:
        return True
    if not MAY_WAIT & circuit.count_ops().keys():
        return False
    return any(
        (one.name == "delay" and one.operation.unit == "expr")
        or any(map(has_stretches, one.operation.blocks if one.is_control_flow() else ()))
        for one in circuit.data
    )


def resolve(circuit: QuantumCircuit, target: Target) -> Resolved:
    """A circuit whose stretches are resolved on a target's durations.

    Raises:
        BadInput: A duration is not linear in stretches, or the circuit has a loop of unknown length.
    """
    delays = delays_of(circuit, target.dt or 1e-9)
    length = lengths(target)
    bare = replaced(circuit, {path: one.constant for path, one in delays.items()})
    used = dict.fromkeys(name for one in delays.values() for name in one.slopes)
    names = sorted(used, key=itemgetter(0))  # those of one name as they are used: identities are random
    known = target.dt is not None and bool(names)
    values = (
        longest_stretches(list(scopes(bare, length)), delays, names) if known else dict.fromkeys(names, 0.0)
    )
    made = replaced(circuit, whole(circuit, delays, values))
    found = {scope.path: scope for scope in scopes(made, length)}
    return Resolved(made, [told(name, values[name], delays, found) for name in names])


def told(
    name: Name, value: float, delays: Mapping[Path, Linear], found: Mapping[Path, Scope]
) -> dict[str, Any]:
    """What official metadata tell of one stretch."""
    uses = [path for path, one in delays.items() if name in one.slopes]
    least = floor(value + ROUNDING)
    short = sum(delays[path].slopes[name] for path in uses) * (value - least)
    expanded = []
    for path in uses:
        scope, place = found[path[:-1]], path[-1]
        expanded += [[offset + scope.starts[place], scope.rows[place][2]] for offset in scope.offsets]
    return {
        "name": name[0],
        "value": least,
        "remainder": max(0, floor(short + ROUNDING)),
        "expanded_values": expanded,
    }


def delays_of(circuit: QuantumCircuit, dt: float, path: Path = ()) -> dict[Path, Linear]:
    """The durations that have to be calculated, in blocks as well.

    Raises:
        BadInput: One is not linear in stretches, or a loop goes round nobody knows how often.
    """
    found = {}
    for place, one in enumerate(circuit.data):
        here = (*path, place)
        if one.name == "delay" and one.operation.unit == "expr":
            found[here] = linear(one.operation.duration, dt)
        elif one.is_control_flow():
            if one.name == "while_loop" or (
                one.name == "for_loop" and isinstance(one.operation.params[0], expr.Expr)
            ):
                raise BadInput(
                    f"A circuit with stretches has a {one.name} that takes nobody knows how long; what "
                    "stretches last can't be told."
                )
            for index, block in enumerate(one.operation.blocks):
                found |= delays_of(block, dt, (*here, index))
    return found


def scopes(
    circuit: QuantumCircuit,
    length: Length,
    *,
    least: int = 0,
    offsets: tuple[int, ...] = (0,),
    path: Path = (),
) -> Iterator[Scope]:
    """A circuit without stretches, then all blocks in it.

    Args:
        least: When it ends at the soonest.
        offsets: See `Scope`.
    """
    rows = rows_of(circuit, length)
    starts = soonest(rows)
    end = max((start + taken for start, (*_, taken) in zip(starts, rows, strict=True)), default=0)
    yield Scope(path, rows, starts, max(end, least), offsets)
    for place, (one, qubits, taken) in enumerate(rows):
        if not one.is_control_flow():
            continue
        number = max(1, turns(one.operation))
        each = taken // number
        began = tuple(offset + starts[place] + turn * each for offset in offsets for turn in range(number))
        for index, block in enumerate(one.operation.blocks):
            inner = inside(length, qubits)
            yield from scopes(block, inner, least=each, offsets=began, path=(*path, place, index))


def inside(length: Length, qubits: tuple[int, ...]) -> Length:
    """How long instructions of a block take that acts on some qubits."""
    return lambda one, places: length(one, tuple(qubits[place] for place in places))


def linear(duration: Any, dt: float) -> Linear:
    """A duration expression.

    Raises:
        BadInput: It is not linear in stretches.
    """
    if isinstance(duration, expr.Stretch):
        return Linear(0.0, {(duration.name, duration.var.int): 1.0})
    if isinstance(duration, expr.Cast):
        return linear(duration.operand, dt)
    if isinstance(duration, expr.Value):
        return Linear(number(duration.value, dt), {})
    if isinstance(duration, expr.Binary):
        left, right = linear(duration.left, dt), linear(duration.right, dt)
        operation = duration.op.name
        if operation == "ADD":
            return left.plus(right)
        if operation == "SUB":
            return left.plus(right.times(-1.0))
        if operation == "MUL" and not (left.slopes and right.slopes):
            return left.times(right.constant) if left.slopes else right.times(left.constant)
        if operation == "DIV" and not right.slopes and right.constant:
            return left.times(1 / right.constant)
    raise BadInput("A delay's duration is not linear in stretches.")


def number(value: Any, dt: float) -> float:
    """A number, or a duration in dt."""
    if isinstance(value, Duration):
        unit = value.unit()
        return float(value.value()) if unit == "dt" else float(value.value()) * SECONDS[unit] / dt
    return float(value)


def replaced(circuit: QuantumCircuit, durations: Mapping[Path, float], path: Path = ()) -> QuantumCircuit:
    """A circuit with some delays as long as is said, in dt, and no stretches."""
    made = QuantumCircuit(
        circuit.qubits,
        circuit.clbits,
        *circuit.qregs,
        *circuit.cregs,
        inputs=circuit.iter_input_vars(),
        captures=circuit.iter_captured_vars(),
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
    )
    for variable in circuit.iter_declared_vars():
        made.add_uninitialized_var(variable)
    for place, one in enumerate(circuit.data):
        here = (*path, place)
        if here in durations:
            one = CircuitInstruction(Delay(max(0, round(durations[here])), unit="dt"), one.qubits)
        elif one.is_control_flow():
            blocks = [
                replaced(block, durations, (*here, index)) for index, block in enumerate(one.operation.blocks)
            ]
            one = one.replace(operation=one.operation.replace_blocks(blocks))
        made.append(one, copy=False)
    return made


def longest_stretches(
    bare: list[Scope], delays: Mapping[Path, Linear], names: list[Name]
) -> dict[Name, float]:
    """The values of stretches, not rounded.

    Args:
        bare: The circuit and its blocks with all stretches 0.
    """
    # unknowns: the start of every instruction in its scope, every stretch, and the smallest of them
    number = sum(len(scope.rows) for scope in bare)
    column = {name: number + index for index, name in enumerate(names)}
    smallest = number + len(names)
    limits: list[tuple[dict[int, float], float]] = []
    most: list[float | None] = []
    for scope in bare:
        limits += orders(scope, delays, column, first=len(most))
        most += [
            float(start) if one.name == "barrier" else float(scope.end - taken)
            for start, (one, _, taken) in zip(scope.starts, scope.rows, strict=True)
        ]
    limits += [({smallest: 1.0, place: -1.0}, 0.0) for place in column.values()]
    matrix = lil_array((len(limits), smallest + 1))
    for index, (row, _) in enumerate(limits):
        for place, value in row.items():
            matrix[index, place] = value
    bounds = [(0.0, high) for high in [*most, *[None] * (len(names) + 1)]]
    goal = np.zeros(smallest + 1)
    goal[smallest] = -1.0
    sums: Any = matrix.tocsr()
    highest = np.array([limit for _, limit in limits])
    least = solution(linprog(goal, A_ub=sums, b_ub=highest, bounds=bounds))[smallest]
    bounds[smallest] = (max(0.0, least - ROUNDING), None)
    goal[number:smallest], goal[smallest] = -1.0, 0.0
    found = solution(linprog(goal, A_ub=sums, b_ub=highest, bounds=bounds))
    return {name: float(found[place]) for name, place in column.items()}


def solution(found: Any) -> NDArray[np.float64]:
    """The unknowns of a linear programme.

    Raises:
        BadInput: Delays can't all be kept, such as one that is less than nothing.
    """
    if found.x is None:
        raise BadInput(f"The stretches of a circuit can't be resolved: {found.message}")
    return np.asarray(found.x, dtype=np.float64)


def orders(
    scope: Scope, delays: Mapping[Path, Linear], column: Mapping[Name, int], *, first: int
) -> list[tuple[dict[int, float], float]]:
    """That nothing starts before what comes first on its wires has ended, and delays end by the end.

    Args:
        first: The column of the first instruction.

    Returns:
        Coefficients of unknowns by column, and what their sum may be at most.
    """
    found: list[tuple[dict[int, float], float]] = []
    last: dict[object, int] = {}
    for place, (one, _, taken) in enumerate(scope.rows):
        own = slopes(delays, (*scope.path, place), column)
        for wire in (*one.qubits, *one.clbits):
            if wire in last:
                before = last[wire]
                earlier = slopes(delays, (*scope.path, before), column)
                found.append(
                    (
                        {first + before: 1.0, first + place: -1.0, **earlier},
                        -float(scope.rows[before][2]),
                    )
                )
            last[wire] = place
        if own:
            found.append(({first + place: 1.0, **own}, float(scope.end - taken)))
    return found


def slopes(delays: Mapping[Path, Linear], path: Path, column: Mapping[Name, int]) -> dict[int, float]:
    """How an instruction's length moves with the unknowns."""
    return {column[name]: slope for name, slope in delays[path].slopes.items()} if path in delays else {}


def whole(
    circuit: QuantumCircuit, delays: Mapping[Path, Linear], values: Mapping[Name, float]
) -> dict[Path, float]:
    """Durations in whole dt, such that on each qubit of a scope they add up to what they were before."""
    exact: dict[object, float] = {}
    given: dict[object, int] = {}
    found: dict[Path, float] = {}
    for path, duration in delays.items():
        qubit = (path[:-1], at(circuit, path).qubits[0])
        exact[qubit] = exact.get(qubit, 0.0) + duration.at(values)
        length = floor(exact[qubit] + ROUNDING) - given.get(qubit, 0)
        given[qubit] = given.get(qubit, 0) + length
        found[path] = float(length)
    return found


def at(circuit: QuantumCircuit, path: Path) -> CircuitInstruction:
    """The instruction to which a path leads."""
    for place, block in zip(path[:-1:2], path[1::2], strict=True):
        circuit = circuit.data[place].operation.blocks[block]
    return circuit.data[path[-1]]
