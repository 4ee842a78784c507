"""M3: readout error undone within the subspace of the strings that were seen, without ever making 2^n
numbers.

The matrix of readout errors is restricted to observed strings, its columns made to sum to 1 there, and
solved for. Beyond a few thousand strings the matrix is sparse: strings that were seen often may be read as
any other, the rest, which has little to give, only as strings that differ in few bits.

Source: Nation, Kang, Sundaresan, Gambetta, PRX Quantum 2, 040326 (2021), arXiv:2108.12518.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import LinearOperator, gmres, onenormest

from coldplate.circuits.program import Item, ItemOutcome, unpack_bits
from coldplate.errors import ReadoutTooNoisy

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

DENSE = 2000  # strings up to which all pairs are kept and solved directly
OFTEN = 256  # strings that mix with all, beyond
DISTANCE = 2  # bits in which the others may differ
NEGLIGIBLE = 1e-15  # as a probability
TOLERANCE, ROUGHLY = 1e-6, 1e-3  # of solutions, and of those that only tell the overhead
LARGEST = 0.45  # of an error rate that can still be undone


@dataclass(frozen=True)
class Rates:
    """How qubits are misread.

    Attributes:
        up: Probability that 0 is read as 1, per qubit.
        down: Probability that 1 is read as 0.
    """

    up: Floats
    down: Floats

    @classmethod
    def of(cls, item: Item, outcome: ItemOutcome, *, register: str, flips: str) -> Rates:
        """The rates that qubits show which were flipped at random from 0 before they were measured.

        Raises:
            ReadoutTooNoisy: A qubit's outcome says next to nothing of its state.
        """
        prepared = item.side[flips]
        read = unpack_bits(outcome.bits[register], prepared.shape[-1])
        wrong = read ^ prepared
        prepared = np.broadcast_to(prepared, read.shape)
        axes = tuple(range(read.ndim - 1))
        down = (wrong & prepared).sum(axis=axes) / np.maximum(prepared.sum(axis=axes), 1)
        up = (wrong & ~prepared).sum(axis=axes) / np.maximum((~prepared).sum(axis=axes), 1)
        worst = int(np.argmax(up + down))
        if up[worst] + down[worst] > 2 * LARGEST:
            raise ReadoutTooNoisy(
                f"A qubit's 0 is read as 1 in {up[worst]:.2f} of cases and its 1 as 0 in {down[worst]:.2f}: "
                "options.experimental.readout_mitigation can't undo that.",
                solution="Leave that qubit out, or turn readout_mitigation off.",
            )
        return cls(up, down)

    def twirled(self) -> Rates:
        """The rates when bits are flipped at random around the measurement."""
        mean = (self.up + self.down) / 2
        return Rates(mean, mean)

    def at(self, qubits: Sequence[int]) -> Rates:
        """The rates of some qubits."""
        return Rates(self.up[list(qubits)], self.down[list(qubits)])


@dataclass(frozen=True)
class Quasi:
    """A quasi-probability distribution.

    Attributes:
        strings: Packed as bits are, shape ``(num_strings, num_bytes)``, ascending.
        values: Quasi-probabilities; they sum to 1, some may be negative.
        overhead: By how much variances grow at most: a mean of values in [-1, 1] over N shots has a standard
            error of ``sqrt(overhead / N)`` or less.
        distance: Bits in which strings that are seen seldom may differ to count as mixed; None: any.
        iterations: Of the solver; None: it was direct.
    """

    strings: Bytes
    values: Floats
    overhead: float
    distance: int | None
    iterations: int | None = None


def mitigate(bits: Bytes, rates: Rates) -> Quasi:
    """The quasi-probabilities of the strings that were seen.

    Args:
        bits: Shots, packed, shape ``(num_shots, num_bytes)``.
        rates: Of every bit.
    """
    strings, counts = np.unique(bits, axis=0, return_counts=True)
    seen = counts / counts.sum()
    if len(strings) <= DENSE:
        return Quasi(strings, *solve_dense(strings, seen, rates), distance=None)
    values, overhead, iterations = solve_sparse(strings, seen, rates)
    return Quasi(strings, values, overhead, DISTANCE, iterations)


def solve_dense(strings: Bytes, seen: Floats, rates: Rates) -> tuple[Floats, float]:
    """Quasi-probabilities and overhead, from the matrix of all pairs."""
    number = len(strings)
    rows, columns = (index.ravel() for index in np.indices((number, number)))
    matrix = entries(strings, rows, columns, rates).reshape(number, number)
    matrix /= matrix.sum(axis=0)
    factors = lu_factor(matrix)
    inverse = lu_solve(factors, np.eye(number))
    return lu_solve(factors, seen), float(np.abs(inverse).sum(axis=0).max() ** 2)


def solve_sparse(strings: Bytes, seen: Floats, rates: Rates) -> tuple[Floats, float, int]:
    """The same from the pairs that matter, and how many iterations that took."""
    matrix = sparse_matrix(strings, seen, rates)
    forward, backward, diagonal = matrix.tocsr(), matrix.T.tocsr(), matrix.diagonal()
    scaling = LinearOperator(matrix.shape, matvec=lambda vector: vector / diagonal)

    steps: list[float] = []  # what is left of the residual after each iteration

    def solve(one: csr_array, wanted: Floats, *, tolerance: float) -> Floats:
        steps.clear()
        found, _ = gmres(
            one, wanted, rtol=tolerance, M=scaling, callback=steps.append, callback_type="pr_norm"
        )
        return np.asarray(found, dtype=np.float64)

    inverse = LinearOperator(
        matrix.shape,
        matvec=lambda vector: solve(forward, vector, tolerance=ROUGHLY),
        rmatvec=lambda vector: solve(backward, vector, tolerance=ROUGHLY),
        dtype=np.float64,
    )
    values = solve(forward, seen, tolerance=TOLERANCE)
    iterations = len(steps)
    return values, one_norm(inverse) ** 2, iterations


def one_norm(operator: LinearOperator) -> float:
    """An estimate of an operator's one-norm, the same each time: SciPy's draws from NumPy's global state."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        return float(onenormest(operator))
    finally:
        np.random.set_state(before)


def sparse_matrix(strings: Bytes, seen: Floats, rates: Rates) -> csc_array:
    """The probabilities that matter of each string being read as another; columns sum to 1."""
    often = np.argsort(-seen, kind="stable")[:OFTEN]
    block = columns_of(strings, often, rates)
    rows, columns = np.nonzero(block > NEGLIGIBLE)
    near, true = close_pairs(strings, len(rates.up))
    seldom = ~np.isin(true, often)
    near, true = near[seldom], true[seldom]
    values = np.concatenate([block[rows, columns], entries(strings, near, true, rates)])
    places = np.concatenate([rows, near]), np.concatenate([often[columns], true])
    matrix = csc_array((values, places), shape=(len(strings),) * 2)
    return csc_array(matrix.multiply(1 / matrix.sum(axis=0)))


def columns_of(strings: Bytes, true: NDArray[np.intp], rates: Rates) -> Floats:
    """Probabilities that some strings are read as each of all, shape ``(num_strings, len(true))``."""
    up, down = (np.clip(rate, 1e-12, None) for rate in (rates.up, rates.down))
    bits = unpack_bits(strings, len(up)).astype(np.float64)
    ones = bits[true]
    # logarithms, of a bit that is read as 1 less that it is read as 0: as it is 0, or 1
    odds = (1 - ones) * (np.log(up) - np.log1p(-up)) + ones * (np.log1p(-down) - np.log(down))
    zeros = (1 - ones) @ np.log1p(-up) + ones @ np.log(down)
    found: Floats = np.exp(bits @ odds.T + zeros)
    return found


def entries(strings: Bytes, rows: NDArray[np.intp], columns: NDArray[np.intp], rates: Rates) -> Floats:
    """Probabilities that the string of a column is read as the string of a row, byte by byte from tables."""
    num_bytes = strings.shape[-1]
    total = np.zeros(len(rows))
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1].astype(np.float64)
    up, down = (np.clip(rate, 1e-12, None) for rate in (rates.up, rates.down))
    for byte in range(num_bytes):
        qubits = 8 * (num_bytes - 1 - byte) + np.arange(8)  # the last byte has the first bits
        inside = qubits < len(up)
        odds_up, odds_down, keep_0, keep_1 = np.zeros((4, 8))
        which = qubits[inside]
        keep_0[inside], keep_1[inside] = np.log1p(-up[which]), np.log1p(-down[which])
        odds_up[inside] = np.log(up[which]) - keep_0[inside]
        odds_down[inside] = np.log(down[which]) - keep_1[inside]
        stay = keep_0.sum() + bits @ (keep_1 - keep_0)
        true, differ = strings[columns, byte], strings[rows, byte] ^ strings[columns, byte]
        total += stay[true] + (bits @ odds_down)[differ & true] + (bits @ odds_up)[differ & ~true]
    return np.exp(total)


def close_pairs(strings: Bytes, num_bits: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of strings that differ in at most two bits, in both orders, each string with itself included.

    Strings that differ in two bits become equal when each of them flips one; so what all strings become
    when any bit is flipped is sorted, as hashes that a flip of a bit changes by a constant.
    """
    number = len(strings)
    bits = unpack_bits(strings, num_bits)
    flip = np.random.default_rng(0).integers(0, 2**64, num_bits, dtype=np.uint64)
    own = np.bitwise_xor.reduce(np.where(bits, flip, np.uint64(0)), axis=1)
    flipped = (own[:, None] ^ flip).ravel()
    order = np.argsort(own)
    place = np.minimum(np.searchsorted(own, flipped, sorter=order), number - 1)
    hit = np.flatnonzero(own[order[place]] == flipped)
    alike = np.argsort(flipped)
    begins = np.flatnonzero(np.diff(flipped[alike], prepend=~flipped[alike[:1]]))
    sizes = np.diff(begins, append=len(alike))
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)  # of the group of each
    each = np.repeat(sizes, sizes)
    first = np.repeat(np.arange(len(alike)), each)
    second = np.arange(len(first)) - np.repeat(np.cumsum(each) - each, each) + starts[first]
    first, second = alike[first], alike[second]
    once = first % num_bits < second % num_bits  # a pair meets twice, after either flip
    rows = np.concatenate([np.arange(number), hit // num_bits, first[once] // num_bits])
    columns = np.concatenate([np.arange(number), order[place[hit]], second[once] // num_bits])
    return rows, columns
