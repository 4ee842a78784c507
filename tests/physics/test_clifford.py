"""Frame simulation shows what the device's noise, twirled to Paulis, says, whatever is twirled."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import stim
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import ECRGate
from qiskit_aer import AerSimulator
from scipy.stats import chi2

from coldplate.backends import clifford
from coldplate.backends.aer_circuits import Idling, add, empty
from coldplate.backends.aer_noise import EmulatedNoise
from coldplate.backends.catalog import load
from coldplate.backends.clifford_steps import read
from coldplate.backends.device import Device, GateFigures
from coldplate.backends.frames import Frames
from coldplate.backends.noise import DeviceNoise
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import components
from coldplate.circuits.program import Item, Program, unpack_bits

US = 1e-6
PAIRS = tuple((a, b) for a in range(4) for b in range(4) if a != b)
SHOTS = 60_000
UNLIKELY = 1e-4


@pytest.fixture(scope="module")
def noise() -> DeviceNoise:
    """Of four qubits coupled with one another, far noisier than any real device."""
    rng = np.random.default_rng(3)
    one = {(name, (q,)): GateFigures(rng.uniform(0, 0.1), 1 * US) for name in ("sx", "x") for q in range(4)}
    two = {(name, pair): GateFigures(rng.uniform(0, 0.2), 2 * US) for name in ("cz", "ecr") for pair in PAIRS}
    return DeviceNoise(
        Device(
            num_qubits=4,
            t1=rng.uniform(20, 50, 4) * US,
            t2=rng.uniform(10, 60, 4) * US,
            readout=np.zeros((4, 2)),
            readout_s=np.zeros(4),
            gates=one | two,
            places={"cz": PAIRS, "ecr": PAIRS},
            operations=("rz", "sx", "x", "cz", "ecr", "measure", "reset", "delay"),
            frequencies=np.zeros(4),
            dt=1e-9,
            rep_delay_s=250 * US,
            timing={},
        )
    )


def random_circuit(seed: int) -> QuantumCircuit:
    """Clifford gates in any order, with delays and resets, and half turns with parameters between them."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 4)
    for step in range(14):
        first, second = (int(one) for one in rng.permutation(4)[:2])
        for qubit in (first, second):
            circuit.sx(qubit)
            circuit.rz(Parameter(f"t{step}_{qubit}"), qubit)
            circuit.sx(qubit)
        circuit.rz(np.pi / 2 * rng.integers(4), first)
        getattr(circuit, rng.choice(["cz", "ecr"]))(first, second)
        if rng.random() < 0.2:
            circuit.reset(second)
        if rng.random() < 0.3:
            circuit.delay(rng.uniform(1, 20), first, unit="us")
    for qubit in range(3):
        circuit.cz(qubit, qubit + 1)
    circuit.sx(range(4))
    circuit.measure(rng.permutation(4), range(4))
    return circuit


def exactly(component, circuit, noise, values) -> np.ndarray:
    """Probabilities of a component's outcomes by density matrices on Aer."""
    body = empty(component, circuit)
    body_noise = EmulatedNoise(noise, paulis=True)
    add(body, component.parts[0], Idling(body_noise, 1e-9), component.qubit_of)
    by_name = dict(zip((one.name for one in circuit.parameters), values, strict=True))
    body = body.assign_parameters({one: by_name[one.name] for one in body.parameters})
    order = {one.clbits[0]: component.place_of[one.qubits[0]] for one in component.parts[1]}
    body.save_probabilities([order[bit] for bit in component.bits])
    model = body_noise.model(component, readout=False)
    return AerSimulator(method="density_matrix", noise_model=model).run(body).result().data()["probabilities"]


@pytest.mark.parametrize("seed", range(6))
def test_every_element_has_the_distribution_of_its_own_circuit(seed, noise):
    circuit = random_circuit(seed)
    rng = np.random.default_rng(seed)
    values = np.pi / 2 * rng.integers(0, 4, (2, circuit.num_parameters))
    values = np.concatenate([values, values + np.pi * rng.integers(0, 2, values.shape)])
    (component,) = components(circuit)
    bits = clifford.run(
        component,
        Angles(circuit.parameters, values),
        noise,
        shots=SHOTS,
        dt=1e-9,
        rest_s=None,
        rng=rng,
    )
    for element, row in enumerate(values):
        expected = np.asarray(exactly(component, circuit, noise, row)) * SHOTS
        counts = np.bincount(bits[element] @ (1 << np.arange(4)), minlength=16)
        likely = expected > 1e-6
        assert not counts[~likely].any()
        statistic = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
        assert chi2.sf(statistic, max(1, likely.sum() - 1)) > UNLIKELY


def test_twirled_elements_are_one_group(noise):
    circuit = random_circuit(1)
    (component,) = components(circuit)
    values = np.pi * np.random.default_rng(1).integers(0, 2, (50, circuit.num_parameters))
    steps = read(component, Angles(circuit.parameters, values), noise, dt=1e-9)
    assert len(Frames.of(steps, Angles(circuit.parameters, values), alike=False).groups.first) == 1


def mirrored(backend, layers, steps: int) -> QuantumCircuit:
    """Steps of sx on all qubits and ecr on all pairs, then back; with turns about Z on both sides of ecr."""
    width = backend.target.num_qubits
    circuit, angles = QuantumCircuit(width, width), iter(ParameterVector("t", 10_000))

    def joined(pairs) -> None:
        for pair in pairs:
            turn = next(angles)
            circuit.rz(turn, pair[0])
            circuit.ecr(*pair)
            circuit.rz(turn, pair[0])  # a Z of the control only changes its sign

    for _ in range(steps):
        circuit.sx(range(width))
        for pairs in layers:
            joined(pairs)
    for _ in range(steps):
        for pairs in reversed(layers):
            joined(pairs)
        circuit.rz(np.pi, range(width))
        circuit.sx(range(width))
        circuit.rz(np.pi, range(width))
    circuit.measure(range(width), range(width))
    return circuit


def followed_back(circuit, noise, qubit: int) -> float:
    """The value of Z of a qubit at the end: what each Pauli channel leaves of what Z was there."""
    tableaus = {
        "ecr": stim.Tableau.from_unitary_matrix(ECRGate().to_matrix(), endian="little"),
        "sx": stim.Tableau.from_named_gate("SQRT_X"),
        "rz": stim.Tableau.from_named_gate("Z"),
    }
    string = stim.PauliString(circuit.num_qubits)
    string[qubit] = "Z"
    left = 1.0
    for one in reversed(circuit.data):
        if one.name == "measure":
            continue
        places = [circuit.find_bit(wire).index for wire in one.qubits]
        letters = [string[place] for place in places]
        if not any(letters):
            continue
        found = noise.gate(one.name, tuple(places))
        if found is not None:
            left *= 1 - found.depolarization
            for letter, relaxation in zip(letters, found.relaxations, strict=True):
                flips = sum(relaxation.paulis)
                left *= 1 - 2 * (flips - relaxation.paulis[letter - 1]) if letter else 1.0
        string = string.before(tableaus[one.name], targets=places)
    return left


def test_every_qubit_of_a_whole_device_is_damped_as_the_closed_form_says():
    backend = load("clifford_eagle127")
    layers: list[list[tuple[int, int]]] = []
    for pair in backend.target["ecr"]:
        free = (one for one in layers if not {*pair} & {place for other in one for place in other})
        found = next(free, None)
        found.append(pair) if found is not None else layers.append([pair])
    circuit = mirrored(backend, layers, 2)
    width, shots, number = circuit.num_qubits, 400, 50
    rng = np.random.default_rng(5)
    values = np.pi * rng.integers(0, 2, (number, circuit.num_parameters))
    program = Program((Item(circuit, values.astype(float), shots),), datetime(2026, 1, 1, tzinfo=UTC))
    (outcome,) = backend.run(program, rng).items
    measured = 1 - 2 * unpack_bits(outcome.bits["c"], width).mean(axis=(0, 1))
    truth = np.array([followed_back(circuit, backend.noise, qubit) for qubit in range(width)])
    zero, one = backend.noise.readout.T
    expected = truth * (1 - zero - one) + one - zero
    assert np.ptp(expected) > 0.3  # and they differ
    assert_allclose(measured, expected, atol=5 / np.sqrt(shots * number))
