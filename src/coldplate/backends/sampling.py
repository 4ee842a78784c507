"""Groups of elements that share a distribution, and shots drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Bits = NDArray[np.bool_]

WORKSPACE = 1 << 27  # bytes of states at a time
AT_ONCE = 1 << 22  # shots that are drawn at a time


@dataclass(frozen=True)
class Groups:
    """Elements that show the same, up to flips of bits.

    Attributes:
        first: An element of each group.
        of: The group of each element.
        flips: By which bits an element differs from its group's first, shape ``(num_elements, num_bits)``;
            None: by none.
    """

    first: Indices
    of: Indices
    flips: Bits | None = None

    @classmethod
    def by(cls, table: Floats, flips: Bits | None = None) -> Groups:
        """Groups of equal rows."""
        if not table.shape[1]:
            first, of = np.zeros(min(1, len(table)), dtype=np.intp), np.zeros(len(table), dtype=np.intp)
        else:
            _, first, of = np.unique(table, axis=0, return_index=True, return_inverse=True)
        of = of.ravel()
        return cls(first, of, None if flips is None else flips ^ flips[first][of])

    def members(self) -> list[Indices]:
        """The elements of each group."""
        order = np.argsort(self.of, kind="stable")
        sizes = np.bincount(self.of, minlength=len(self.first))
        return np.split(order, np.cumsum(sizes)[:-1])


Distributions = Callable[[Indices], Floats]  # elements -> shape (num_elements, 2**num_bits)


def sample(
    groups: Groups, distributions: Distributions, *, num_bits: int, shots: int, chunk: int, rng: Generator
) -> Bits:
    """Shots of every element, shape ``(num_elements, shots, num_bits)``.

    Args:
        distributions: Gives the distributions of some elements; outcome k has bit i of k as bit i.
        chunk: How many groups to ask for at a time.
    """
    found = np.empty((len(groups.of), shots, num_bits), dtype=bool)
    members = groups.members()
    for part in chunks(len(members), chunk):
        weights = distributions(groups.first[part])
        elements = np.concatenate(members[part])
        row = np.repeat(np.arange(len(weights)), [len(one) for one in members[part]])
        found[elements] = draw(weights, row, shots=shots, num_bits=num_bits, rng=rng)
    if groups.flips is not None:
        found ^= groups.flips[:, None, :]
    return found


def chunks(number: int, size: int) -> Iterator[slice]:
    """Slices that cover a range."""
    size = max(1, size)
    return (slice(start, min(start + size, number)) for start in range(0, number, size))


def draw(weights: Floats, row: Indices, *, shots: int, num_bits: int, rng: Generator) -> Bits:
    """Outcomes drawn from rows of weights, as bits; shape ``(len(row), shots, num_bits)``."""
    cumulative = np.cumsum(weights.clip(0), axis=1)
    cumulative /= cumulative[:, -1:]
    # one search in all rows at once: row k lies between k and k + 1
    cumulative += np.arange(len(weights))[:, None]
    found, width = np.empty((len(row), shots, num_bits), dtype=bool), weights.shape[1]
    for part in chunks(len(row), AT_ONCE // shots):
        rows = row[part, None]
        points = rng.random((len(rows), shots)) + rows
        np.minimum(points, np.nextafter(rows + 1.0, 0.0), out=points)  # or rounding reaches the next row
        outcomes = np.searchsorted(cumulative.ravel(), points, side="right") - rows * width
        found[part] = bits_of(np.minimum(outcomes, width - 1), num_bits)
    return found


def bits_of(numbers: NDArray[np.int64], num_bits: int) -> Bits:
    """Bits of numbers, bit 0 first, along a new last axis."""
    if num_bits <= 8:
        small = numbers.astype(np.uint8)[..., None]
        return np.unpackbits(small, axis=-1, bitorder="little")[..., :num_bits].astype(bool)
    found: Bits = (numbers[..., None] >> np.arange(num_bits)) & 1 == 1
    return found


def marginal(weights: Floats, keep: Sequence[int]) -> Floats:
    """Distributions over some axes only.

    Args:
        weights: Shape ``(2, ..., 2, num_elements)``, qubit k on axis k.
        keep: Axes to keep, bit 0 first.

    Returns:
        Shape ``(num_elements, 2**len(keep))``.
    """
    num_axes = weights.ndim - 1
    away = tuple(axis for axis in range(num_axes) if axis not in keep)
    summed = weights.sum(axis=away) if away else weights
    left = [axis for axis in range(num_axes) if axis in keep]
    order = [left.index(axis) for axis in reversed(keep)]
    ordered = summed.transpose(len(keep), *order)
    return np.ascontiguousarray(ordered).reshape(weights.shape[-1], -1)
