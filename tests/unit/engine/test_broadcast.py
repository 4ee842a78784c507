"""Broadcasting: every cell is covered once, and no parameter set meets a basis that it doesn't need."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import SparseObservable

from coldplate.circuits.bases import collect, group
from coldplate.engine.broadcast import elements, lay_out

LETTERS = ["XX", "YY", "ZZ", "XI", "IY", "ZI"]


@pytest.mark.parametrize(
    ("params_shape", "observables_shape"),
    [
        ((), ()),
        ((4,), ()),
        ((), (6,)),
        ((6,), (6,)),
        ((4, 1), (6,)),
        ((2, 3), (2, 1)),
        ((3,), (2, 3)),
        ((1, 1, 2), (3, 2)),
        ((0,), ()),
        ((4, 0), (1,)),
    ],
)
def test_every_cell_has_its_parameters_and_observable(params_shape, observables_shape):
    num_observables = int(np.prod(observables_shape))
    observables = [SparseObservable.from_label(LETTERS[one % 6]) for one in range(num_observables)]
    terms = collect(observables)
    blocks = lay_out(terms, group(terms), params_shape=params_shape, observables_shape=observables_shape)

    shape = np.broadcast_shapes(params_shape, observables_shape)
    params = np.broadcast_to(np.arange(np.prod(params_shape, dtype=int)).reshape(params_shape), shape)
    which = np.broadcast_to(np.arange(num_observables).reshape(observables_shape), shape)
    seen = np.concatenate([np.zeros(0, dtype=int), *(block.cells.ravel() for block in blocks)])
    assert sorted(seen) == list(range(params.size))
    for block in blocks:
        assert (params.ravel()[block.cells] == block.params[:, None]).all()
        assert (which.ravel()[block.cells] == block.observables).all()


def test_parameter_sets_with_one_observable_each_are_measured_in_one_basis_each():
    terms = collect([SparseObservable.from_label(label) for label in ("XX", "YY", "ZZ")])
    blocks = lay_out(terms, group(terms), params_shape=(3,), observables_shape=(3,))
    sets, bases = elements(blocks)
    assert sorted(sets) == [0, 1, 2]
    assert sorted(bases) == [0, 1, 2]


def test_elements_are_in_the_order_that_blocks_name():
    terms = collect([SparseObservable.from_list([("XX", 1), ("ZZ", 1)])])
    blocks = lay_out(terms, group(terms), params_shape=(5,), observables_shape=())
    sets, bases = elements(blocks)
    for block in blocks:
        for basis, first in block.parts:
            part = slice(first, first + len(block.params))
            assert (sets[part] == block.params).all()
            assert (bases[part] == basis).all()


def test_identities_need_no_elements():
    terms = collect([SparseObservable.from_label("II")])
    blocks = lay_out(terms, group(terms), params_shape=(5,), observables_shape=())
    assert elements(blocks)[0].size == 0
