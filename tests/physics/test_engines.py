"""Whatever runs a circuit, its bits have one law: every method, and Aer with the noise of devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, QuantumRegister
from qiskit.quantum_info import Statevector
from scipy.stats import chi2, chi2_contingency

from coldplate.backends import array_data, kernel_runs, running, table
from coldplate.backends.catalog import load
from coldplate.circuits.program import Item, Outcomes, Program, unpack_bits

START = datetime(2026, 1, 1, tzinfo=UTC)
UNLIKELY = 1e-6  # some hundred comparisons
ANGLED = {"rx": 1, "ry": 1, "rz": 1, "rzz": 2, "cp": 2, "rxx": 2, "cu": 2, "u": 1}
ANGLES = {"cu": 4, "u": 3}
FIXED = {
    **dict.fromkeys(["h", "x", "y", "s", "sdg", "sx"], 1),
    **dict.fromkeys(["cx", "cz", "swap", "ecr", "iswap", "cy"], 2),
}
OTHERS = {**dict.fromkeys(["t", "sxdg"], 1), "ccx": 3, "cswap": 3}
DEVICES = ("emu_eagle", "emu_heron_r1", "emu_heron_r2")


@contextmanager
def no_kernel() -> Iterator[None]:
    """As where it could not be built."""
    with mock.patch.multiple(running, native=lambda: None), mock.patch.multiple(table, native=lambda: None):
        with mock.patch.multiple(kernel_runs, native=lambda: None):
            with mock.patch.multiple(array_data, native=lambda: None):
                yield


def run(backend, circuit: QuantumCircuit, *, shots: int, seed: int = 5, **how) -> Outcomes:
    item = Item(circuit, np.zeros((1, 0)), shots)
    return backend.run(Program((item,), START, **how), np.random.default_rng(seed))


def numbers(circuit: QuantumCircuit, outcomes: Outcomes) -> np.ndarray:
    """All bits of every shot as one number, the first register lowest."""
    parts = [unpack_bits(outcomes.items[0].bits[one.name], len(one)) for one in circuit.cregs]
    bits = np.concatenate(parts, axis=-1).reshape(-1, circuit.num_clbits)
    return (bits * (1 << np.arange(bits.shape[-1]))).sum(axis=-1)


def fits(shown: np.ndarray, probabilities: np.ndarray) -> bool:
    """Whether shots come from a distribution (chi-square, rare outcomes together)."""
    counts, wanted = np.bincount(shown, minlength=len(probabilities)), probabilities * len(shown)
    if counts[wanted < 1e-6].any():
        return False
    seen = wanted > 5
    cells = [*zip(counts[seen], wanted[seen], strict=True), (counts[~seen].sum(), wanted[~seen].sum())]
    cells = [(count, expected) for count, expected in cells if expected > 1e-6]
    statistic = sum((count - expected) ** 2 / expected for count, expected in cells)
    return len(cells) < 2 or bool(chi2.sf(statistic, len(cells) - 1) > UNLIKELY)


def agree(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two samples come from one distribution (chi-square of a contingency table)."""
    size = max(first.max(), second.max()) + 1
    counts = np.stack([np.bincount(one, minlength=size) for one in (first, second)])
    rare = counts.sum(axis=0) < 20
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    return counts.shape[1] < 2 or bool(chi2_contingency(counts).pvalue > UNLIKELY)


def random_gates(rng: np.random.Generator, num_qubits: int, length: int, *, clifford: bool) -> QuantumCircuit:
    gates = FIXED if clifford else FIXED | ANGLED | OTHERS
    circuit = QuantumCircuit(num_qubits)
    for _ in range(length):
        name = str(rng.choice([name for name, width in gates.items() if width <= num_qubits]))
        angles = rng.uniform(-7, 7, ANGLES.get(name, 1)) if name in ANGLED else ()
        getattr(circuit, name)(*angles, *rng.permutation(num_qubits)[: gates[name]].tolist())
    return circuit


def every_method_agrees(seed: int, num_qubits: int, length: int, *, clifford: bool) -> None:
    rng, shots = np.random.default_rng(seed), 3000
    circuit = random_gates(rng, num_qubits, length, clifford=clifford)
    expected = Statevector(circuit).probabilities()
    circuit.measure_all()
    backend = load("sim_statevector")
    methods = [None, "statevector", "density_matrix", "matrix_product_state", "aer"]
    for method in [*methods, "stabilizer"] if clifford else methods:
        shown = numbers(circuit, run(backend, circuit, shots=shots, seed=seed, method=method))
        assert fits(shown, expected), (method, seed)
    with no_kernel():
        for method in (None, "density_matrix"):
            shown = numbers(circuit, run(backend, circuit, shots=shots, seed=seed, method=method))
            assert fits(shown, expected), ("no kernel", method, seed)


EXAMPLES = given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 40), st.booleans())
FUZZ = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "derandomize": True}


@EXAMPLES
@settings(max_examples=8, **FUZZ)
def test_random_circuits_show_the_same_by_every_method(seed, num_qubits, length, clifford):
    every_method_agrees(seed, num_qubits, length, clifford=clifford)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@EXAMPLES
@settings(max_examples=200, **FUZZ)
def test_many_random_circuits_show_the_same_by_every_method(seed, num_qubits, length, clifford):
    every_method_agrees(seed, num_qubits, length, clifford=clifford)


def test_reset_and_gates_on_three_qubits():
    """Resets are exact noise, cheaper by a density matrix, if the gate could be done by one."""
    circuit = QuantumCircuit(3)
    circuit.h([0, 1])
    circuit.ccx(0, 1, 2)
    circuit.reset(0)
    circuit.measure_all()
    expected = np.array([0.5, 0, 0.25, 0, 0, 0, 0.25, 0])
    for method in (None, "density_matrix", "aer"):
        outcomes = run(load("sim_statevector"), circuit, shots=5000, method=method)
        assert fits(numbers(circuit, outcomes), expected), method


@pytest.mark.parametrize("num_qubits", [13, 14, 16])
def test_large_states_have_the_distribution_of_the_state_vector(num_qubits):
    """In single precision, one state at a time."""
    rng = np.random.default_rng(num_qubits)
    circuit = random_gates(rng, num_qubits, 150, clifford=False)
    state = Statevector(circuit)
    circuit.measure_all()
    shown = numbers(circuit, run(load("sim_statevector"), circuit, shots=20_000))
    for part in (range(5), range(num_qubits - 5, num_qubits)):
        own = shown >> part[0] & 31
        assert fits(own, state.probabilities(list(part)))


# --- devices -------------------------------------------------------------------------------------


def on_device(device, seed: int, num_qubits: int = 4) -> QuantumCircuit:
    """Native gates on a chain of a device, with measurements inside, reset, delays and feedback."""
    rng, target = np.random.default_rng(seed), device.target
    pair = next(name for name in ("cz", "ecr") if name in target.operation_names)
    edges = list(target[pair])
    chain = list(edges[int(rng.integers(len(edges)))])
    while len(chain) < num_qubits:  # from either end
        near = [(b if a in chain else a) for a, b in edges if (a in chain) != (b in chain)]
        chain.append(int(rng.choice(near)))
    circuit = QuantumCircuit(QuantumRegister(target.num_qubits, "q"), ClassicalRegister(2, "inner"))
    inside = [edge for edge in edges if set(edge) <= set(chain)]
    for _ in range(25):
        qubit, bit = int(rng.choice(chain)), int(rng.integers(2))
        kind = rng.choice(["rz", "sx", "x", "pair", "pair", "delay", "measure", "reset", "if"])
        if kind == "pair":
            getattr(circuit, pair)(*inside[int(rng.integers(len(inside)))])
        elif kind == "rz":
            circuit.rz(rng.uniform(-3, 3), qubit)
        elif kind == "delay":
            circuit.delay(int(rng.integers(1, 200)) * 64, qubit, unit="dt")
        elif kind == "measure":
            circuit.measure(qubit, bit)
        elif kind == "if":
            with circuit.if_test((circuit.clbits[bit], int(rng.integers(2)))) as otherwise:
                circuit.x(qubit)
            with otherwise:
                circuit.sx(qubit)
        else:
            getattr(circuit, kind)(qubit)
    last = ClassicalRegister(num_qubits, "last")
    circuit.add_register(last)
    circuit.measure(chain, last)
    return circuit


def device_agrees_with_aer(name: str, seed: int, shots: int) -> None:
    device = load(name)
    circuit = on_device(device, seed)
    ours, aers = (
        numbers(circuit, run(device, circuit, shots=shots, seed=seed, method=method))
        for method in (None, "aer")
    )
    assert agree(ours, aers), (name, seed)


@pytest.mark.parametrize("name", DEVICES)
def test_noisy_circuits_with_feedback_agree_with_aer(name):
    device_agrees_with_aer(name, 99, 4000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", DEVICES)
def test_many_noisy_circuits_with_feedback_agree_with_aer(name, seed):
    device_agrees_with_aer(name, seed, 20_000)
