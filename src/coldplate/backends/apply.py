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
    for row, target in enumerate(views):
        entries = [(column, matrix[row, column]) for column in range(len(views))]
        used = [(column, entry) for column, entry in entries if np.any(entry)]
        if len(used) == 1 and used[0][0] == row and np.all(used[0][1] == 1):
            continue
        fresh.append((target, combination(views, used)))
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


def combination(views: list[Array], used: list[tuple[int, Array]]) -> Array:
    """A weighted sum of parts."""
    if not used:
        return np.zeros_like(views[0])
    (column, entry), *rest = used
    total = views[column] * entry
    for column, entry in rest:
        if np.all(entry == 1):
            total += views[column]
        elif np.all(entry == -1):
            total -= views[column]
        else:
            total += views[column] * entry
    return total
