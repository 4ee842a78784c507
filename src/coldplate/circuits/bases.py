"""Observables as Pauli strings, and the few measurement bases that show them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparseObservable
from scipy.sparse import csr_array

from coldplate.circuits.parity import Words, to_words
from coldplate.circuits.program import pack_bits
from coldplate.errors import LimitExceeded

Z_BIT, X_BIT = 1, 2  # of SparseObservable's bit terms: Z is 1, X is 2, Y is 3
MAX_WRITTEN = 1 << 16  # Pauli strings of one observable with projectors
MAX_PASSES = 8  # over the strings left, when a basis grows


@dataclass(frozen=True)
class Terms:
    """The different Pauli strings of some observables, and what each observable is made of.

    Attributes:
        qubits: The qubits that the strings touch, ascending; the other axes run over them.
        x: Where a string has X or Y, shape ``(num_terms, len(qubits))``.
        z: Where a string has Z or Y, same shape.
        coefficients: Shape ``(num_observables, num_terms)``, without the identity.
        constants: Coefficients of the identity, shape ``(num_observables,)``.
    """

    qubits: tuple[int, ...]
    x: NDArray[np.bool_]
    z: NDArray[np.bool_]
    coefficients: csr_array
    constants: NDArray[np.float64]

    @property
    def support(self) -> NDArray[np.bool_]:
        """Where a string is not the identity, shape ``(num_terms, len(qubits))``."""
        return self.x | self.z

    @property
    def masks(self) -> Words:
        """Which measured bits each string reads, shape ``(num_terms, num_words)``."""
        return to_words(pack_bits(self.support))


@dataclass(frozen=True)
class Bases:
    """Measurement bases: in each, every qubit is measured along X, Y or Z.

    Attributes:
        x, z: The Pauli of each qubit, shape ``(num_bases, num_qubits)``; neither: not needed, read along Z.
        terms: Indices of the strings that each basis shows; every string is in exactly one.
    """

    x: NDArray[np.bool_]
    z: NDArray[np.bool_]
    terms: tuple[NDArray[np.intp], ...]


def as_paulis(observable: SparseObservable) -> SparseObservable:
    """An observable without projectors: each of them makes two strings of one.

    Raises:
        LimitExceeded: That are too many.
    """
    projects = np.asarray(observable.bit_terms) > (Z_BIT | X_BIT)
    if not projects.any():
        return observable
    counts = np.diff(np.concatenate([[0], np.cumsum(projects)])[np.asarray(observable.boundaries)])
    number = np.exp2(counts.astype(np.float64)).sum()
    if number > MAX_WRITTEN:
        raise LimitExceeded(
            f"An observable has projectors on up to {counts.max()} qubits; as Pauli strings it would have "
            f"{number:.3g} terms, and at most {MAX_WRITTEN} can be.",
            solution="Sample the circuit, and take probabilities from the counts.",
        )
    return observable.as_paulis()


def collect(observables: Sequence[SparseObservable]) -> Terms:
    """The different Pauli strings of observables; projectors are written out as Paulis.

    Raises:
        LimitExceeded: See `as_paulis`.
    """
    written = [as_paulis(one) for one in observables]
    sizes = [len(one.coeffs) for one in written]
    lengths = np.concatenate([np.diff(one.boundaries) for one in written] or [[]]).astype(np.intp)
    indices = np.concatenate([one.indices for one in written] or [[]]).astype(np.intp)
    letters = np.concatenate([one.bit_terms for one in written] or [[]]).astype(np.uint8)
    coeffs = np.concatenate([np.real(one.coeffs) for one in written] or [[]]).astype(np.float64)
    qubits, columns = np.unique(indices, return_inverse=True)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    table = np.zeros((len(lengths), 2, len(qubits)), dtype=bool)
    table[rows, 0, columns] = letters & X_BIT != 0
    table[rows, 1, columns] = letters & Z_BIT != 0
    unique, term_of = np.unique(table.reshape(len(lengths), -1), axis=0, return_inverse=True)
    observable_of = np.repeat(np.arange(len(written)), sizes)
    matrix = csr_array((coeffs, (observable_of, term_of.ravel())), shape=(len(written), len(unique)))
    identity = ~unique.any(axis=1)
    unique = unique.reshape(len(unique), 2, len(qubits))
    return Terms(
        qubits=tuple(int(qubit) for qubit in qubits),
        x=unique[~identity, 0],
        z=unique[~identity, 1],
        coefficients=csr_array(matrix[:, np.flatnonzero(~identity)]),
        constants=np.asarray(matrix[:, np.flatnonzero(identity)].sum(axis=1)).ravel(),
    )


def group(terms: Terms) -> Bases:
    """Qubit-wise commuting bases that show every string, found greedily, heaviest strings first.

    A basis grows from the heaviest string left: first by strings that share qubits with it, then by any
    that fit. So strings of one kind stay together, and a chain of XX, YY and ZZ needs three bases.
    """
    weight = terms.support.sum(axis=1)
    size = np.zeros(len(weight))
    np.maximum.at(size, terms.coefficients.indices, np.abs(terms.coefficients.data))
    left = [int(term) for term in np.lexsort((-size, -weight))]
    x, z = to_integers(terms.x), to_integers(terms.z)
    found: list[tuple[list[int], int, int]] = []
    while left:
        chosen, basis_x, basis_z = grow(left, x, z)
        found.append((chosen, basis_x, basis_z))
        taken = set(chosen)
        left = [term for term in left if term not in taken]
    return Bases(
        x=from_integers([one[1] for one in found], len(terms.qubits)),
        z=from_integers([one[2] for one in found], len(terms.qubits)),
        terms=tuple(np.array(sorted(one[0]), dtype=np.intp) for one in found),
    )


def grow(left: Sequence[int], x: Sequence[int], z: Sequence[int]) -> tuple[list[int], int, int]:
    """The strings of one basis, beginning with the first that is left, and the basis as bit masks."""
    chosen, rest = [left[0]], list(left[1:])
    basis = x[left[0]], z[left[0]]
    for _ in range(MAX_PASSES):
        rest, added, basis = sweep(rest, x, z, basis=basis, touching=True)
        chosen += added
        if not added:
            break
    _, added, basis = sweep(rest, x, z, basis=basis, touching=False)
    return chosen + added, *basis


def sweep(
    left: Sequence[int], x: Sequence[int], z: Sequence[int], *, basis: tuple[int, int], touching: bool
) -> tuple[list[int], list[int], tuple[int, int]]:
    """One pass over strings: those passed over, those added to the basis, and the basis with them.

    Args:
        touching: Add only strings that share a qubit with the basis.
    """
    basis_x, basis_z = basis
    passed, added = [], []
    for term in left:
        both = (basis_x | basis_z) & (x[term] | z[term])
        if ((basis_x ^ x[term]) | (basis_z ^ z[term])) & both or (touching and not both):
            passed.append(term)
        else:
            added.append(term)
            basis_x, basis_z = basis_x | x[term], basis_z | z[term]
    return passed, added, (basis_x, basis_z)


def to_integers(table: NDArray[np.bool_]) -> list[int]:
    """Each row as one integer, bit 0 first."""
    return [int.from_bytes(row.tobytes(), "big") for row in pack_bits(table)]


def from_integers(values: Sequence[int], num_bits: int) -> NDArray[np.bool_]:
    """The inverse of `to_integers`, shape ``(len(values), num_bits)``."""
    num_bytes = -(-num_bits // 8)
    packed = b"".join(value.to_bytes(num_bytes, "big") for value in values)
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(len(values), num_bytes)
    return np.unpackbits(rows, axis=-1)[:, ::-1][:, :num_bits].astype(bool)
