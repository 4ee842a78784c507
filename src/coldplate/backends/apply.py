"""Matrices applied to a few axes of a large array, entry by entry: most entries of gates are 0 or 1.

The array is a state of many elements at once, one axis per qubit and the elements last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DENSE = 16  # rows; larger matrices are multiplied as a whole


def apply(state: Array, matrix: Array, axes: tuple[int, ...]) -> None:
    """Multiply some axes of a state by a matrix, in place.

    Args:
        state: Shape ``(d, ..., d, num_elements)``.
        matrix: Shape ``(d**k, d**k)``, or with a last axis over elements, ``(d**k, d**k, num_elements)``.
        axes: The k axes, the most significant first.
    """
    size = state.shape[axes[0]]
    if size ** len(axes) > DENSE:
        multiply(state, matrix, axes)
        return
    views = [view(state, axes, place) for place in np.ndindex(*[size] * len(axes))]
    fresh: list[tuple[Array, Array]] = []
    for row, entries in enumerate(rows(matrix)):
        if not stays(entries, row):
            fresh.append((views[row], combination(views, entries)))
    for target, values in fresh:
        target[...] = values


def multiply(state: Array, matrix: Array, axes: tuple[int, ...]) -> None:
    """The same for a matrix with many entries."""
    moved = np.moveaxis(state, axes, range(len(axes)))
    table = moved.reshape(len(matrix), -1, state.shape[-1])
    letters = "ij,jae->iae" if matrix.ndim == 2 else "ije,jae->iae"
    moved[...] = np.einsum(letters, matrix, table, optimize=True).reshape(moved.shape)


def view(state: Array, axes: tuple[int, ...], place: tuple[int, ...]) -> Array:
    """The part of a state where some axes have given positions."""
    where: list[Any] = [slice(None)] * state.ndim
    for axis, position in zip(axes, place, strict=True):
        where[axis] = position
    part: Array = state[tuple(where)]
    return part


def rows(matrix: Array) -> list[list[tuple[int, Any]]]:
    """For each row the columns whose entries are not 0, and the entries: numbers, or one per element."""
    if matrix.ndim == 2:
        return [
            [(column, entry) for column, entry in enumerate(row) if entry != 0] for row in matrix.tolist()
        ]
    found: list[list[tuple[int, Any]]] = []
    for row in matrix:
        used = [column for column in range(len(matrix)) if row[column].any()]
        found.append([(column, simple(row[column])) for column in used])
    return found


def stays(entries: list[tuple[int, Any]], row: int) -> bool:
    """Whether a row changes nothing."""
    if len(entries) != 1 or entries[0][0] != row:
        return False
    value = entries[0][1]
    return not isinstance(value, np.ndarray) and bool(value == 1)


def simple(entries: Array) -> Any:
    """One number where all elements have the same."""
    first = entries[0]
    return first.item() if (entries == first).all() else entries


def combination(views: list[Array], entries: list[tuple[int, Any]]) -> Array:
    """A weighted sum of parts."""
    if not entries:
        return np.zeros_like(views[0])
    (column, entry), *rest = entries
    total: Array = views[column] * entry
    for column, entry in rest:
        total += views[column] * entry
    return total
