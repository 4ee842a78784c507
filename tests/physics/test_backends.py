"""Every method of simulation shows what quantum mechanics says, to rounding or to what shots allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CUGate, RZXGate, XXPlusYYGate
from qiskit.quantum_info import Statevector, random_unitary
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, pauli_error
from scipy.stats import chi2

from coldplate.backends import statevector, transfer
from coldplate.backends.build import build
from coldplate.backends.catalog import Entry, load
from coldplate.backends.device import Device
from coldplate.backends.emulator import Emulator
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import GOLDEN
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import components
from coldplate.circuits.program import Item, Program, unpack_bits

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOTS = 20_000
UNLIKELY = 1e-4
T, U = Parameter("t"), Parameter("u")
VALUES = np.array([[0.3, -1.1], [2.5, 0.2], [0.3, 0.2], [-4.0, 7.0], [0.3, -1.1]])


def run(backend, circuit, values=None, *, shots=SHOTS, seed=3, **how):
    table = np.zeros((1, 0)) if values is None else np.asarray(values, dtype=float)
    program = Program((Item(circuit, table, shots),), START, **how)
    return backend.run(program, np.random.default_rng(seed)).items[0]


def numbers_of(circuit, outcome) -> np.ndarray:
    """Bits of every shot as one number, first register lowest; shape ``(num_elements, shots)``."""
    parts = [unpack_bits(outcome.bits[one.name], len(one)) for one in circuit.cregs]
    bits = np.concatenate(parts, axis=-1)
    return bits @ (1 << np.arange(bits.shape[-1]))


def methods_of(outcome) -> set[str]:
    return {one["method"] for one in outcome.metadata["components"]}


def p_value(numbers, probabilities) -> float:
    """Of frequencies that come from probabilities; 0 where something impossible was seen."""
    counts, expected = np.bincount(numbers, minlength=len(probabilities)), probabilities * len(numbers)
    if counts[probabilities < 1e-9].any():
        return 0.0
    often = expected > 5
    pairs = [*zip(counts[often], expected[often], strict=True)]
    if expected[~often].sum() > 1:
        pairs.append((counts[~often].sum(), expected[~often].sum()))
    return float(chi2.sf(sum((one - two) ** 2 / two for one, two in pairs), max(len(pairs) - 1, 1)))


def random_circuit(num_qubits: int, seed: int) -> QuantumCircuit:
    """Connected, with all kinds of gates and of expressions, and rotations last; all measured, shuffled."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits, num_qubits)
    for layer in range(3):
        for qubit in range(num_qubits):
            circuit.u(T * rng.uniform(0.5, 2), rng.uniform(-3, 3), T * U, qubit)
        order = [int(one) for one in rng.permutation(num_qubits)]
        for pair in zip(order, order[1:], strict=False):
            kind = rng.integers(5)
            gates = [CUGate(T, 0.3, U, 0.2), RZXGate(U), XXPlusYYGate(T, 0.4), None, None]
            if kind < 3:
                circuit.append(gates[kind], pair)
            elif kind == 3:
                circuit.ecr(*pair)
            else:
                circuit.append(random_unitary(4, seed=seed * 10 + layer).to_instruction(), pair)
    for qubit in range(num_qubits):
        circuit.rz(U, qubit)
        circuit.sx(qubit)
        circuit.rz(float(rng.choice([0, np.pi])) + 2 * T, qubit)
        circuit.sx(qubit)
    circuit.measure(rng.permutation(num_qubits), rng.permutation(num_qubits))
    return circuit


def exact(circuit: QuantumCircuit, values=()) -> np.ndarray:
    """Probabilities of the bits of a circuit that is gates and then measurements of every qubit."""
    bound = circuit.assign_parameters(list(values))
    qubit_of = {one.clbits[0]: one.qubits[0] for one in bound.data if one.name == "measure"}
    order = [bound.find_bit(qubit_of[bit]).index for bit in bound.clbits]
    return Statevector(bound.remove_final_measurements(inplace=False)).probabilities(order)


def by_bits(weights: np.ndarray, component) -> np.ndarray:
    """Distributions over measurements in their order, as distributions over bits in theirs."""
    order = [component.bits.index(one.clbits[0]) for one in component.parts[1]]
    outcomes = np.arange(weights.shape[1])
    moved = sum((outcomes >> place & 1) << bit for place, bit in enumerate(order))
    found = np.empty_like(weights)
    found[:, moved] = weights
    return found


# --- exact probabilities -------------------------------------------------------------------------------


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_exact_probabilities_are_those_of_the_state(num_qubits, seed):
    circuit = random_circuit(num_qubits, seed)
    (component,) = components(circuit)
    angles = Angles(circuit.parameters, VALUES)
    by_state = statevector.distributions(component, statevector.peel(component), angles)
    by_transfer = transfer.distributions(component, angles, None, dt=None)
    expected = [exact(circuit, row) for row in VALUES]
    assert_allclose(by_bits(by_state, component), expected, atol=1e-12)
    assert_allclose(by_bits(by_transfer, component), expected, atol=1e-12)


@pytest.mark.parametrize("keep", [[0], [2], [1, 0], [2, 0, 1], [1, 2]])
def test_only_some_qubits_are_measured(keep):
    circuit = random_circuit(3, 5).remove_final_measurements(inplace=False)
    expected = Statevector(circuit.assign_parameters(VALUES[1])).probabilities(keep)
    measured = QuantumCircuit(3, 3).compose(circuit)
    measured.measure(keep, range(len(keep)))
    (component,) = components(measured)
    angles = Angles(measured.parameters, VALUES[1:2])
    assert_allclose(
        statevector.distributions(component, statevector.peel(component), angles)[0], expected, atol=1e-12
    )
    assert_allclose(transfer.distributions(component, angles, None, dt=None)[0], expected, atol=1e-12)


def with_bases(seed: int) -> tuple[QuantumCircuit, np.ndarray]:
    """A state, measured in many bases and with flips: what an Estimator asks for."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(3, 3)
    circuit.ry(0.7, [0, 1, 2])
    circuit.cx(0, 1)
    circuit.rxx(T, 1, 2)
    phases = [Parameter(f"phase{qubit}") for qubit in range(3)]
    turns = [Parameter(f"turn{qubit}") for qubit in range(3)]
    for qubit in range(3):
        circuit.rz(phases[qubit], qubit)
        circuit.sx(qubit)
        circuit.rz(turns[qubit], qubit)
        circuit.sx(qubit)
    circuit.measure([0, 1, 2], [0, 1, 2])
    quarters = rng.integers(0, 4, (40, 6)) * np.pi / 2
    values = np.column_stack([quarters[:, :3], rng.choice([0.4, 1.9], 40), quarters[:, 3:]])
    names = [one.name for one in circuit.parameters]
    assert names == sorted(names)  # phases, t, turns
    return circuit, values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_elements_that_are_grouped_show_the_same_up_to_their_flips(seed):
    circuit, values = with_bases(seed)
    (component,) = components(circuit)
    peeled, angles = statevector.peel(component), Angles(circuit.parameters, values)
    groups = statevector.group(peeled, angles)
    assert len(groups.first) < len(values)
    for element in range(len(values)):
        flip = int(groups.flips[element] @ (1 << np.arange(3)))
        shown = exact(circuit, values[groups.first[groups.of[element]]])[np.arange(8) ^ flip]
        assert_allclose(shown, exact(circuit, values[element]), atol=1e-9)


# --- shots ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "forced", "method"),
    [
        ("sim_statevector", None, "statevector"),
        ("sim_statevector", "density_matrix", "pauli_transfer"),
        ("sim_statevector", "matrix_product_state", "aer_matrix_product_state"),
        ("sim_statevector", "aer", "aer_statevector"),
    ],
)
@pytest.mark.parametrize("seed", [4, 5])
def test_frequencies_of_shuffled_bits_are_the_probabilities(name, forced, method, seed):
    circuit = random_circuit(3, seed)
    outcome = run(load(name), circuit, VALUES, method=forced)
    assert methods_of(outcome) == {method}
    for numbers, row in zip(numbers_of(circuit, outcome), VALUES, strict=True):
        assert p_value(numbers, exact(circuit, row)) > UNLIKELY


def test_single_precision_shows_the_same():
    circuit = random_circuit(3, 4)
    item = Item(circuit, np.array(VALUES, dtype=float), 4000)
    program = Program((item,), START, single=True)
    outcomes = load("sim_statevector").run(program, np.random.default_rng(3))
    double = load("sim_statevector").run(replace(program, single=False), np.random.default_rng(3))
    assert p_value(numbers_of(circuit, outcomes.items[0])[0], exact(circuit, VALUES[0])) > UNLIKELY
    # rounding moves a shot in a million
    changed = [
        np.mean(outcomes.items[0].bits[one.name] != double.items[0].bits[one.name]) for one in circuit.cregs
    ]
    assert max(changed) < 1e-3


@pytest.mark.parametrize("seed", [1, 2])
def test_frequencies_in_every_basis_are_the_probabilities(seed):
    circuit, values = with_bases(seed)
    found = numbers_of(circuit, run(load("sim_statevector"), circuit, values, shots=5000))
    p_values = [p_value(one, exact(circuit, row)) for one, row in zip(found, values, strict=True)]
    assert min(p_values) > UNLIKELY / 10


def teleported(clifford: bool) -> QuantumCircuit:
    """A state moved by feedback: qubit 2 ends as qubit 0 began."""
    circuit = QuantumCircuit(3, 3)
    if clifford:
        circuit.x(0)
    else:
        circuit.ry(1.1, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((1, 1)):
        circuit.x(2)
    with circuit.if_test((0, 1)):
        circuit.z(2)
    circuit.measure(2, 2)
    return circuit


@pytest.mark.parametrize(
    ("name", "forced", "method", "clifford"),
    [
        ("sim_statevector", None, "statevector", False),
        ("sim_statevector", "aer", "aer_statevector", False),
        ("sim_statevector", "density_matrix", "aer_density_matrix", False),
        ("sim_mps", None, "aer_matrix_product_state", False),
        ("sim_stabilizer", None, "aer_stabilizer", True),
    ],
)
def test_state_is_teleported_by_feedback(name, forced, method, clifford):
    circuit = teleported(clifford)
    outcome = run(load(name), circuit, shots=4000, method=forced)
    assert methods_of(outcome) == {method}
    one = 1.0 if clifford else np.sin(0.55) ** 2
    expected = np.repeat([1 - one, one], 4) / 4
    assert p_value(numbers_of(circuit, outcome)[0], expected) > UNLIKELY


def test_feedback_follows_what_was_read_not_what_was():
    """A device acts on its misread bit, so the second qubit is always as the first was read."""
    backend = load("emu_heron_r1")
    loud = noiseless_but_for_readout(backend, 0.2)
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    numbers = numbers_of(circuit, run(loud, circuit, shots=8000))[0]
    assert p_value(numbers, np.array([0.2 * 0.8, 0.8 * 0.2, 0.2 * 0.2, 0.8 * 0.8])) > UNLIKELY


def noiseless_but_for_readout(backend: Emulator, error: float) -> Emulator:
    """A device that only misreads, and relaxes never."""
    plain = backend.device
    forever = np.full(plain.num_qubits, np.inf)
    fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    readout = np.full((plain.num_qubits, 2), error)
    quiet = Device(**{**fields, "t1": forever, "t2": forever, "gates": {}, "readout": readout})
    return Emulator("loud", backend.target, device=quiet, noise=DeviceNoise(quiet))


def test_device_and_pauli_noise_agree_on_clifford_circuits_where_noise_is_pauli():
    """Without relaxation all noise is depolarizing: stim, transfer matrices and Aer show one distribution."""
    backend = load("clifford_eagle127")
    fields = {name: getattr(backend.device, name) for name in backend.device.__dataclass_fields__}
    forever = np.full(127, np.inf)
    gates = {key: type(one)(min(0.05, 20 * one.error), one.seconds) for key, one in fields["gates"].items()}
    device = Device(**{**fields, "t1": forever, "t2": forever, "gates": gates})
    noise = DeviceNoise(device)
    first, second = backend.device.places["ecr"][0]
    circuit = QuantumCircuit(127, 2)
    circuit.sx([first, second])
    for _ in range(3):
        circuit.ecr(first, second)
        circuit.sx(first)
    circuit.measure([first, second], [0, 1])
    (component,) = components(circuit)
    exactly = transfer.distributions(component, Angles([], np.zeros((1, 0))), noise, dt=None)[0]
    confusion = np.ones((1, 1))
    for one, zero in (device.readout[first], device.readout[second]):
        confusion = np.kron([[1 - one, zero], [one, 1 - zero]], confusion)
    for method, name in (
        ("stabilizer", "stim"),
        (None, "pauli_transfer"),
        ("statevector", "trajectories"),
        ("aer", "aer_automatic"),
    ):
        same = Emulator("same", backend.target, device=device, noise=noise, method=method)
        outcome = run(same, circuit)
        assert methods_of(outcome) == {name}
        assert p_value(numbers_of(circuit, outcome)[0], confusion @ exactly) > UNLIKELY


# --- noise models of users -----------------------------------------------------------------------------


def user_model() -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), "sx")
    model.add_quantum_error(pauli_error([("XI", 0.3), ("II", 0.7)]), "cz", [6, 4])
    model.add_quantum_error(pauli_error([("X", 0.25), ("I", 0.75)]), "delay", [4])
    model.add_readout_error(ReadoutError([[0.9, 0.1], [0.3, 0.7]]), [6])
    return model


@pytest.mark.parametrize("name", ["sim_statevector", "emu_heron_r1", "sim_stabilizer"])
def test_user_noise_is_on_the_qubits_of_the_device(name):
    """Aer runs the whole circuit with the model as it is."""
    circuit = QuantumCircuit(8, 3)
    circuit.sx([4, 6, 7])
    circuit.cz(6, 4)
    circuit.sx(4)
    circuit.delay(100, 4)
    circuit.cz(4, 6)
    circuit.sx([4, 6])
    circuit.measure([4, 6, 7], [0, 1, 2])
    outcome = run(load(name), circuit, noise=user_model())
    simulator = AerSimulator(noise_model=user_model(), seed_simulator=9)
    counts = simulator.run(circuit, shots=400_000).result().get_counts()
    probabilities = np.array([counts.get(f"{key:03b}", 0) for key in range(8)]) / 400_000
    assert p_value(numbers_of(circuit, outcome)[0], probabilities) > UNLIKELY
    ideal = numbers_of(circuit, run(load("sim_statevector"), circuit))[0]
    assert p_value(ideal, probabilities) < UNLIKELY


@pytest.mark.parametrize("name", ["sim_statevector", "emu_heron_r1"])
@pytest.mark.parametrize("branch", [False, True])
def test_user_noise_of_delays_is_kept_also_in_branches(name, branch):
    """Of a delay on one qubit only, whatever its unit."""
    model = NoiseModel()
    model.add_quantum_error(pauli_error([("X", 1.0)]), "delay", [4])
    circuit = QuantumCircuit(5, 3)
    circuit.x(2)
    circuit.measure(2, 2)
    if branch:
        with circuit.if_test((2, 1)):
            circuit.delay(100, [3, 4])
    else:
        circuit.delay(100, [3, 4])
    circuit.measure([3, 4], [0, 1])
    numbers = numbers_of(circuit, run(load(name), circuit, noise=model, shots=20))[0]
    assert (numbers == 0b110).all()


# --- waiting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_qubits", [1, 7])
def test_very_long_delay_leaves_the_ground_state(num_qubits):
    """Also where Aer is asked, which knows no times of zero."""
    backend = load("emu_heron_r1")
    circuit = QuantumCircuit(num_qubits)
    circuit.x(range(num_qubits))
    for qubit in range(num_qubits - 1):
        circuit.cz(qubit, qubit + 1)
    for qubit in range(num_qubits):
        circuit.delay(1, qubit, unit="s")
    circuit.measure_all()
    outcome = run(backend, circuit, shots=3000)
    assert methods_of(outcome) == {"pauli_transfer"}
    ones = unpack_bits(outcome.bits["meas"], num_qubits)[0].mean(axis=0)
    assert ones == pytest.approx(backend.noise.readout[:num_qubits, 0], abs=0.04)


@pytest.mark.parametrize("name", ["sim_statevector", "sim_mps", "sim_stabilizer"])
def test_delays_of_ideal_simulators_need_no_unit_of_time(name):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.delay(100, 0, unit="dt")
    circuit.cx(0, 1)
    circuit.measure_all()
    numbers = numbers_of(circuit, run(load(name), circuit, shots=4000))[0]
    assert p_value(numbers, np.array([0.5, 0, 0, 0.5])) > UNLIKELY


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_qubit_that_is_not_initialised_relaxes_between_shots(share):
    """With x, the chance p to begin in 1 goes to (1 - p)(1 - d), so in the end p = (1 - d) / (2 - d)."""
    backend = noiseless_but_for_readout(load("emu_heron_r1"), 0.0)
    fields = {name: getattr(backend.device, name) for name in backend.device.__dataclass_fields__}
    device = Device(**{**fields, "t1": np.full(133, 100e-6), "t2": np.full(133, 150e-6)})
    relaxing = Emulator("relaxing", backend.target, device=device, noise=DeviceNoise(device))
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    decayed = 1 - np.exp(-share)
    outcome = run(relaxing, circuit, shots=10_000, init_qubits=False, rep_delay_s=share * 100e-6)
    ones = numbers_of(circuit, outcome)[0].mean()
    assert ones == pytest.approx(1 / (2 - decayed), abs=0.02)


# --- points --------------------------------------------------------------------------------------------


def test_average_of_points_is_where_its_states_lie():
    """The averaged point is a mixture of the two centres, at the share of ones."""
    backend, angle = load("emu_heron_r1"), Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.rz(angle, 0)
    circuit.sx(0)
    circuit.measure_all()
    values = [[np.pi], [0.0], [np.pi / 2]]
    averaged = run(backend, circuit, values, meas_level="avg_kerneled", shots=50_000).iq["meas"][:, 0]
    zero, one, half = averaged
    assert abs(half - (zero + one) / 2) < 0.03 * abs(one - zero)
    assert abs((one - zero).imag) < 0.03 * abs((one - zero).real)  # qubit 0 lies along the real axis


def test_points_by_shots_average_to_averaged_points():
    backend = load("emu_heron_r1")
    circuit = QuantumCircuit(3)
    circuit.x(1)
    circuit.measure_all()
    single = run(backend, circuit, meas_level="kerneled", seed=5).iq["meas"]
    average = run(backend, circuit, meas_level="avg_kerneled", seed=5).iq["meas"]
    assert_allclose(single.mean(axis=1), average)


@pytest.mark.parametrize(("p10", "p01"), [(0.01, 0.2), (0.3, 0.05), (0.1, 0.1)])
def test_a_line_between_the_blobs_misreads_as_often_as_the_figures_say(p10, p01):
    backend = noiseless_but_for_readout(load("emu_heron_r1"), 0.0)
    backend.noise.readout[:2] = (p10, p01)
    circuit = QuantumCircuit(2)
    circuit.x(1)
    circuit.measure_all()
    points = run(backend, circuit, meas_level="kerneled").iq["meas"][0]
    ones = ((points * np.exp(-1j * GOLDEN * np.arange(2))).real > 0).mean(axis=0)
    assert ones == pytest.approx([p10, 1 - p01], abs=5 * np.sqrt(0.25 / SHOTS))


def test_bits_measured_in_branches_have_points_too():
    backend = noiseless_but_for_readout(load("emu_heron_r1"), 0.0)
    circuit = QuantumCircuit(2, 2)
    circuit.x([0, 1])
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.measure(1, 1)
    both = run(backend, circuit, meas_level="both", shots=50)
    assert (numbers_of(circuit, both) == 3).all()
    assert (np.abs(both.iq["c"]) > 0).all()


def test_bits_that_nothing_measures_have_no_points():
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 1)
    outcome = run(load("emu_heron_r1"), circuit, meas_level="both", shots=50)
    assert (outcome.iq["c"][..., 0] == 0).all()
    assert (outcome.iq["c"][..., 1] != 0).all()
    assert not unpack_bits(outcome.bits["c"], 2)[..., 0].any()


# --- seeds, time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["classified", "kerneled", "avg_kerneled", "both"])
@pytest.mark.parametrize("name", ["sim_mps", "emu_heron_r1", "clifford_eagle127"])
def test_one_seed_gives_one_result(name, level):
    """With feedback, so Aer's seed comes from ours as well."""
    circuit = teleported(clifford=True)
    if name != "sim_mps":
        circuit.delay(1, 2, unit="us")

    def told(seed):
        outcome = run(load(name), circuit, shots=200, seed=seed, meas_level=level)
        return {key: one.tobytes() for key, one in {**outcome.bits, **outcome.iq}.items()}

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_mock_of_the_same_seed_is_the_same():
    circuit = QuantumCircuit(4)
    circuit.measure_all()
    one, same, other = (run(load("mock_eagle"), circuit, shots=99, seed=seed) for seed in (1, 1, 2))
    assert (one.bits["meas"] == same.bits["meas"]).all()
    assert (one.bits["meas"] != other.bits["meas"]).any()


def test_real_time_waits_for_what_is_charged_and_ideal_backends_never(monkeypatch):
    slept = []
    monkeypatch.setattr("coldplate.backends.emulator.time.sleep", slept.append)
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    program = Program((Item(circuit, np.zeros((0,)), 4),), START, rep_delay_s=0.5)
    usages = []
    for pace in ("real", "fast"):
        backend = build(Entry("emu_a", "emulated", snapshot="lagos", pace=pace))
        usages.append(backend.run(program, np.random.default_rng(1)).usage_s)
    load("sim_statevector").run(program, np.random.default_rng(1))
    assert usages[0] == usages[1] == pytest.approx(2 + 4 * (0.5 + backend.device.readout_s[0]))
    assert len(slept) == 1
    assert slept[0] <= usages[0]


def test_empty_items_cost_a_device_its_start_only():
    circuit = QuantumCircuit(1)
    circuit.rz(T, 0)
    circuit.measure_all()
    backend = load("emu_heron_r1")
    outcomes = backend.run(Program((Item(circuit, np.zeros((0, 1)), 9),), START), np.random.default_rng(1))
    assert outcomes.usage_s == 2.0
    assert outcomes.items[0].span == (START, START)
