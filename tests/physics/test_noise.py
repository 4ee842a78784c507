"""The noise of an emulated device is exactly what Aer builds from the same calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import PTM, SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, pauli_error
from qiskit_aer.noise.device import basic_device_gate_errors

from coldplate.backends import clifford, transfer
from coldplate.backends.aer_circuits import Idling, add, empty
from coldplate.backends.aer_noise import EmulatedNoise, GivenNoise
from coldplate.backends.device import Device, GateFigures
from coldplate.backends.noise import DeviceNoise, GateNoise, Relaxation, depolarization
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import components
from coldplate.circuits.matrices import PAULIS

ANGLE = Parameter("t")
VALUES = np.array([[0.3], [-2.1], [1.7]])
PAIRS = tuple((a, b) for a in range(4) for b in range(4) if a != b)
US = 1e-6


def device(seed: int = 0, **changed) -> Device:
    """Four qubits coupled with one another, far noisier than any real device."""
    rng = np.random.default_rng(seed)
    gates = {
        (name, (qubit,)): GateFigures(rng.uniform(0, 0.05), rng.uniform(0.1, 1) * US)
        for name in ("sx", "x")
        for qubit in range(4)
    }
    gates |= {("rz", (qubit,)): GateFigures(0.0, 0.0) for qubit in range(4)}
    gates |= {("cz", pair): GateFigures(rng.uniform(0, 0.2), rng.uniform(0.5, 2) * US) for pair in PAIRS}
    plain = Device(
        num_qubits=4,
        t1=rng.uniform(20, 50, 4) * US,
        t2=rng.uniform(10, 60, 4) * US,
        readout=rng.uniform(0, 0.1, (4, 2)),
        readout_s=np.full(4, 1 * US),
        gates=gates,
        places={"cz": PAIRS},
        operations=("rz", "sx", "x", "cz", "measure", "reset", "delay"),
        frequencies=np.zeros(4),
        dt=1e-9,
        rep_delay_s=250 * US,
        timing={},
    )
    return replace(plain, **changed)


ODD = {
    "ordinary": device(1),
    "T2 above 2 T1": device(2, t2=np.full(4, 200 * US)),
    "no T1 known": device(3, t1=np.full(4, np.inf), t2=np.full(4, 30 * US)),
    "no figures": device(4, gates={}),
    "broken gates": device(
        5, gates={key: replace(one, error=1.0) for key, one in device(5).gates.items() if key[0] != "rz"}
    ),
    "broken and slow": device(
        6, gates={key: GateFigures(1.0, 90 * US) for key in device(6).gates if key[0] != "rz"}
    ),
    "error below relaxation": device(
        7, gates={key: GateFigures(1e-9, 5 * US) for key in device(7).gates if key[0] != "rz"}
    ),
}


def random_circuit(seed: int) -> QuantumCircuit:
    """Gates, delays and resets on the qubits in any order; measured in an order of its own."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 4)
    circuit.sx(range(4))
    for _ in range(10):
        first, second = (int(one) for one in rng.permutation(4)[:2])
        circuit.rz(ANGLE * rng.uniform(0.5, 2) + 0.1, first)
        circuit.sx(first)
        circuit.cz(first, second)
        match rng.integers(4):
            case 0:
                circuit.delay(rng.uniform(1, 20), second, unit="us")
            case 1:
                circuit.reset(second)
            case 2:
                circuit.x(second)
    for first, second in ((0, 1), (1, 2), (2, 3)):
        circuit.cz(first, second)
        circuit.sx(second)
    circuit.measure(rng.permutation(4), range(4))
    return circuit


def by_aer(component, circuit, noise, *, measured) -> np.ndarray:
    """Exact probabilities of a component's body under a noise model, of some qubits."""
    body = empty(component, circuit)
    place = dict(zip(component.wires, component.qubits, strict=True))
    add(body, component.parts[0], Idling(noise, 1e-9), place)
    body = body.assign_parameters([VALUES[0, 0]] if body.parameters else [])
    body.save_probabilities(measured)
    model = noise.model(component, readout=False)
    return AerSimulator(method="density_matrix", noise_model=model).run(body).result().data()["probabilities"]


# --- gates ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("case", ODD)
def test_noise_of_a_gate_is_the_one_that_aer_builds_from_the_target(case):
    odd = ODD[case]
    noise = DeviceNoise(odd)
    built = {
        (name, tuple(qubits)): error for name, qubits, error in basic_device_gate_errors(target=odd.target)
    }
    for name, qubits in odd.gates:
        ours = noise.gate(name, qubits)
        found = np.eye(4 ** len(qubits)) if ours is None else ours.transfer
        theirs = built.get((name, qubits))
        expected = np.eye(4 ** len(qubits)) if theirs is None else PTM(SuperOp(theirs)).data
        assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("case", ["ordinary", "broken and slow", "error below relaxation"])
@pytest.mark.parametrize("paulis", [False, True])
def test_noise_as_aer_takes_it_is_the_same_or_its_diagonal(case, paulis):
    noise = DeviceNoise(ODD[case])
    circuit = QuantumCircuit(2, 1)
    circuit.sx(1)
    circuit.cz(1, 0)
    circuit.measure(0, 0)
    (component,) = components(circuit)
    model = EmulatedNoise(noise, paulis=paulis).model(component, readout=False)
    for name, places in (("sx", (1,)), ("cz", (1, 0))):
        expected = noise.gate(name, places).transfer
        error = model._local_quantum_errors[name][places]
        assert_allclose(PTM(error).data, np.diag(np.diag(expected)) if paulis else expected, atol=1e-9)


@pytest.mark.parametrize("error", [0.0, 0.003, 0.1, 0.6])
@pytest.mark.parametrize("num_qubits", [1, 2])
def test_gate_has_the_infidelity_that_was_measured(error, num_qubits):
    relaxations = (Relaxation(0.0004, 0.9993), Relaxation(0.0002, 0.9999))[:num_qubits]
    dim = 2**num_qubits
    noise = GateNoise(relaxations, depolarization(error, relaxations))
    process = np.trace(noise.transfer) / dim**2
    infidelity = 1 - (dim * process + 1) / (dim + 1)
    relaxed = np.trace(GateNoise(relaxations).transfer) / dim**2
    assert infidelity == pytest.approx(max(error, 1 - (dim * relaxed + 1) / (dim + 1)), abs=1e-12)


def test_twirled_relaxation_keeps_the_diagonal():
    one = Relaxation(decay=0.2, coherence=0.8)
    x, y, z = one.paulis
    chances = [1 - x - y - z, x, y, z]
    twirled = sum(chance * transfer.to_transfer(pauli) for chance, pauli in zip(chances, PAULIS, strict=True))
    assert_allclose(np.diag(twirled), np.diag(one.transfer), atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scaled_noise_is_that_of_a_scaled_device(scale):
    plain = device(8)
    scaled = replace(
        plain,
        t1=plain.t1 / scale,
        t2=plain.t2 / scale,
        readout=plain.readout * scale,
        gates={key: replace(one, error=one.error * scale) for key, one in plain.gates.items()},
    )
    ours, theirs = DeviceNoise(plain, scale), DeviceNoise(scaled)
    assert_allclose(ours.readout, theirs.readout)
    for key in plain.gates:
        if key[0] != "rz":
            assert_allclose(ours.gate(*key).transfer, theirs.gate(*key).transfer, atol=1e-12)
    assert ours.relaxation(1, 5 * US) == pytest.approx(theirs.relaxation(1, 5 * US))


def test_times_to_relax_compose():
    noise = DeviceNoise(ODD["T2 above 2 T1"])
    whole, first, second = (noise.relaxation(0, one * US).transfer for one in (30, 10, 20))
    assert_allclose(whole, second @ first, atol=1e-12)


# --- circuits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("case", ["ordinary", "T2 above 2 T1", "no T1 known", "broken gates"])
def test_transfer_matrices_give_the_probabilities_that_aer_gives(case, seed):
    circuit, noise = random_circuit(seed), DeviceNoise(ODD[case])
    (component,) = components(circuit)
    ours = transfer.distributions(component, Angles([ANGLE], VALUES[:1]), noise, dt=1e-9)[0]
    measured = [component.wires.index(one.qubits[0]) for one in component.parts[1]]
    assert_allclose(ours, by_aer(component, circuit, EmulatedNoise(noise), measured=measured), atol=1e-9)
    assert ours.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_elements_at_once_are_the_elements_one_by_one(seed):
    circuit, noise = random_circuit(seed), DeviceNoise(device(seed))
    (component,) = components(circuit)
    angles = Angles([ANGLE], VALUES)
    together = transfer.distributions(component, angles, noise, dt=1e-9)
    for row in range(len(VALUES)):
        alone = transfer.distributions(component, angles.at(np.array([row])), noise, dt=1e-9)
        assert_allclose(together[row], alone[0], atol=1e-12)
    assert np.ptp(together, axis=0).max() > 1e-4


@pytest.mark.parametrize("first", [0, 2])
def test_noise_is_that_of_the_devices_qubits_wherever_the_component_is(first):
    """Only the qubits' own figures count: the same circuit elsewhere has other noise."""
    noise = DeviceNoise(device(9))
    circuit = QuantumCircuit(4, 2)
    circuit.sx(first)
    circuit.cz(first + 1, first)
    circuit.delay(9, first + 1, unit="us")
    circuit.measure([first + 1, first], [0, 1])
    (component,) = components(circuit)
    ours = transfer.distributions(component, Angles([], np.zeros((1, 0))), noise, dt=None)[0]
    state = np.array([1, 0, 0, 1]), np.array([1, 0, -1, 0])  # |0>, and sx |0>: Y = -1
    before = np.kron(state[0], noise.gate("sx", (first,)).transfer @ state[1])
    gate = noise.gate("cz", (first + 1, first))
    swapped = GateNoise(gate.relaxations[::-1], gate.depolarization).transfer
    after = swapped @ transfer.to_transfer(np.diag([1, 1, 1, -1]).astype(complex)) @ before
    after = np.kron(noise.relaxation(first + 1, 9 * US).transfer, np.eye(4)) @ after
    values = after.reshape(4, 4)[np.ix_([0, 3], [0, 3])]
    hadamard = np.array([[1, 1], [1, -1]]) / 2
    assert_allclose(ours, (hadamard @ values @ hadamard).T.ravel(), atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_stim_has_the_pauli_rates_of_the_twirled_noise(seed):
    """One cz, prepared and measured in the bases where every Pauli string's damping is seen."""
    noisy = device(seed, gates={("cz", (1, 0)): GateFigures(0.5, 4 * US)})
    noise = DeviceNoise(noisy)
    damping = np.diag(noise.gate("cz", (1, 0)).transfer)
    shots = 100_000
    for string in (1, 2, 3, 4, 7, 12, 13, 15, 10):
        circuit = eigenstate_of(string)
        (component,) = components(circuit)
        bits = clifford.run(
            component,
            Angles([], np.zeros((1, 0))),
            noise,
            shots=shots,
            dt=None,
            rest_s=None,
            rng=np.random.default_rng(seed),
        )[0]
        letters = (string & 3, string >> 2)  # of qubits 1 and 0
        read = [component.clbits.index(bit) for bit, letter in ((1, letters[0]), (0, letters[1])) if letter]
        sign = 1 - 2 * (bits[:, read].sum(axis=1) % 2)
        assert abs(sign.mean()) == pytest.approx(damping[string], abs=5 / np.sqrt(shots))


def eigenstate_of(string: int) -> QuantumCircuit:
    """Noiseless but for a cz(1, 0), after which a Pauli string of qubits (1, 0) has a definite value."""
    circuit = QuantumCircuit(2, 2)
    pairs = {1: string & 3, 0: string >> 2}
    for qubit, letter in pairs.items():
        to_eigenstate(circuit, letter, qubit)
    circuit.h(1)  # a cz by gates that have no noise
    circuit.cx(0, 1)
    circuit.h(1)
    circuit.cz(1, 0)
    for qubit, letter in pairs.items():
        from_eigenstate(circuit, letter, qubit)
    circuit.measure([0, 1], [0, 1])
    return circuit


def to_eigenstate(circuit: QuantumCircuit, letter: int, qubit: int) -> None:
    if letter in (1, 2):
        circuit.h(qubit)
    if letter == 2:
        circuit.s(qubit)


def from_eigenstate(circuit: QuantumCircuit, letter: int, qubit: int) -> None:
    if letter == 2:
        circuit.sdg(qubit)
    if letter in (1, 2):
        circuit.h(qubit)


# --- noise models of users -----------------------------------------------------------------------------


def given() -> NoiseModel:
    """Errors for all qubits, for some, of two qubits in one order only, of readout."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.05, 1), "sx")
    model.add_quantum_error(pauli_error([("X", 0.3), ("I", 0.7)]), "x", [3])
    model.add_quantum_error(pauli_error([("XI", 0.2), ("IZ", 0.1), ("II", 0.7)]), "cz", [4, 2])
    model.add_quantum_error(depolarizing_error(0.9, 2), "cz", [0, 1])
    model.add_all_qubit_readout_error(ReadoutError([[0.95, 0.05], [0.1, 0.9]]))
    model.add_readout_error(ReadoutError([[0.7, 0.3], [0.4, 0.6]]), [4])
    return model


def on_odd_qubits() -> QuantumCircuit:
    """A component on qubits 2, 3 and 4 of five."""
    circuit = QuantumCircuit(5, 3)
    circuit.sx([2, 4])
    circuit.x(3)
    circuit.cz(4, 2)
    circuit.sx([2, 4])
    circuit.cz(2, 3)
    circuit.x(2)
    return circuit


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_given_noise_of_a_component_is_that_of_its_qubits_in_the_whole():
    circuit = on_odd_qubits()
    circuit.measure([2, 3, 4], [0, 1, 2])
    (component,) = components(circuit)
    ours = by_aer(component, circuit, GivenNoise(given()), measured=[0, 1, 2])
    whole = on_odd_qubits()
    whole.save_probabilities([2, 3, 4])
    result = AerSimulator(method="density_matrix", noise_model=given()).run(whole).result()
    assert_allclose(ours, result.data()["probabilities"], atol=1e-9)
    ideal = AerSimulator(method="density_matrix").run(whole).result().data()["probabilities"]
    assert np.abs(ours - ideal).max() > 0.05


def test_given_readout_errors_follow_their_qubits():
    circuit = on_odd_qubits()
    circuit.measure([2, 3, 4], [0, 1, 2])
    (component,) = components(circuit)
    model = GivenNoise(given()).model(component, readout=False)
    assert_allclose(model._default_readout_error.probabilities, [[0.95, 0.05], [0.1, 0.9]])
    ((where, error),) = model._local_readout_errors.items()
    assert where == (component.qubits.index(4),)
    assert_allclose(error.probabilities, [[0.7, 0.3], [0.4, 0.6]])
