"""Stretches resolved: delays as long as they can be without anything else waiting for them.

Every barrier, and the end, stays at the time it would have if all stretches were 0. Within that the smallest
stretch is made as long as it can be, then all of them together: a linear programme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Delay, Duration, QuantumCircuit
from qiskit.circuit.classical import expr
from qiskit.transpiler import Target
from scipy.optimize import linprog
from scipy.sparse import lil_array

from coldplate.circuits.schedule import Row, lengths, rows_of, soonest
from coldplate.circuits.timing import SECONDS
from coldplate.errors import BadInput

ROUNDING = 1e-6  # dt


@dataclass(frozen=True)
class Linear:
    """A duration in dt: a number, and multiples of stretches by name."""

    constant: float
    slopes: Mapping[str, float]

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

    def at(self, values: Mapping[str, float]) -> float:
        """Its value."""
        return self.constant + sum(slope * values[name] for name, slope in self.slopes.items())


@dataclass(frozen=True)
class Resolved:
    """A circuit without stretches, and what they were resolved to, as official metadata tell it."""

    circuit: QuantumCircuit
    values: list[dict[str, Any]]


def has_stretches(circuit: QuantumCircuit) -> bool:
    """Whether a circuit has any."""
    return any(True for _ in circuit.iter_stretches())


def resolve(circuit: QuantumCircuit, target: Target) -> Resolved:
    """A circuit whose stretches are resolved on a target's durations.

    Raises:
        BadInput: A duration is not linear in stretches, or the circuit has control flow beside them.
    """
    if any(one.is_control_flow() for one in circuit.data):
        raise BadInput("A circuit with stretches has control flow; their values can't be told.")
    dt = target.dt or 1e-9
    delays = {
        place: linear(one.operation.duration, dt)
        for place, one in enumerate(circuit.data)
        if one.name == "delay" and one.operation.unit == "expr"
    }
    names = sorted({name for one in delays.values() for name in one.slopes})
    values = longest_stretches(
        replaced(circuit, {p: one.constant for p, one in delays.items()}), delays, names, target
    )
    made = replaced(circuit, whole(circuit, delays, values))
    starts = soonest(rows_of(made, lengths(target)))
    told = []
    for name in names:
        uses = [place for place, one in delays.items() if name in one.slopes]
        short = sum(delays[place].slopes[name] for place in uses) * (
            values[name] - floor(values[name] + ROUNDING)
        )
        expanded = [[starts[place], made.data[place].operation.duration] for place in uses]
        told.append(
            {
                "name": name,
                "value": floor(values[name] + ROUNDING),
                "remainder": max(0, floor(short + ROUNDING)),
                "expanded_values": expanded,
            }
        )
    return Resolved(made, told)


def linear(duration: Any, dt: float) -> Linear:
    """A duration expression.

    Raises:
        BadInput: It is not linear in stretches.
    """
    if isinstance(duration, expr.Stretch):
        return Linear(0.0, {duration.name: 1.0})
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


def replaced(circuit: QuantumCircuit, durations: Mapping[int, float]) -> QuantumCircuit:
    """A circuit with some delays as long as is said, in dt, and no stretches."""
    made = QuantumCircuit(circuit.qubits, circuit.clbits)
    for register in (*circuit.qregs, *circuit.cregs):
        made.add_register(register)
    made.metadata = circuit.metadata
    for place, one in enumerate(circuit.data):
        if place in durations:
            one = CircuitInstruction(Delay(max(0, round(durations[place])), unit="dt"), one.qubits)
        made.append(one, copy=False)
    return made


def longest_stretches(
    bare: QuantumCircuit, delays: Mapping[int, Linear], names: list[str], target: Target
) -> dict[str, float]:
    """The values of stretches, not rounded.

    Args:
        bare: The circuit with all stretches 0.
    """
    if target.dt is None or not names:
        return dict.fromkeys(names, 0.0)
    rows = rows_of(bare, lengths(target))
    starts = soonest(rows)
    end = max(start + taken for start, (*_, taken) in zip(starts, rows, strict=True))
    # unknowns: the start of every instruction, every stretch, and the smallest of them
    column = {name: len(rows) + index for index, name in enumerate(names)}
    smallest = len(rows) + len(names)
    limits = orders(rows, delays, column, end=end)
    limits += [({smallest: 1.0, place: -1.0}, 0.0) for place in column.values()]
    matrix = lil_array((len(limits), smallest + 1))
    for index, (row, _) in enumerate(limits):
        for place, value in row.items():
            matrix[index, place] = value
    most: list[float | None] = [
        float(start) if one.name == "barrier" else float(end - taken)
        for start, (one, _, taken) in zip(starts, rows, strict=True)
    ]
    bounds = [(0.0, high) for high in [*most, *[None] * (len(names) + 1)]]
    goal = np.zeros(smallest + 1)
    goal[smallest] = -1.0
    sums: Any = matrix.tocsr()
    highest = np.array([limit for _, limit in limits])
    least = solution(linprog(goal, A_ub=sums, b_ub=highest, bounds=bounds))[smallest]
    bounds[smallest] = (max(0.0, least - ROUNDING), None)
    goal[len(rows) : smallest], goal[smallest] = -1.0, 0.0
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
    rows: Sequence[Row], delays: Mapping[int, Linear], column: Mapping[str, int], *, end: int
) -> list[tuple[dict[int, float], float]]:
    """That nothing starts before what comes first on its wires has ended, and delays end by the end.

    Returns:
        Coefficients of unknowns by column, and what their sum may be at most.
    """
    found: list[tuple[dict[int, float], float]] = []
    last: dict[object, int] = {}
    for place, (one, _, taken) in enumerate(rows):
        for wire in (*one.qubits, *one.clbits):
            if wire in last:
                before = last[wire]
                found.append(
                    ({before: 1.0, place: -1.0, **slopes(delays, before, column)}, -float(rows[before][2]))
                )
            last[wire] = place
        if place in delays:
            found.append(({place: 1.0, **slopes(delays, place, column)}, float(end - taken)))
    return found


def slopes(delays: Mapping[int, Linear], place: int, column: Mapping[str, int]) -> dict[int, float]:
    """How an instruction's length moves with the unknowns."""
    return {column[name]: slope for name, slope in delays[place].slopes.items()} if place in delays else {}


def whole(
    circuit: QuantumCircuit, delays: Mapping[int, Linear], values: Mapping[str, float]
) -> dict[int, float]:
    """Durations in whole dt, such that on each qubit they add up to what they were before rounding."""
    exact: dict[object, float] = {}
    given: dict[object, int] = {}
    found: dict[int, float] = {}
    for place, duration in delays.items():
        qubit = circuit.data[place].qubits[0]
        exact[qubit] = exact.get(qubit, 0.0) + duration.at(values)
        length = floor(exact[qubit] + ROUNDING) - given.get(qubit, 0)
        given[qubit] = given.get(qubit, 0) + length
        found[place] = float(length)
    return found
