"""Angles of gates for all elements at once, from parameter expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Parameter, ParameterExpression

from coldplate.errors import BadInput

Floats = NDArray[np.float64]


class Angles:
    """Values of a circuit's parameters, and of expressions in them.

    Args:
        parameters: In the order of the columns of `values`.
        values: Shape ``(num_elements, num_parameters)``.
    """

    def __init__(self, parameters: Sequence[Parameter], values: Floats):
        self.values = values
        self._column = {parameter: column for column, parameter in enumerate(parameters)}

    def columns(self, expressions: Sequence[Any]) -> list[int]:
        """The columns that some expressions depend on, ascending."""
        found = {self._column[p] for one in expressions if is_free(one) for p in one.parameters}
        return sorted(found)

    def used_by(self, instructions: Iterable[CircuitInstruction]) -> Floats:
        """The values that some instructions depend on, shape ``(num_elements, num_used)``."""
        return self.values[:, self.columns([value for one in instructions for value in one.params])]

    def column(self, parameter: Parameter) -> int:
        """The column of a parameter's values."""
        return self._column[parameter]

    def linear(self, expression: ParameterExpression) -> tuple[float, list[tuple[int, float]]] | None:
        """A linear expression as a constant, and columns with their factors; None for any other."""
        slopes = self._slopes(expression)
        if slopes is None:
            return None
        constant = float(expression.bind(dict.fromkeys(slopes, 0.0)))
        return constant, [(self._column[parameter], slope) for parameter, slope in slopes.items()]

    def at(self, rows: NDArray[np.intp]) -> Angles:
        """The same at some elements only."""
        chosen = Angles((), self.values[rows])
        chosen._column = self._column
        return chosen

    def rows(self, parameters: Iterable[Parameter]) -> Iterator[dict[Parameter, float]]:
        """Values of some parameters, element by element."""
        wanted = list(parameters)
        table = self.values[:, [self._column[parameter] for parameter in wanted]]
        return (dict(zip(wanted, row, strict=True)) for row in table.tolist())

    def of(self, expression: Any) -> float | Floats:
        """A number, or one per element where it depends on parameters."""
        if not is_free(expression):
            return float(expression)
        if isinstance(expression, Parameter):
            return self.values[:, self._column[expression]]
        linear = self.linear(expression)
        if linear is None:
            return self._evaluate(expression)
        total = np.full(len(self.values), linear[0])
        for column, slope in linear[1]:
            total += slope * self.values[:, column]
        return total

    def _slopes(self, expression: ParameterExpression) -> dict[Parameter, float] | None:
        """What a linear expression multiplies its parameters by; None for any other."""
        slopes = {}
        for parameter in expression.parameters:
            try:
                slope = expression.gradient(parameter)
            except RuntimeError:  # of a function that has none
                return None
            if not isinstance(slope, Real):
                return None
            slopes[parameter] = float(slope)
        return slopes

    def _evaluate(self, expression: ParameterExpression) -> Floats:
        """Any expression, once per different set of values."""
        parameters = sorted(expression.parameters, key=self._column.__getitem__)
        table = self.values[:, [self._column[parameter] for parameter in parameters]]
        rows, inverse = np.unique(table, axis=0, return_inverse=True)
        try:
            found = [float(expression.bind(dict(zip(parameters, row, strict=True)))) for row in rows.tolist()]
        except (ArithmeticError, RuntimeError) as error:
            raise BadInput(f"{expression} has no value for some of its parameters: {error}.") from error
        return np.array(found)[inverse.ravel()]


def is_free(value: Any) -> bool:
    """Whether a gate's parameter still depends on a circuit's parameters."""
    return isinstance(value, ParameterExpression) and bool(value.parameters)
