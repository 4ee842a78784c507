"""Which parameter sets an estimator pub measures in which bases, by the rules of broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from coldplate.circuits.bases import Bases, Terms

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Block:
    """Parameter sets that meet the same observables.

    Attributes:
        params: The parameter sets.
        observables: The observables.
        cells: Where their values go in the flattened result, shape ``(len(params), len(observables))``.
        parts: Bases that show the observables, and the first element of each; the elements of a part follow
            the order of `params`.
    """

    params: Indices
    observables: Indices
    cells: Indices
    parts: tuple[tuple[int, int], ...]


def lay_out(
    terms: Terms, bases: Bases, *, params_shape: tuple[int, ...], observables_shape: tuple[int, ...]
) -> tuple[Block, ...]:
    """Blocks that cover every cell of the broadcast shape once, and no basis that a set doesn't need."""
    shape = np.broadcast_shapes(params_shape, observables_shape)
    if not prod(shape):
        return ()
    num_params = prod(params_shape)
    param_of = spread(params_shape, shape)
    observable_of = spread(observables_shape, shape)
    cells = np.lexsort((observable_of, param_of)).reshape(num_params, -1)
    met, block_of = np.unique(observable_of[cells], axis=0, return_inverse=True)
    order = np.argsort(block_of.ravel(), kind="stable")
    members = np.split(order, np.cumsum(np.bincount(block_of.ravel()))[:-1])
    basis_of = np.empty(len(terms.x), dtype=np.intp)
    for basis, shown in enumerate(bases.terms):
        basis_of[shown] = basis
    blocks, first = [], 0
    for params, observables in zip(members, met, strict=True):
        needed = np.unique(basis_of[terms.coefficients[observables].indices])
        parts = tuple((int(basis), first + place * len(params)) for place, basis in enumerate(needed))
        first += len(needed) * len(params)
        blocks.append(Block(params, observables, cells[params], parts))
    return tuple(blocks)


def spread(shape: tuple[int, ...], over: tuple[int, ...]) -> Indices:
    """The flat index into `shape` of each cell of a shape that it is broadcast to."""
    return np.broadcast_to(np.arange(prod(shape)).reshape(shape), over).ravel()


def elements(blocks: tuple[Block, ...]) -> tuple[Indices, Indices]:
    """Parameter set and basis of every element, in order."""
    params = [block.params for block in blocks for _ in block.parts]
    bases = [np.full(len(block.params), basis) for block in blocks for basis, _ in block.parts]
    if not params:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    return np.concatenate(params), np.concatenate(bases)
