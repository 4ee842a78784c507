"""What emulated devices and simulators show is what quantum mechanics and the calibration say."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumRegister
from qiskit.circuit.classical import expr, types
from qiskit.quantum_info import Statevector, random_unitary
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_aer.noise.device import basic_device_gate_errors
from scipy.stats import chi2, chi2_contingency

from coldplate.backends.catalog import load
from coldplate.backends.emulator import Emulator
from coldplate.backends.readout import GOLDEN
from coldplate.circuits.program import Item, Outcomes, Program, unpack_bits
from coldplate.errors import BadInput, LimitExceeded, NotIsa, TooWide

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOTS = 20_000
UNLIKELY = 1e-4


def run(backend, circuit, values=None, *, shots=SHOTS, seed=7, **how) -> Outcomes:
    table = np.zeros((1, 0)) if values is None else np.asarray(values, dtype=float)
    item = Item(circuit, table, shots)
    return backend.run(Program((item,), START, **how), np.random.default_rng(seed))


def outcomes_of(circuit, outcomes) -> np.ndarray:
    """All bits of every shot as one number, first register lowest; shape ``(num_elements, shots)``."""
    parts = [unpack_bits(outcomes.items[0].bits[one.name], len(one)) for one in circuit.cregs]
    bits = np.concatenate(parts, axis=-1)
    return (bits * (1 << np.arange(bits.shape[-1]))).sum(axis=-1)


def methods_of(outcomes) -> set[str]:
    return {one["method"] for one in outcomes.items[0].metadata["components"]}


def fits(numbers, probabilities) -> bool:
    """Whether frequencies agree with probabilities (chi-square over outcomes that should be seen)."""
    counts = np.bincount(numbers, minlength=len(probabilities))
    expected = np.asarray(probabilities) * len(numbers)
    seen = expected > 5
    if counts[expected < 1e-6].any():
        return False
    rest = counts[~seen].sum() - expected[~seen].sum()
    statistic = ((counts - expected)[seen] ** 2 / expected[seen]).sum()
    statistic += rest**2 / max(expected[~seen].sum(), 1)
    return bool(chi2.sf(statistic, max(int(seen.sum()) - 1, 1)) > UNLIKELY)


def agree(first, second) -> bool:
    """Whether two samples come from one distribution."""
    table = np.stack(
        [np.bincount(one, minlength=max(first.max(), second.max()) + 1) for one in (first, second)]
    )
    table = table[:, table.sum(axis=0) > 10]
    return bool(chi2_contingency(table).pvalue > UNLIKELY)


def random_circuit(num_qubits: int, seed: int, *, clifford: bool = False) -> QuantumCircuit:
    """Layers of one-qubit gates with a parameter, and of two-qubit gates; all measured."""
    rng = np.random.default_rng(seed)
    circuit, angle = QuantumCircuit(num_qubits), Parameter("t")
    for layer in range(3):
        for qubit in range(num_qubits):
            if clifford:
                getattr(circuit, rng.choice(["h", "s", "sx", "x", "sdg"]))(qubit)
            else:
                circuit.u(*rng.uniform(-3, 3, 3), qubit)
                circuit.rx(angle * rng.uniform(0.5, 2), qubit)
        order = rng.permutation(num_qubits)
        for first, second in zip(order[::2], order[1::2], strict=False):
            getattr(circuit, rng.choice(["cx", "cz", "ecr", "swap"]))(int(first), int(second))
        if not clifford and layer == 1:
            circuit.append(random_unitary(4, seed=seed).to_instruction(), [0, 1])
    circuit.measure_all()
    return circuit


def exact(circuit: QuantumCircuit, values=()) -> np.ndarray:
    bound = circuit.assign_parameters(list(values)).remove_final_measurements(inplace=False)
    return Statevector(bound).probabilities()


# --- every method ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "forced", "method"),
    [
        ("sim_statevector", None, "statevector"),
        ("sim_statevector", "density_matrix", "pauli_transfer"),
        ("sim_statevector", "matrix_product_state", "aer_matrix_product_state"),
        ("sim_mps", None, "statevector"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_frequencies_are_the_probabilities(name, forced, method, seed):
    circuit = random_circuit(4, seed)
    values = np.array([[0.3], [-1.2], [0.3]])
    outcomes = run(load(name), circuit, values, method=forced)
    assert methods_of(outcomes) == {method}
    for numbers, value in zip(outcomes_of(circuit, outcomes), values, strict=True):
        assert fits(numbers, exact(circuit, value))


@pytest.mark.parametrize(("num_qubits", "method"), [(13, "statevector"), (14, "statevector")])
def test_wider_components_agree_on_their_marginals(num_qubits, method):
    circuit = random_circuit(num_qubits, 3)
    narrow = ClassicalRegister(3, "few")
    body = circuit.remove_final_measurements(inplace=False)
    body.add_register(narrow)
    body.measure([0, 5, num_qubits - 1], narrow)
    outcomes = run(load("sim_statevector"), body, [[0.4], [2.0]])
    assert methods_of(outcomes) == {method}
    for numbers, value in zip(outcomes_of(body, outcomes), (0.4, 2.0), strict=True):
        bound = body.assign_parameters([value]).remove_final_measurements(inplace=False)
        assert fits(numbers, Statevector(bound).probabilities([0, 5, num_qubits - 1]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clifford_circuits_on_stim(seed):
    circuit = random_circuit(5, seed, clifford=True)
    outcomes = run(load("sim_stabilizer"), circuit)
    assert "stim" in methods_of(outcomes)
    assert fits(outcomes_of(circuit, outcomes)[0], exact(circuit))


def frames_circuit() -> QuantumCircuit:
    """An rz with a parameter wherever one can be, also around a measurement and a reset in the middle."""
    circuit = QuantumCircuit(4, 6)
    angles = iter(ParameterVector("t", 40))
    for layer in range(4):
        for qubit in range(4):
            circuit.rz(next(angles), qubit)
            circuit.sx(qubit)
            circuit.rz(next(angles), qubit)
        for first, second in ((0, 1), (2, 3)) if layer % 2 else ((1, 2), (3, 0)):
            circuit.ecr(first, second)
        if layer == 1:
            circuit.measure(2, 4)
            circuit.reset(3)
            circuit.measure(0, 5)
    circuit.measure(range(4), range(4))
    return circuit


@pytest.mark.parametrize("seed", range(3))
def test_circuits_that_differ_by_half_turns_are_sampled_as_one(seed):
    """A shared sample with flips shows, element by element, what each element's own circuit shows."""
    circuit, rng = frames_circuit(), np.random.default_rng(seed)
    base = rng.integers(0, 4, (1, 32))
    values = (base + 2 * rng.integers(0, 2, (12, 32))) * (np.pi / 2)
    together = outcomes_of(circuit, run(load("sim_stabilizer"), circuit, values, shots=3000))
    for numbers, row in zip(together, values, strict=True):
        alone = outcomes_of(circuit, run(load("sim_statevector"), circuit, [row], shots=3000))[0]
        assert agree(numbers, alone)


def test_rotation_that_is_not_clifford_is_refused_by_name():
    circuit = QuantumCircuit(2)
    circuit.rz(0.3, 0)
    circuit.cz(0, 1)
    circuit.measure_all()
    with pytest.raises(NotIsa, match=r"rz\(0\.3\) is not a Clifford gate"):
        run(load("clifford_eagle127"), circuit)


def test_ghz_state_of_127_qubits_on_the_clifford_device():
    backend = load("clifford_eagle127")
    circuit = QuantumCircuit(127)
    pairs = {tuple(sorted(pair)) for pair in backend.device.places["ecr"]}
    reached, order = {0}, []
    while len(reached) < 127:
        first, second = next(p for p in sorted(pairs) if len(reached & set(p)) == 1)
        order.append((first, second) if first in reached else (second, first))
        reached |= {first, second}
    circuit.h(0)
    for control, target in order:
        circuit.cx(control, target)
    circuit.measure_all()
    quiet = Emulator("quiet", backend.target, device=backend.device, method="stabilizer")
    bits = unpack_bits(run(quiet, circuit, shots=500).items[0].bits["meas"], 127)[0]
    assert (bits == bits[:, :1]).all()
    assert 150 < bits[:, 0].sum() < 350


# --- components ----------------------------------------------------------------------------------------


def with_everything() -> QuantumCircuit:
    """Two interacting pairs, a lone qubit, an idle one, feedback, a reset and a measurement in the middle."""
    circuit = QuantumCircuit(QuantumRegister(8), ClassicalRegister(3, "early"), ClassicalRegister(5, "late"))
    circuit.ry(1.1, 0)
    circuit.cx(0, 1)
    circuit.barrier()
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.ry(0.7, 1)
    circuit.ry(0.8, 3)
    circuit.cz(3, 4)
    circuit.reset(3)
    circuit.h(4)
    circuit.measure(4, 1)
    circuit.ry(0.5, 4)
    circuit.cx(4, 3)
    circuit.rx(0.9, 6)
    circuit.measure([1, 3, 4, 6], [3, 4, 5, 7])
    return circuit


def test_parts_together_are_the_whole():
    circuit = with_everything()
    ours = outcomes_of(circuit, run(load("sim_statevector"), circuit, shots=50_000))[0]
    counts = AerSimulator(seed_simulator=5).run(circuit, shots=50_000).result().get_counts()
    whole = [int(key.replace(" ", ""), 2) for key, number in counts.items() for _ in range(number)]
    assert agree(ours, np.array(whole))
    assert not (ours >> 6 & 1).any()  # nothing measures this bit
    assert not (ours >> 2 & 1).any()


def test_components_and_elements_are_independent():
    circuit, angle = QuantumCircuit(20, 20), Parameter("t")
    for qubit in range(0, 16, 2):  # pairs on NumPy, all alike
        circuit.ry(angle, qubit)
        circuit.cx(qubit, qubit + 1)
    for qubit in range(16, 20):  # lone ones that need Aer
        circuit.h(qubit)
        circuit.measure(qubit, qubit)
        circuit.h(qubit)
    circuit.measure(range(20), range(20))
    bits = unpack_bits(run(load("sim_statevector"), circuit, [[1.5], [1.5]]).items[0].bits["c"], 20)
    columns = np.concatenate([bits[0], bits[1]], axis=1)[
        :, [*range(0, 16, 2), *range(16, 36, 2), *range(36, 40)]
    ]
    correlations = np.corrcoef(columns.T.astype(float)) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / math.sqrt(SHOTS)


def test_device_of_156_qubits_that_are_all_rotated_and_measured():
    backend, angle = load("emu_heron_r2"), Parameter("t")
    circuit = QuantumCircuit(156)
    pair = backend.device.places["cz"][0]
    for qubit in range(156):
        circuit.sx(qubit)
        circuit.rz(angle, qubit)
        circuit.sx(qubit)
    circuit.cz(*pair)
    circuit.measure_all()
    outcomes = run(backend, circuit, [[math.pi], [0.0]], shots=2000)
    bits = unpack_bits(outcomes.items[0].bits["meas"], 156)
    lone = [qubit for qubit in range(156) if qubit not in pair]
    ones = bits.mean(axis=1)
    expected_low, expected_high = backend.noise.readout[:, 0], 1 - backend.noise.readout[:, 1]
    assert np.abs(ones[0] - expected_low)[lone].max() < 0.12
    assert np.median(np.abs(ones[1] - expected_high)[lone]) < 0.02


def test_too_wide_a_component_is_refused_by_its_qubits():
    circuit = QuantumCircuit(100)
    circuit.h(range(40))
    for qubit in range(39):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    with pytest.raises(TooWide, match=r"40 qubits \(0, 1, 2, 3, 4, 5, 6, 7, \.\.\.\) interact"):
        run(load("sim_mps"), circuit, method="statevector")


# --- noise ---------------------------------------------------------------------------------------------


def noisy_circuit(num_qubits: int) -> QuantumCircuit:
    """A chain of torino's qubits with delays and a reset, in its own gates."""
    circuit, angle = QuantumCircuit(num_qubits), Parameter("t")
    for _ in range(2):
        for qubit in range(num_qubits):
            circuit.sx(qubit)
            circuit.rz(angle, qubit)
            circuit.sx(qubit)
        for qubit in range(num_qubits - 1):
            circuit.cz(qubit, qubit + 1)
        circuit.delay(30, 1, unit="us")
    circuit.x(0)
    circuit.measure_all()
    return circuit


def by_aer(device, circuit: QuantumCircuit) -> np.ndarray:
    """Probabilities with gate errors as Aer builds them from the target, and readout errors."""
    model = NoiseModel()
    for name, qubits, error in basic_device_gate_errors(target=device.target):
        if max(qubits) < circuit.num_qubits and name in ("sx", "x", "cz"):
            model.add_quantum_error(error, name, qubits)
    body = circuit.remove_final_measurements(inplace=False)
    body.save_density_matrix()
    result = AerSimulator(method="density_matrix", noise_model=model).run(body).result()
    probabilities = result.data()["density_matrix"].probabilities()
    confusion = np.ones((1, 1))
    for one, zero in device.readout[: circuit.num_qubits]:
        confusion = np.kron([[1 - one, zero], [one, 1 - zero]], confusion)
    return confusion @ probabilities


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("num_qubits", "forced", "method"),
    [
        (3, None, "pauli_transfer"),
        (7, "density_matrix", "pauli_transfer"),
        (7, "statevector", "trajectories"),
        (3, "statevector", "trajectories"),
        (3, "aer", "aer_automatic"),
    ],
)
def test_emulated_device_has_the_noise_of_its_calibration(num_qubits, forced, method):
    backend = load("emu_heron_r1")
    circuit = noisy_circuit(num_qubits)
    circuit.data = [one for one in circuit.data if one.name != "delay"]
    outcomes = run(backend, circuit, [[0.8]], method=forced)
    assert methods_of(outcomes) == {method}
    numbers = outcomes_of(circuit, outcomes)[0]
    assert fits(numbers, by_aer(backend.device, circuit.assign_parameters([0.8])))
    ideal = exact(circuit, [0.8])
    assert not fits(numbers, ideal / ideal.sum())


@pytest.mark.parametrize("forced", [None, "statevector"])
def test_delay_relaxes(forced):
    backend = load("emu_heron_r1")
    qubit = 5
    waited = backend.device.t1[qubit]
    circuit = QuantumCircuit(6, 1)
    circuit.x(qubit)
    circuit.delay(waited, qubit, unit="s")
    circuit.measure(qubit, 0)
    numbers = outcomes_of(circuit, run(backend, circuit, method=forced))[0]
    one, zero = backend.noise.readout[qubit]
    left = math.exp(-1) * (1 - zero) + (1 - math.exp(-1)) * one
    assert numbers.mean() == pytest.approx(left, abs=0.02)


def test_clifford_device_loses_as_much_as_the_emulated_one():
    """Pauli noise has the same fidelities, so parities that start at 1 decay alike."""
    clifford = load("clifford_eagle127")
    same = Emulator("same", clifford.target, device=clifford.device, noise=clifford.noise)
    first, second = clifford.device.places["ecr"][0]
    circuit = QuantumCircuit(127, 2)
    circuit.sx(first)
    for _ in range(6):
        circuit.ecr(first, second)
        circuit.x(second)
    circuit.ecr(first, second)
    circuit.ecr(first, second)
    circuit.measure([first, second], [0, 1])
    stim, exactly = (outcomes_of(circuit, run(one, circuit)) for one in (clifford, same))
    assert (
        np.abs(np.bincount(stim[0], minlength=4) - np.bincount(exactly[0], minlength=4)).max() < 0.03 * SHOTS
    )


def test_noise_model_of_the_user_replaces_the_devices():
    model = NoiseModel()
    model.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]))
    model.add_quantum_error(depolarizing_error(0.4, 1), "x", [2])
    circuit = QuantumCircuit(4)
    circuit.x([1, 2])
    circuit.cz(2, 3)
    circuit.measure_all()
    outcomes = run(load("emu_heron_r1"), circuit, noise=model)
    bits = unpack_bits(outcomes.items[0].bits["meas"], 4)[0].mean(axis=0)
    assert bits == pytest.approx([0.1, 0.8, 0.8 * 0.8 + 0.2 * 0.1, 0.1], abs=0.015)


# --- reading -------------------------------------------------------------------------------------------


def test_points_tell_bits_as_often_wrong_as_the_calibration_says():
    backend = load("emu_heron_r1")
    circuit = QuantumCircuit(3)
    circuit.x(1)
    circuit.measure_all()
    both = run(backend, circuit, meas_level="both").items[0]
    bits = unpack_bits(both.bits["meas"], 3)[0]
    one, zero = backend.noise.readout[:, 0], backend.noise.readout[:, 1]
    assert bits.mean(axis=0) == pytest.approx([one[0], 1 - zero[1], one[2]], abs=0.01)
    points = both.iq["meas"]
    assert points.shape == (1, SHOTS, 3)
    on_its_line = points[0] * np.exp(-1j * GOLDEN * np.arange(3))
    assert ((on_its_line.real > 0) == bits).all()


def test_kerneled_levels_have_points_and_no_bits():
    circuit = QuantumCircuit(2)
    circuit.measure_all()
    single = run(load("emu_heron_r1"), circuit, [[[]] * 2] * 3, meas_level="kerneled", shots=9).items[0]
    average = run(load("emu_heron_r1"), circuit, [[[]] * 2] * 3, meas_level="avg_kerneled", shots=9).items[0]
    assert not single.bits
    assert not average.bits
    assert single.iq["meas"].shape == (3, 2, 9, 2)
    assert average.iq["meas"].shape == (3, 2, 2)


# --- shots that run into each other -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sim_statevector", "sim_stabilizer"])
def test_qubits_that_are_not_initialised_go_on_from_the_last_shot(name):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    numbers = outcomes_of(circuit, run(load(name), circuit, shots=8, init_qubits=False))[0]
    assert numbers.tolist() == [0b11, 0b10, 0b01, 0b00] * 2


def test_feedback_and_very_long_chains_are_refused_without_initialisation():
    with pytest.raises(LimitExceeded, match="control flow"):
        run(load("sim_statevector"), with_everything(), shots=10, init_qubits=False)
    circuit = QuantumCircuit(2)
    circuit.ry(0.1, 0)
    circuit.cx(0, 1)
    circuit.measure_all()
    with pytest.raises(LimitExceeded, match="init_qubits"):
        run(load("sim_statevector"), circuit, shots=1_000_000, init_qubits=False)


# --- seeds, time and usage -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sim_statevector", "emu_heron_r1", "clifford_eagle127"])
def test_same_seed_same_bytes(name):
    circuit = QuantumCircuit(9)
    circuit.sx(range(9))
    for qubit in range(0, 8, 2):
        circuit.cz(qubit, qubit + 1)
    circuit.measure_all()

    def told(seed):
        return run(load(name), circuit, shots=300, seed=seed).items[0].bits["meas"].tobytes()

    assert told(1) == told(1) != told(2)


def test_device_charges_two_seconds_and_its_shots(monkeypatch):
    slept = []
    monkeypatch.setattr("coldplate.backends.emulator.time.sleep", slept.append)
    backend = load("emu_heron_r1")
    paced = Emulator("paced", backend.target, device=backend.device, real_time=True)
    circuit = QuantumCircuit(1)
    circuit.delay(50, 0, unit="us")
    circuit.measure_all()
    items = (Item(circuit, np.zeros((4, 0)), 1000), Item(circuit, np.zeros((0,)), 500))
    outcomes = paced.run(Program(items, START, rep_delay_s=100e-6), np.random.default_rng(1))
    shot_s = 150e-6 + backend.device.readout_s[0]
    assert outcomes.usage_s == pytest.approx(2 + 4500 * shot_s)
    (first, middle), (again, last) = (item.span for item in outcomes.items)
    assert (first, middle) == (START, again)
    assert (last - first).total_seconds() == pytest.approx(4500 * shot_s, abs=1e-5)
    assert slept[0] == pytest.approx(outcomes.usage_s, abs=0.5)


def test_ideal_simulator_charges_the_time_it_took():
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    assert 0 < run(load("sim_statevector"), circuit).usage_s < 1


def test_variables_are_refused_by_name():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    seen = circuit.add_var("seen", expr.lift(0, types.Uint(4)))
    circuit.store(seen, expr.cast(circuit.clbits[0], types.Uint(4)))
    with circuit.if_test(expr.equal(seen, 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    with pytest.raises(BadInput, match="the variable seen"):
        run(load("sim_statevector"), circuit, shots=10)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_expressions_without_a_finite_value_are_refused(value):
    angle = Parameter("t")
    for expression in (1 / (angle - value), 1e308 * angle * 100):
        circuit = QuantumCircuit(1)
        circuit.rx(expression, 0)
        circuit.measure_all()
        with pytest.raises(BadInput, match="no value|finite"):
            run(load("sim_statevector"), circuit, [[value]])
