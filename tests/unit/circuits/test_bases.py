"""Bases: every string of every observable is shown by exactly one basis, and bases are few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.quantum_info import SparseObservable, SparsePauliOp, random_pauli_list

from coldplate.circuits.bases import Terms, collect, group
from coldplate.errors import LimitExceeded


def terms_of(*labels: str) -> Terms:
    return collect([SparseObservable.from_list([(label, 1.0) for label in labels])])


def chain(num_qubits: int) -> Terms:
    pairs = [(pauli, [site, site + 1], 1.0) for pauli in ("XX", "YY", "ZZ") for site in range(num_qubits - 1)]
    return collect([SparseObservable.from_sparse_list(pairs, num_qubits=num_qubits)])


@pytest.mark.parametrize(
    ("terms", "num_bases"),
    [
        pytest.param(terms_of("IZZ", "ZIZ", "ZZI", "IIZ"), 1, id="one-kind"),
        pytest.param(terms_of("XX", "YY", "ZZ"), 3, id="bell"),
        pytest.param(terms_of("XIZ", "IYZ", "XYI"), 1, id="mixed-letters-that-agree"),
        pytest.param(chain(12), 3, id="heisenberg-chain"),
        pytest.param(terms_of("ZZIIZZ", "IZZIII", "XXIIII", "IIIXXI", "ZIIIII"), 2, id="no-mixing"),
        pytest.param(terms_of("III"), 0, id="identity-needs-none"),
    ],
)
def test_bases_are_as_few_as_can_be(terms, num_bases):
    assert len(group(terms).terms) == num_bases


@pytest.mark.parametrize("seed", range(5))
def test_every_string_is_shown_by_one_basis(seed):
    strings = random_pauli_list(6, 60, seed=seed, phase=False)
    terms = collect([SparseObservable.from_sparse_pauli_op(SparsePauliOp(strings))])
    bases = group(terms)
    assert sorted(np.concatenate(bases.terms)) == list(range(len(terms.x)))
    for basis, shown in enumerate(bases.terms):
        support = terms.support[shown]
        assert not ((terms.x[shown] ^ bases.x[basis]) & support).any()
        assert not ((terms.z[shown] ^ bases.z[basis]) & support).any()


@pytest.mark.parametrize("seed", range(5))
def test_bases_are_not_many_more_than_by_colouring_the_whole_graph(seed):
    strings = SparsePauliOp(random_pauli_list(5, 80, seed=seed, phase=False))
    found = group(collect([SparseObservable.from_sparse_pauli_op(strings)]))
    assert len(found.terms) <= 1.25 * len(strings.group_commuting(qubit_wise=True))


def test_strings_are_collected_once_with_the_coefficients_of_each_observable():
    terms = collect(
        [
            SparseObservable.from_list([("IZ", 2.0), ("II", 0.5)]),
            SparseObservable.from_list([("IZ", -1.0), ("XI", 3.0)]),
        ]
    )
    assert terms.qubits == (0, 1)
    assert_allclose(terms.constants, [0.5, 0])
    z_first = 0 if terms.z[0].any() else 1
    assert_allclose(terms.coefficients.toarray()[:, [z_first, 1 - z_first]], [[2, 0], [-1, 3]])


def test_only_touched_qubits_are_measured():
    assert terms_of("IIZIIIX").qubits == (0, 4)


def test_projectors_are_written_out_as_paulis():
    terms = collect([SparseObservable.from_list([("0", 1.0)])])
    assert_allclose(terms.constants, [0.5])
    assert_allclose(terms.coefficients.toarray(), [[0.5]])


def test_projectors_that_would_make_too_many_strings_are_refused():
    wide = SparseObservable.from_list([("Z" * 100, 1.0), ("0" * 100, 1.0)])
    with pytest.raises(LimitExceeded, match="on up to 100 qubits; as Pauli strings it would have 1.27e"):
        collect([wide])
    assert len(collect([SparseObservable.from_list([("1" * 10, 1.0)])]).x) == 2**10 - 1


def test_strings_wider_than_a_machine_word_are_kept_whole():
    terms = terms_of("Z" + "I" * 98 + "X", "I" * 99 + "Y")
    bases = group(terms)
    assert len(bases.terms) == 2
    assert terms.qubits == (0, 99)
