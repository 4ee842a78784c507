"""Parts simulated each by itself show together what the whole circuit shows."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter, QuantumRegister
from qiskit.quantum_info import DensityMatrix, Operator
from scipy.stats import chi2

from coldplate.backends.catalog import load
from coldplate.circuits.components import components
from coldplate.circuits.isa import check_isa
from coldplate.circuits.program import Item, Program, unpack_bits

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOTS = 10_000
UNLIKELY = 1e-4
SIMULATOR = load("sim_statevector")


def run(backend, circuit, values=None, *, shots=SHOTS, seed=11, **how):
    table = np.zeros((1, 0)) if values is None else np.asarray(values, dtype=float)
    program = Program((Item(circuit, table, shots),), START, **how)
    return backend.run(program, np.random.default_rng(seed)).items[0]


def bits_of(circuit, outcome) -> np.ndarray:
    """Bits of every shot, registers one after another; shape ``(num_elements, shots, num_clbits)``."""
    parts = [unpack_bits(outcome.bits[one.name], len(one)) for one in circuit.cregs]
    return np.concatenate(parts, axis=-1)


def exactly(circuit: QuantumCircuit) -> np.ndarray:
    """Probabilities of all bits, by following every branch that a measurement opens.

    Written without the code under test and without Aer: unnormalised density matrices by classical bits.
    """
    ground = np.zeros((2**circuit.num_qubits, 2**circuit.num_qubits), dtype=complex)
    ground[0, 0] = 1
    places = {wire: index for wires in (circuit.qubits, circuit.clbits) for index, wire in enumerate(wires)}
    found = np.zeros(2**circuit.num_clbits)
    for key, state in follow({(0,) * circuit.num_clbits: ground}, circuit, places).items():
        found[sum(value << index for index, value in enumerate(key))] += np.trace(state).real
    return found


def follow(branches, circuit, places):
    """Density matrices by bits, after a circuit."""
    for one in circuit.data:
        fresh = defaultdict(lambda: 0j)
        for key, state in branches.items():
            for end, after in step(one, key, state, places).items():
                fresh[end] = fresh[end] + after
        branches = {key: state for key, state in fresh.items() if np.trace(state).real > 1e-12}
    return branches


def step(one, key, state, places):
    """The same after one instruction, from one branch."""
    qubits, name, density = [places[qubit] for qubit in one.qubits], one.operation.name, DensityMatrix(state)
    if name == "measure":
        at = places[one.clbits[0]]
        return {
            (*key[:at], value, *key[at + 1 :]): density.evolve(
                Operator(np.diag([1 - value, value])), qubits
            ).data
            for value in (0, 1)
        }
    if name == "if_else":
        bit, wanted = one.operation.condition
        blocks = [*one.operation.blocks, None]
        block = blocks[0 if key[places[bit]] == wanted else 1]
        if block is None:
            return {key: state}
        inner = {a: places[b] for a, b in zip(block.qubits, one.qubits, strict=True)}
        inner |= {a: places[b] for a, b in zip(block.clbits, one.clbits, strict=True)}
        return follow({key: state}, block, inner)
    if name == "barrier":
        return {key: state}
    done = density.reset(qubits) if name == "reset" else density.evolve(one.operation, qubits)
    return {key: done.data}


def p_value(bits: np.ndarray, probabilities: np.ndarray) -> float:
    """Of frequencies that come from probabilities; 0 where something impossible was seen."""
    numbers = bits @ (1 << np.arange(bits.shape[-1]))
    counts, expected = np.bincount(numbers, minlength=len(probabilities)), probabilities * len(numbers)
    if counts[probabilities < 1e-9].any():
        return 0.0
    often = expected > 5
    groups = [*zip(counts[often], expected[often], strict=True)]
    if expected[~often].sum() > 1:
        groups.append((counts[~often].sum(), expected[~often].sum()))
    statistic = sum((one - two) ** 2 / two for one, two in groups)
    return float(chi2.sf(statistic, max(len(groups) - 1, 1)))


def pairs_and_feedback(rng) -> QuantumCircuit:
    """Of 7 qubits: 0, 1, 2 with feedback, 3, 4 with a measurement and a reset, 5 alone, 6 idle."""
    circuit = QuantumCircuit(QuantumRegister(7), ClassicalRegister(3, "a"), ClassicalRegister(4, "b"))
    turns = iter(rng.uniform(0.4, 2.7, 20))
    order = rng.permutation(3)
    circuit.ry(next(turns), 0)
    circuit.cx(0, 1)
    circuit.measure(1, int(order[0]))
    with circuit.if_test((int(order[0]), 1)) as otherwise:
        circuit.ry(next(turns), 2)
        circuit.cx(2, 0)
    with otherwise:
        circuit.ry(next(turns), 1)
    circuit.barrier()
    circuit.ry(next(turns), 3)
    circuit.cx(3, 4)
    circuit.measure(4, int(order[1]))
    circuit.reset(3)
    circuit.ry(next(turns), 4)
    circuit.crx(next(turns), 4, 3)
    circuit.rx(next(turns), 5)
    circuit.measure([0, 2, 3, 5], [3, 4, 5, 6])
    return circuit


def measured_again(rng) -> QuantumCircuit:
    """One bit is written by two qubits, one qubit is measured into two bits; the last one counts."""
    circuit = QuantumCircuit(4, 4)
    for qubit in range(4):
        circuit.ry(rng.uniform(0.4, 2.7), qubit)
    circuit.measure(0, 0)
    circuit.cx(1, 2)
    circuit.measure(1, 0)
    circuit.measure(2, 1)
    circuit.measure(2, 2)
    circuit.ry(rng.uniform(0.4, 2.7), 2)
    circuit.measure(2, 1)
    return circuit


def reset_in_between(rng) -> QuantumCircuit:
    """Resets of entangled qubits, one that comes first, one after the measurement."""
    circuit = QuantumCircuit(4, 4)
    circuit.reset(0)
    circuit.ry(rng.uniform(0.4, 2.7), 0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.cry(rng.uniform(0.4, 2.7), 1, 0)
    circuit.ry(rng.uniform(0.4, 2.7), 3)
    circuit.measure([1, 0, 3], [0, 3, 1])
    circuit.reset(3)
    return circuit


def nested_branches(rng) -> QuantumCircuit:
    """A branch that measures, and a branch on what it measured; another pair knows nothing of it."""
    circuit = QuantumCircuit(5, 4)
    circuit.ry(rng.uniform(0.4, 2.7), 0)
    circuit.ry(rng.uniform(0.4, 2.7), 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.measure(1, 1)
        with circuit.if_test((1, 0)):
            circuit.x(0)
    circuit.h(3)
    circuit.cx(3, 4)
    circuit.measure([0, 3, 4], [2, 3, 0] if rng.random() < 0.5 else [2, 3, 1])
    return circuit


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("build", [pairs_and_feedback, measured_again, reset_in_between, nested_branches])
def test_outcomes_of_the_parts_are_those_of_the_whole(build, seed):
    circuit = build(np.random.default_rng(seed))
    bits = bits_of(circuit, run(SIMULATOR, circuit, seed=seed))[0]
    assert p_value(bits, exactly(circuit)) > UNLIKELY


def test_idle_qubits_are_in_no_part():
    circuit = pairs_and_feedback(np.random.default_rng(1))
    assert [one.qubits for one in components(circuit)] == [(0, 1, 2), (3, 4), (5,)]


@pytest.mark.parametrize("seed", [1, 2])
def test_elements_with_feedback_have_each_their_own_outcomes(seed):
    """Also equal elements, which are run as one: their shots are different."""
    first, second = Parameter("first"), Parameter("second")
    circuit = QuantumCircuit(3, 3)
    circuit.ry(first * second, 0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.ry(second, 1)
    circuit.rx(second / 2, 2)
    circuit.measure([1, 2], [1, 2])
    values = np.array([[0.5, 1.5], [2.0, 0.7], [0.5, 1.5]])
    bits = bits_of(circuit, run(SIMULATOR, circuit, values, seed=seed))
    for one, value in zip(bits, values, strict=True):
        assert p_value(one, exactly(circuit.assign_parameters(list(value)))) > UNLIKELY
    assert (bits[0] != bits[2]).any()


def test_shape_of_the_elements_is_that_of_the_bits():
    angle = Parameter("t")
    circuit = QuantumCircuit(2)
    circuit.rx(angle, [0, 1])
    circuit.measure_all()
    values = np.array([[[0.0], [np.pi], [0.0]], [[np.pi], [np.pi], [0.0]]])
    outcome = run(SIMULATOR, circuit, values, shots=5)
    assert outcome.bits["meas"].shape == (2, 3, 5, 1)
    assert (outcome.bits["meas"][..., 0] == 3 * (values > 1)).all()


@pytest.mark.parametrize("shape", [(0,), (2, 0), (3, 0, 2)])
def test_no_elements_give_empty_registers(shape):
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("t"), 0)
    circuit.cx(0, 1)
    circuit.measure_all()
    assert run(SIMULATOR, circuit, np.zeros((*shape, 1)), shots=4).bits["meas"].shape == (*shape, 4, 1)


# --- independence --------------------------------------------------------------------------------------


def lone_and_joined(angle: Parameter) -> QuantumCircuit:
    """Components on every method an ideal simulator uses, some alike."""
    circuit = QuantumCircuit(12, 12)
    circuit.ry(angle, range(12))
    for qubit in (0, 2):  # NumPy
        circuit.cx(qubit, qubit + 1)
    for qubit in (6, 7):  # Aer, a measurement in the middle
        circuit.measure(qubit, qubit)
        circuit.ry(angle, qubit)
    for qubit in (8, 10):  # Aer, feedback
        circuit.measure(qubit, qubit)
        with circuit.if_test((qubit, 1)):
            circuit.h(qubit + 1)
    circuit.measure([0, 2, 4, 5, 6, 7, 9, 11], [0, 2, 4, 5, 6, 7, 9, 11])
    return circuit


INDEPENDENT = [0, 2, 4, 5, 6, 7, 8, 10]


@pytest.mark.parametrize("name", ["sim_statevector", "sim_mps"])
def test_bits_of_different_parts_and_elements_are_independent(name):
    circuit = lone_and_joined(Parameter("t"))
    bits = bits_of(circuit, run(load(name), circuit, [[1.4], [1.4]], shots=6000))
    columns = np.concatenate([one[:, INDEPENDENT] for one in bits], axis=1).astype(float)
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / np.sqrt(6000)


@pytest.mark.parametrize("name", ["sim_statevector", "sim_stabilizer", "emu_heron_r1", "clifford_eagle127"])
def test_shots_follow_one_another_without_memory(name):
    """Aer gives counts: shots in the order of the outcomes would tell of the next."""
    backend = load(name)
    circuit = QuantumCircuit(3, 3)
    circuit.sx([0, 1, 2])
    circuit.measure(1, 1)
    circuit.sx(1)
    circuit.measure([0, 1, 2], [0, 1, 2])
    bits = bits_of(circuit, run(backend, circuit, shots=20_000))[0].astype(float)
    for first, second in itertools.product(range(3), repeat=2):
        assert abs(np.corrcoef(bits[:-1, first], bits[1:, second])[0, 1]) < 5 / np.sqrt(20_000)


# --- many qubits ---------------------------------------------------------------------------------------


def test_wide_device_with_few_active_qubits_is_run_by_its_active_part():
    """12 of 156 qubits interact, all others are only rotated and measured."""
    backend, angle = load("emu_heron_r2"), Parameter("t")
    circuit = QuantumCircuit(156)
    active = connected(backend.device.places["cz"], 12)
    for qubit in range(156):
        circuit.sx(qubit)
        circuit.rz(angle, qubit)
        circuit.sx(qubit)
    for pair in active:
        circuit.cz(*pair)
    circuit.measure_all()
    check_isa(circuit, backend.target, simulator=False)
    outcome = run(backend, circuit, [[np.pi], [0.3]], shots=200)
    widths = sorted((one["qubits"], one["number"]) for one in outcome.metadata["components"])
    assert widths == [(1, 144), (12, 1)]
    ones = bits_of(circuit, outcome).mean(axis=1)
    assert np.median(ones[0]) < 0.05
    assert np.median(ones[1]) > 0.8


def connected(pairs, size: int) -> list[tuple[int, int]]:
    """Pairs that join some qubits."""
    qubits, found = {pairs[0][0]}, []
    while len(qubits) < size:
        pair = next(pair for pair in sorted(pairs) if len(qubits & set(pair)) == 1)
        qubits |= set(pair)
        found.append(pair)
    return found
