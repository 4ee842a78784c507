"""The native kernel against dense algebra, itself on other processors, and malformed input."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import chi2

from coldplate import kernel
from coldplate.kernel import build, native

(
    MATRIX, RZ, RX, RY, CZ, CX, SWAP, RZZ, DENSE, PAULI1, PAULI2, DAMP, RESET, MEASURE, BRANCH, OTHERWISE, END
) = range(17)  # fmt: skip

pytestmark = pytest.mark.skipif(native() is None, reason="the kernel was not built")

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
UNLIKELY = 1e-6


class Source:
    """A program for the kernel, and the same as dense matrices on a density matrix."""

    def __init__(self, num_qubits: int, num_columns: int = 0):
        self.n, self.columns = num_qubits, num_columns
        self.lines: list[tuple[int, int, int, int]] = []
        self.angles: list[tuple[float, list[tuple[int, float]]]] = []
        self.matrices: list[np.ndarray] = []
        self.dense: list[tuple[np.ndarray, list[int]]] = []
        self.paulis: list[np.ndarray] = []
        self.damping: list[float] = []
        self.conditions: list[tuple[list[int], list[int]]] = []
        self.num_clbits = num_qubits
        self.finals = [(qubit, qubit) for qubit in range(num_qubits)]
        self.readout = np.zeros((num_qubits, 2))

    def program(self, module: Any = None) -> Any:
        slopes = [pair for _, row in self.angles for pair in row]
        starts = np.cumsum([0, *(len(row) for _, row in self.angles)])

        def rows(lists, kind):
            flat = [x for one in lists for x in one]
            return np.array(flat, dtype=kind), np.cumsum([0, *map(len, lists)]).astype(np.int32)

        dense = rows([matrix.ravel() for matrix, _ in self.dense], complex)
        qubits = rows([places for _, places in self.dense], np.int32)
        return (module or native()).Program(
            self.n, self.num_clbits, self.columns, np.array(self.lines, dtype=np.int32).reshape(-1, 4),
            np.array([constant for constant, _ in self.angles], dtype=float), starts.astype(np.int32),
            np.array([c for c, _ in slopes], dtype=np.int32), np.array([s for _, s in slopes], dtype=float),
            np.array(self.matrices, dtype=complex).ravel(), *dense, *qubits, *rows(self.paulis, float),
            np.array(self.damping, dtype=float), *rows([bits for bits, _ in self.conditions], np.int32),
            *rows([values for _, values in self.conditions], np.uint64),
            np.array(self.finals, dtype=np.int32).reshape(-1, 2), np.ascontiguousarray(self.readout),
        )  # fmt: skip

    # --- writing ---

    def add(self, code: int, first: int = -1, second: int = -1, argument: int = -1) -> None:
        self.lines.append((code, first, second, argument))

    def angle(self, constant: float, *slopes: tuple[int, float]) -> int:
        self.angles.append((constant, list(slopes)))
        return len(self.angles) - 1

    def channel(self, probabilities) -> int:
        self.paulis.append(np.asarray(probabilities, dtype=float))
        return len(self.paulis) - 1

    # --- dense ---

    def distribution(self, row: np.ndarray) -> np.ndarray:
        rho = np.zeros((2**self.n, 2**self.n), dtype=complex)
        rho[0, 0] = 1
        for line in self.lines:
            rho = sum(kraus @ rho @ kraus.conj().T for kraus in self.kraus(line, row))
        return np.diag(rho).real

    def kraus(self, line, row) -> list[np.ndarray]:
        code, a, b, argument = line

        def theta():
            constant, slopes = self.angles[argument]
            return constant + sum(slope * row[column] for column, slope in slopes)

        if code in (RZ, RX, RY):
            axis = {RZ: 3, RX: 1, RY: 2}[code]
            half = theta() / 2
            return [self.on([a], np.cos(half) * PAULIS[0] - 1j * np.sin(half) * PAULIS[axis])]
        if code == MATRIX:
            return [self.on([a], self.matrices[argument])]
        if code == DENSE:
            matrix, places = self.dense[argument]
            return [self.on(places, matrix)]
        if code == RZZ:
            half = theta() / 2
            return [self.on([a, b], np.diag(np.exp(-1j * half * np.array([1, -1, -1, 1]))))]
        pairs = {
            CZ: np.diag([1, 1, 1, -1]), CX: np.eye(4)[[0, 3, 2, 1]], SWAP: np.eye(4)[[0, 2, 1, 3]],
        }  # fmt: skip
        if code in pairs:
            return [self.on([a, b], pairs[code])]
        if code == DAMP:
            gamma = self.damping[argument]
            kept, lost = np.diag([1, np.sqrt(1 - gamma)]), np.array([[0, np.sqrt(gamma)], [0, 0]])
            return [self.on([a], kept), self.on([a], lost)]
        if code == RESET:
            return [self.on([a], np.diag([1, 0])), self.on([a], np.array([[0, 1], [0, 0]]))]
        strings = self.paulis[argument]
        if code == PAULI1:
            return [np.sqrt(p) * self.on([a], PAULIS[letter]) for letter, p in enumerate(strings)]
        return [
            np.sqrt(p) * self.on([a], PAULIS[letter & 3]) @ self.on([b], PAULIS[letter >> 2])
            for letter, p in enumerate(strings)
        ]

    def on(self, places: list[int], matrix: np.ndarray) -> np.ndarray:
        whole = np.zeros((2**self.n, 2**self.n), dtype=complex)
        for column in range(2**self.n):
            inner = sum((column >> place & 1) << k for k, place in enumerate(places))
            rest = column & ~sum(1 << place for place in places)
            for value in range(2 ** len(places)):
                index = rest | sum((value >> k & 1) << place for k, place in enumerate(places))
                whole[index, column] += matrix[value, inner]
        return whole


def unitary(rng, dim: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((dim, dim)) + 1j * rng.standard_normal((dim, dim)))
    return q * (np.diag(r) / abs(np.diag(r)))


def random_source(rng, n: int, length: int, *, noisy: bool, resets: bool = False) -> Source:
    source = Source(n, 3)
    for _ in range(length):
        code = int(rng.choice([RZ, RX, RY, MATRIX, CZ, CX, SWAP, RZZ, DENSE]))
        a, b = (int(x) for x in rng.permutation(n)[:2]) if n > 1 else (0, 0)
        if n == 1 and code in (CZ, CX, SWAP, RZZ, DENSE):
            code = RY
        if code in (RZ, RX, RY, RZZ):
            slopes = [(int(c), float(rng.normal())) for c in rng.permutation(3)[: rng.integers(3)]]
            source.add(code, a, b if code == RZZ else -1, source.angle(float(rng.normal()), *slopes))
        elif code == MATRIX:
            source.matrices.append(unitary(rng, 2))
            source.add(MATRIX, a, -1, len(source.matrices) - 1)
        elif code == DENSE:
            places = [int(x) for x in rng.permutation(n)[: min(n, int(rng.integers(2, 4)))]]
            source.dense.append((unitary(rng, 2 ** len(places)), places))
            source.add(DENSE, -1, -1, len(source.dense) - 1)
        else:
            source.add(code, a, b)
        if noisy:
            add_noise(source, rng, a, b)
        if resets and rng.random() < 0.1:
            source.add(RESET, a)
    return source


def add_noise(source: Source, rng, a: int, b: int) -> None:
    if a != b and rng.random() < 0.5:
        source.add(PAULI2, a, b, source.channel(rng.dirichlet([8] + [0.1] * 15)))
    if rng.random() < 0.5:
        source.add(PAULI1, a, -1, source.channel(rng.dirichlet([8, 0.3, 0.3, 0.3])))
    if rng.random() < 0.5:
        source.damping.append(float(rng.uniform(0, 0.3)))
        source.add(DAMP, a, -1, len(source.damping) - 1)


def run(
    program, params, *, shots=4000, groups=None, seed=1, threads=1, single=False, wide=False, exact=False
):
    params = np.ascontiguousarray(params, dtype=float)
    number = len(params)
    groups = np.arange(number) if groups is None else groups
    return program.run(
        params, np.arange(number), groups, np.full(number, shots), seed, threads, single, wide, exact, 4e9,
        native().Stop(),
    )  # fmt: skip


def p_value(words: np.ndarray, expected: np.ndarray) -> float:
    counts = np.bincount(words.ravel().astype(np.int64), minlength=len(expected))
    assert not counts[expected < 1e-12].any()
    wanted = expected * words.size
    large = wanted > 5
    pairs = [(c, w) for c, w in zip(counts[large], wanted[large], strict=True)]
    pairs.append((counts[~large].sum(), wanted[~large].sum()))
    pairs = [(c, w) for c, w in pairs if w > 1e-6]
    statistic = sum((c - w) ** 2 / w for c, w in pairs)
    return float(chi2.sf(statistic, max(1, len(pairs) - 1)))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", [{}, {"single": True}, {"threads": 2}])
def test_ideal_programs_have_the_distribution_of_dense_matrices(seed, how):
    rng = np.random.default_rng(seed)
    source = random_source(rng, 1 + seed % 5, 25, noisy=False)
    params = rng.normal(size=(10, 3))
    shots = run(source.program(), params, seed=seed, **how).reshape(10, -1)
    for row, words in zip(params, shots, strict=True):
        assert p_value(words, source.distribution(row)) > UNLIKELY


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", [{}, {"exact": True}, {"threads": 2, "single": True}])
def test_noisy_programs_have_the_distribution_of_dense_matrices(seed, how):
    rng = np.random.default_rng(100 + seed)
    n = 1 + seed % 4
    source = random_source(rng, n, 20, noisy=True, resets=seed % 2 == 1)
    if how.get("exact"):
        source.dense = [(m, p) if len(p) < 3 else (unitary(rng, 4), p[:2]) for m, p in source.dense]
    params = rng.normal(size=(3, 3))
    shots = run(source.program(), params, seed=seed, **how).reshape(3, -1)
    for row, words in zip(params, shots, strict=True):
        assert p_value(words, source.distribution(row)) > UNLIKELY


def test_elements_of_a_group_share_the_state_before_their_last_gates():
    """Only the last rotations differ: one body, many bases, and noise in both parts."""
    rng = np.random.default_rng(5)
    source = Source(3, 3)
    for qubit in range(3):
        source.add(RY, qubit, -1, source.angle(0.7 + qubit))
        add_noise(source, rng, qubit, (qubit + 1) % 3)
    source.add(CZ, 0, 1)
    source.add(PAULI2, 0, 1, source.channel([0.9] + [0.1 / 15] * 15))
    source.add(CX, 1, 2)
    for qubit in range(3):
        source.add(RX, qubit, -1, source.angle(0.0, (qubit, 1.0)))
        add_noise(source, rng, qubit, qubit)
    program = source.program()
    assert list(program.body_columns) == []
    params = rng.normal(size=(40, 3))
    for exact in (False, True):
        shots = run(program, params, groups=np.zeros(40, dtype=np.int64), exact=exact).reshape(40, -1)
        for row, words in zip(params, shots, strict=True):
            assert p_value(words, source.distribution(row)) > UNLIKELY


def wide_source(rng, n: int) -> Source:
    """A wide circuit of all operations, with noise that acts in a few shots."""
    source = random_source(rng, n, 60, noisy=False)
    for qubit in range(n):
        source.add(RY, qubit, -1, source.angle(1.0 + qubit, (qubit % 3, 0.5)))
        source.damping.append(0.01)
        source.add(DAMP, qubit, -1, len(source.damping) - 1)
        source.add(PAULI1, qubit, -1, source.channel([0.99, 0.004, 0.003, 0.003]))
    for qubit in range(n - 1):
        source.add(CZ, qubit, qubit + 1)
        source.add(RX, qubit, -1, source.angle(0.4))
    source.readout[:] = 0.01, 0.02
    return source


@pytest.mark.parametrize("n", [12, 14, 17])
def test_bits_depend_on_the_seed_alone(n):
    """Not on threads, on the processor's lanes, on the layout of states, or on other elements."""
    source = wide_source(np.random.default_rng(n), n)
    params = np.random.default_rng(1).normal(size=(3, 3))
    first = run(source.program(), params, shots=40)
    for how in ({"threads": 2}, {"wide": True}, {"wide": True, "threads": 2}):
        assert_array_equal(run(source.program(), params, shots=40, **how), first)
    for level in kernel.LEVELS:
        module = build(level)
        if module is None or level > native().level():
            continue
        program = source.program(module)
        number = np.arange(3)
        again = program.run(
            params, number, number, np.full(3, 40), 1, 1, False, False, False, 4e9, module.Stop()
        )
        assert_array_equal(again, first)
    assert_array_equal(run(source.program(), params[:1], shots=40), first[:40])
    assert not np.array_equal(run(source.program(), params, shots=40, seed=2), first)


@pytest.mark.parametrize("exact", [False, True])
def test_exact_and_sampled_bits_depend_on_the_seed_alone_for_few_qubits(exact):
    rng = np.random.default_rng(3)
    source = random_source(rng, 4, 30, noisy=True)
    source.dense = [(m, p) if len(p) < 3 else (unitary(rng, 4), p[:2]) for m, p in source.dense]
    params = rng.normal(size=(20, 3))
    first = run(source.program(), params, shots=200, exact=exact)
    assert_array_equal(run(source.program(), params, shots=200, exact=exact, threads=2), first)


def test_wide_states_have_the_values_that_batches_have():
    """Gathered parts of a state of 16 qubits, against the same circuit on fewer, twice."""
    rng = np.random.default_rng(8)
    small = random_source(rng, 4, 40, noisy=False)
    wide = Source(16, 3)
    wide.angles, wide.matrices = small.angles, small.matrices
    for shift in (0, 5, 12):  # the same circuit three times on other qubits
        places = [(shift + 3 * qubit) % 16 if shift == 5 else shift + qubit for qubit in range(4)]
        if shift == 5:
            places = [4, 7, 9, 11]
        for code, a, b, argument in small.lines:
            if code == DENSE:
                matrix, own = small.dense[argument]
                wide.dense.append((matrix, [places[q] for q in own]))
                wide.add(DENSE, -1, -1, len(wide.dense) - 1)
            else:
                wide.add(code, places[a], places[b] if b >= 0 else -1, argument)
    row = rng.normal(size=(1, 3))
    expected = small.distribution(row[0])
    for how in ({}, {"wide": True}, {"wide": True, "single": True}):
        words = run(wide.program(), row, shots=20000, **how).ravel()
        for places in ([0, 1, 2, 3], [4, 7, 9, 11], [12, 13, 14, 15]):
            own = sum((words >> np.uint64(p) & np.uint64(1)) << np.uint64(k) for k, p in enumerate(places))
            assert p_value(own, expected) > UNLIKELY


def test_feedback_and_measurements_inside_a_circuit():
    """Measured in the middle, kept in bits beyond the 64th, and acted on as it was read."""
    source = Source(2)
    source.num_clbits, source.readout = 101, np.zeros((101, 2))
    source.readout[0] = 0.25, 0.0
    source.finals = [(1, 100)]
    for bit in range(99):
        source.add(RY, 0, -1, source.angle(np.pi / 2))
        source.add(MEASURE, 0, bit + 1)
    source.add(RESET, 0)
    source.add(MEASURE, 0, 0)
    source.conditions = [([0], [1]), ([70, 71], [0, 3])]
    source.matrices = [np.array([[0, 1], [1, 0]])]
    source.add(BRANCH, -1, -1, 0)
    source.add(MATRIX, 1, -1, 0)
    source.add(OTHERWISE)
    source.add(BRANCH, -1, -1, 1)
    source.add(CX, 0, 1)
    source.add(OTHERWISE)
    source.add(END)
    source.add(END)
    words = run(source.program(), np.zeros((1, 0)), shots=8000)
    assert words.shape == (8000, 2)
    bits = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")[:, :101]
    assert_array_equal(bits[:, 100], bits[:, 0])  # as it was read
    assert abs(bits[:, 0].mean() - 0.25) < 0.03
    # a quarter turn from 0 or 1: every bit a fair coin
    assert abs(bits[:, 1:100].mean() - 0.5) < 0.01
    assert np.abs(bits[:, 1:100].mean(axis=0) - 0.5).max() < 0.04


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("value", [0, 1])
def test_branches_on_bits_that_nobody_has_written(noisy, value):
    """Such bits are 0; there is no measurement, so all shots could share a state up to the branch."""
    source = Source(2)
    source.conditions.append(([1], [value]))
    source.matrices.append(PAULIS[1])
    source.add(BRANCH, -1, -1, 0)
    source.add(MATRIX, 0, -1, 0)
    if noisy:
        source.add(PAULI1, 0, -1, source.channel([0.5, 0.5, 0, 0]))
    source.add(OTHERWISE)
    source.add(MATRIX, 1, -1, 0)
    source.add(END)
    shots = run(source.program(), np.zeros((1, 0)), shots=2000).ravel()
    if value == 1:
        assert_array_equal(shots, 2)
    elif noisy:
        assert p_value(shots, np.array([0.5, 0.5, 0, 0])) > UNLIKELY
    else:
        assert_array_equal(shots, 1)


def test_noise_that_leaves_nothing_of_two_qubits():
    """Merged with a permutation of Pauli strings, it scales all of them but the identity by 0."""
    source = Source(2)
    source.matrices.append(PAULIS[1])
    for qubit in range(2):
        source.add(MATRIX, qubit, -1, 0)
    source.add(CZ, 0, 1)
    source.add(PAULI2, 0, 1, source.channel(np.full(16, 1 / 16)))
    for exact in (False, True):
        shots = run(source.program(), np.zeros((2, 0)), shots=4000, exact=exact)
        assert p_value(shots, np.full(4, 0.25)) > UNLIKELY


def test_branches_act_on_their_own_lanes_only():
    for code in (CZ, CX, RZZ, DENSE):
        source = Source(3)
        source.num_clbits, source.readout = 4, np.zeros((4, 2))
        source.matrices = [np.array([[1, 1], [1, -1]]) / np.sqrt(2)]
        source.dense = [(np.eye(4)[[0, 3, 2, 1]], [0, 1])]
        source.conditions = [([3], [1])]
        source.add(MATRIX, 2, -1, 0)
        source.add(MEASURE, 2, 3)
        source.add(RY, 0, -1, source.angle(np.pi))
        source.add(MATRIX, 1, -1, 0) if code in (CZ, RZZ) else None
        source.add(BRANCH, -1, -1, 0)
        angle = source.angle(np.pi)
        source.add(code, *((-1, -1) if code == DENSE else (0, 1)), {DENSE: 0, RZZ: angle}.get(code, -1))
        source.add(END)
        source.add(MATRIX, 1, -1, 0) if code in (CZ, RZZ) else None
        words = run(source.program(), np.zeros((1, 0)), shots=2000).ravel().astype(int)
        taken, flipped = words >> 3 & 1, words >> 1 & 1
        assert_array_equal(flipped, taken)
        assert 800 < taken.sum() < 1200


def test_work_stops_when_it_is_told_to():
    source = wide_source(np.random.default_rng(1), 20)
    stop, ended = native().Stop(), []

    def work() -> None:
        number = np.arange(1)
        with pytest.raises(InterruptedError):
            source.program().run(
                np.zeros((1, 3)), number, number, np.full(1, 10**6), 1, 1, False, True, False, 4e9, stop
            )
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    stop.set()
    thread.join(60)
    assert ended


@pytest.mark.parametrize(
    "line",
    [
        (99, 0, 0, 0), (-1, 0, 0, 0), (RZ, 5, -1, 0), (RZ, 0, -1, 7), (RZ, -1, -1, 0), (CZ, 0, 0, -1),
        (CZ, 0, 9, -1), (CX, -3, 1, -1), (RZZ, 0, 1, 4), (DENSE, -1, -1, 0), (PAULI1, 0, -1, 0),
        (PAULI2, 0, 1, 0), (DAMP, 0, -1, 0), (MEASURE, 0, 8, -1), (BRANCH, -1, -1, 0), (END, -1, -1, -1),
        (OTHERWISE, -1, -1, -1), (MATRIX, 0, -1, 0),
    ],
)  # fmt: skip
def test_malformed_instructions_are_refused(line):
    source = Source(2, 1)
    source.angle(0.1)
    source.lines = [line]
    with pytest.raises(ValueError, match="kernel"):
        source.program()


@pytest.mark.parametrize("line", [(DENSE, 7, -1, 0), (DENSE, -5, 9, 0)])
def test_numbers_that_an_instruction_does_not_use_are_not_looked_at(line):
    source = Source(2)
    source.dense.append((PAULIS[1], [1]))
    source.lines = [line]
    for exact in (False, True):
        assert_array_equal(run(source.program(), np.zeros((1, 0)), shots=5, exact=exact).ravel(), [2] * 5)


def test_exact_states_refuse_feedback():
    source = Source(2)
    source.conditions.append(([0], [1]))
    source.lines = [(BRANCH, -1, -1, 0), (END, -1, -1, -1)]
    with pytest.raises(ValueError, match="trajectories"):
        run(source.program(), np.zeros((1, 0)), exact=True)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_angles_that_are_no_numbers_are_refused(number):
    source = Source(1, 1)
    source.add(RX, 0, -1, source.angle(0.0, (0, 1.0)))
    with pytest.raises(ValueError, match="finite"):
        run(source.program(), np.full((1, 1), number))
    source.angles[0] = (number, [])
    with pytest.raises(ValueError, match="finite"):
        source.program()


def test_more_shots_than_can_be_counted_are_refused():
    source, number = Source(1), np.arange(3)
    with pytest.raises(ValueError, match="too many"):
        source.program().run(
            np.zeros((1, 0)), number * 0, number, np.full(3, 2**63 - 1), 1, 1, False, False, False, 1e9,
            native().Stop(),
        )  # fmt: skip


def test_malformed_requests_are_refused():
    source = Source(2, 2)
    program, one = source.program(), np.zeros(1, dtype=np.int64)
    stop = native().Stop()
    good = [np.zeros((1, 2)), one, one, one + 5, 1, 1, False, False, False, 1e9, stop]
    assert program.run(*good).shape == (5, 1)
    for place, wrong in (
        (0, np.zeros((1, 3))),
        (1, one + 1),
        (1, one - 1),
        (2, one + 9),
        (3, one - 1),
        (2, one[:0]),
    ):
        with pytest.raises(ValueError, match="kernel"):
            program.run(*(wrong if index == place else value for index, value in enumerate(good)))
    with pytest.raises(ValueError, match="12 qubits"):
        program.run(*(True if index == 7 else value for index, value in enumerate(good)))


def test_bits_are_placed_where_they_are_told():
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, (50, 100)).astype(bool)
    padded = np.pad(bits, ((0, 0), (0, 28)))
    words = np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)
    moves = np.stack([np.arange(100), rng.permutation(160)[:100]], axis=1).astype(np.int32)
    rows = np.zeros((50, 20), dtype=np.uint8)
    native().place_bits(np.ascontiguousarray(words), moves, rows)
    shown = np.unpackbits(rows, axis=-1, bitorder="little").astype(bool)
    assert_array_equal(shown[:, moves[:, 1]], bits)
    assert shown.sum() == bits.sum()


def test_odd_parities_are_counted():
    rng = np.random.default_rng(2)
    words, masks = (
        rng.integers(0, 2**63, (3, 40, 2), dtype=np.uint64),
        rng.integers(0, 2**63, (7, 2), dtype=np.uint64),
    )
    expected = (np.bitwise_count(words[:, None] & masks[None, :, None]).sum(axis=-1) % 2).sum(axis=-1)
    assert_array_equal(native().count_odd(words, masks), expected)
