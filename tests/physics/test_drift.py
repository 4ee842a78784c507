"""Coherent and slow noise does what its Hamiltonian says, and what undoes it in theory undoes it here."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Statevector
from scipy.stats import chi2_contingency

from coldplate.backends.build import build
from coldplate.backends.catalog import Entry
from coldplate.backends.coherent import CORRELATION_TIMES_S, Coherent, covariance, flicker
from coldplate.backends.device import Device, GateFigures
from coldplate.backends.emulator import Emulator
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import Crosstalk
from coldplate.circuits.program import Item, Program, unpack_bits

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOTS = 20_000
NS, US, KHZ = 1e-9, 1e-6, 1e3
NUM = 4
PAIRS = ((0, 1), (1, 2), (2, 3))
BOTH_WAYS = tuple(place for pair in PAIRS for place in (pair, pair[::-1]))
TOLERANCE = 5 / np.sqrt(SHOTS)


def make(
    *, sx_s=0.0, two_s=0.0, t1=np.inf, t2=np.inf, error=0.0, two="cz", crosstalk=0.0, noisy=None, **noise
):
    """A chain of four qubits, without any noise that is not asked for."""
    figures = {(name, (qubit,)): GateFigures(error, sx_s) for name in ("sx", "x") for qubit in range(NUM)}
    figures |= {("rz", (qubit,)): GateFigures(0.0, 0.0) for qubit in range(NUM)}
    figures |= {(two, place): GateFigures(error, two_s) for place in BOTH_WAYS}
    device = Device(
        num_qubits=NUM,
        t1=np.full(NUM, t1),
        t2=np.full(NUM, t2),
        readout=np.zeros((NUM, 2)),
        readout_s=np.full(NUM, 1 * US),
        gates=figures,
        places={two: BOTH_WAYS},
        operations=("rz", "sx", "x", two, "measure", "reset", "delay"),
        frequencies=np.zeros(NUM),
        dt=1 * NS,
        rep_delay_s=250 * US,
        timing={},
    )
    zz = noise.pop("zz", 0.0)
    coherent = Coherent(
        zz={pair: zz for pair in PAIRS} if zz else {},
        detuning=np.full(NUM, noise.pop("detuning", 0.0)),
        **noise,
    )
    noisy = noisy if noisy is not None else bool(np.isfinite(t1) or np.isfinite(t2) or error)
    return Emulator(
        "emu_test",
        device.target,
        device=device,
        noise=DeviceNoise(device) if noisy else None,
        coherent=coherent if coherent.zz or coherent.detuning.any() or coherent.over_rotation else None,
        crosstalk=Crosstalk(device.pairs, crosstalk) if crosstalk else None,
    )


def shots_of(backend, circuit, *, shots=SHOTS, seed=3, values=None, **how) -> np.ndarray:
    """Bits of all shots, shape ``(num_elements, shots, num_bits)``."""
    table = np.zeros((1, 0)) if values is None else values
    program = Program((Item(circuit, table, shots),), START, **how)
    (outcome,) = backend.run(program, np.random.default_rng(seed)).items
    return np.concatenate([unpack_bits(outcome.bits[one.name], len(one)) for one in circuit.cregs], axis=-1)


def values_of(backend, circuit, **how) -> np.ndarray:
    """Mean of Z of every bit."""
    return 1 - 2 * shots_of(backend, circuit, **how)[0].mean(axis=0)


def hadamard(circuit, *qubits) -> None:
    for qubit in qubits:
        circuit.rz(np.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(np.pi / 2, qubit)


def ramsey(time_s, *, pulses=(), excited=(), num_qubits=NUM, probe=0) -> QuantumCircuit:
    """A superposition that waits, with pulses at some parts of the time; shows <X> of the probe."""
    circuit = QuantumCircuit(num_qubits, 1)
    if excited:
        circuit.x(list(excited))
        circuit.barrier()  # or they would be excited as late as possible
    hadamard(circuit, probe)
    last = 0.0
    for name, part in pulses:
        circuit.delay((part - last) * time_s / US, probe, unit="us")
        y(circuit, probe) if name == "y" else circuit.x(probe)
        last = part
    circuit.delay((1 - last) * time_s / US, probe, unit="us")
    hadamard(circuit, probe)
    circuit.measure(probe, 0)
    return circuit


def y(circuit, qubit) -> None:
    circuit.rz(np.pi, qubit)
    circuit.x(qubit)


XX = (("x", 0.25), ("x", 0.75))
XY4 = (("x", 0.125), ("y", 0.375), ("x", 0.625), ("y", 0.875))


# --- detuning ----------


@pytest.mark.parametrize("time_us", [5, 20, 40, 100])
def test_ramsey_decays_as_a_gaussian_under_quasi_static_detuning(time_us):
    spread = 5 * KHZ
    found = values_of(make(detuning=spread), ramsey(time_us * US))
    expected = np.exp(-((2 * np.pi * spread * time_us * US) ** 2) / 2)
    assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("pulses", [XX, XY4], ids=["X2", "XY4"])
def test_echo_refocuses_static_detuning_exactly(pulses):
    backend = make(detuning=50 * KHZ)
    assert values_of(backend, ramsey(40 * US, pulses=pulses)) == 1.0


@pytest.mark.parametrize("time_us", [1, 5])
def test_idle_time_that_is_not_written_counts_like_a_delay(time_us):
    backend = make(detuning=30 * KHZ, two_s=time_us * US)
    circuit = QuantumCircuit(NUM, 1)
    hadamard(circuit, 0)
    circuit.barrier()
    circuit.cz(2, 3)
    circuit.barrier()
    hadamard(circuit, 0)
    circuit.measure(0, 0)
    expected = np.exp(-((2 * np.pi * 30 * KHZ * time_us * US) ** 2) / 2)
    assert_allclose(values_of(backend, circuit), expected, atol=TOLERANCE)


def test_all_elements_and_shots_have_detunings_of_their_own():
    circuit = ramsey(100 * US)
    bits = shots_of(make(detuning=50 * KHZ), circuit, values=np.zeros((3, 0)), shots=2000)
    assert bits.shape == (3, 2000, 1)
    assert_allclose(bits.mean(axis=1), 0.5, atol=0.06)
    assert len({tuple(row) for row in bits[..., 0].tolist()}) == 3


@pytest.mark.parametrize("name", ["detuning0", "detuning_1"])
def test_parameters_of_the_user_keep_their_values(name):
    circuit = QuantumCircuit(NUM, 1)
    hadamard(circuit, 0)
    circuit.rz(Parameter(name), 0)
    circuit.rz(Parameter("a"), 0)
    circuit.delay(1, 0, unit="ns")
    hadamard(circuit, 0)
    circuit.measure(0, 0)
    values = np.array([[0.2, 0.5], [1.2, -0.7]])
    found = 1 - 2 * shots_of(make(detuning=1 * KHZ), circuit, values=values)[..., 0].mean(axis=1)
    assert_allclose(found, np.cos(values.sum(axis=1)), atol=TOLERANCE)


# --- detuning that moves within a shot ----------


def test_flicker_has_the_variance_of_the_static_case_in_a_short_time():
    drawn = flicker(np.array([0.0]), np.array([1e-9]), np.random.default_rng(1), number=100_000)
    assert drawn.std() == pytest.approx(1e-9, rel=0.01)


def test_flicker_is_drawn_as_traces_of_fine_steps_would_add_up():
    # many fine stretches, added up, have the covariance of the coarse ones
    edges = np.array([0, 3, 4, 40, 100]) * US
    fine = np.linspace(0, 100, 201) * US
    exact = covariance(edges[:-1], edges[1:])
    steps = covariance(fine[:-1], fine[1:])
    joins = ((fine[:-1] >= edges[:-1, None] - 1e-12) & (fine[1:] <= edges[1:, None] + 1e-12)).astype(float)
    assert_allclose(joins @ steps @ joins.T, exact, rtol=1e-9)


def test_flicker_has_a_spectrum_of_one_over_f():
    step, number = 20 * US, 4096
    edges = np.arange(number + 1) * step
    autocorrelation = covariance(edges[:-1], edges[1:])[0] / step**2
    spectrum = np.fft.rfft(np.concatenate([autocorrelation, autocorrelation[-2:0:-1]])).real
    frequency = np.fft.rfftfreq(2 * number - 2, step)
    band = (frequency > 100) & (frequency < 5e3)
    slope = np.polyfit(np.log(frequency[band]), np.log(spectrum[band]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("time_us", [10, 30])
def test_flicker_decays_slower_than_static_detuning_and_faster_than_its_fastest_part(time_us):
    spread, time = 8 * KHZ, time_us * US
    found = values_of(make(detuning=spread, flicker=True), ramsey(time))[0]
    variance = covariance(np.array([0.0]), np.array([time]))[0, 0]
    assert found == pytest.approx(np.exp(-((2 * np.pi * spread) ** 2) * variance / 2), abs=TOLERANCE)
    bound = np.exp(-((2 * np.pi * spread * time) ** 2) / 2)
    white = np.exp(-((2 * np.pi * spread) ** 2) * CORRELATION_TIMES_S[0] * time)
    assert bound - TOLERANCE < found < white + TOLERANCE


def test_faster_echoes_refocus_more_of_flicker():
    backend = make(detuning=40 * KHZ, flicker=True)
    found = [values_of(backend, ramsey(40 * US, pulses=pulses))[0] for pulses in ((), XX, XY4)]
    assert found[0] + 0.1 < found[1] < found[2] - 0.02 < 1


# --- ZZ ----------


@pytest.mark.parametrize(("excited", "shifts"), [((), 0), ((0,), 1), ((2,), 1), ((0, 2), 2), ((3,), 0)])
def test_frequency_shifts_by_the_rate_for_each_neighbour_that_is_1(excited, shifts):
    rate, time = 30 * KHZ, 5 * US
    found = values_of(make(zz=rate), ramsey(time, excited=excited, probe=1))
    assert_allclose(found, np.cos(2 * np.pi * rate * shifts * time), atol=TOLERANCE)


def joint(time_s, *, first=(), second=()) -> QuantumCircuit:
    """Two neighbours that wait in superpositions, each with x at some parts of the time; shows both <X>."""
    circuit = QuantumCircuit(NUM, 2)
    hadamard(circuit, 0, 1)
    for qubit, parts in enumerate((first, second)):
        for length in np.diff([0.0, *parts, 1.0]):
            circuit.delay(length * time_s / US, qubit, unit="us")
            circuit.x(qubit)
        if len(parts) % 2 == 0:
            circuit.x(qubit)
    hadamard(circuit, 0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize(
    ("first", "second", "is_undone"),
    [
        ((), (), False),
        ((0.25, 0.75), (0.25, 0.75), False),
        ((0.25, 0.75), (0.0, 0.5), True),
        ((0.0, 0.5), (0.125, 0.375, 0.625, 0.875), True),
    ],
    ids=["no pulses", "aligned", "staggered", "orthogonal"],
)
def test_staggered_pulses_refocus_zz_and_aligned_ones_do_not(first, second, is_undone):
    rate, time = 40 * KHZ, 10 * US
    found = values_of(make(zz=rate), joint(time, first=first, second=second))
    if is_undone:
        assert found.tolist() == [1.0, 1.0]
    else:  # half the time beside a 1
        assert (np.abs(found) < 0.95).all()


def test_pair_collects_no_zz_during_its_own_gate_but_with_its_other_neighbours():
    rate, time = 50 * KHZ, 3 * US
    circuit = QuantumCircuit(NUM, 3)
    circuit.x([0, 2])
    hadamard(circuit, 1)
    circuit.barrier()
    circuit.cz(0, 1)  # turns qubit 1 by pi, and takes its time
    hadamard(circuit, 1)
    circuit.measure([0, 1, 2], [0, 1, 2])
    found = values_of(make(zz=rate, two_s=time), circuit)
    assert_allclose(found, [-1, -np.cos(2 * np.pi * rate * time), -1], atol=TOLERANCE)


def test_zz_of_a_qubit_that_is_read_early_goes_on():
    rate, time = 50 * KHZ, 4 * US
    circuit = ramsey(time, excited=[1])
    early = circuit.copy_empty_like()
    early.add_register(ClassicalRegister(1, "early"))
    for place, one in enumerate(circuit.data):
        early.append(one)
        if place == 0:
            early.measure(1, 1)
            early.barrier()
    found = values_of(make(zz=rate), early)
    assert_allclose(found, [np.cos(2 * np.pi * rate * time), -1], atol=TOLERANCE)


def evolved(circuit, backend) -> np.ndarray:
    """Probabilities of all outcomes, from the Hamiltonian in small pieces of time: no phase is collected."""
    device, rates = backend.device, backend.coherent.zz
    ends, slots = [0.0] * NUM, []
    for one in reversed(circuit.data):
        qubits = [circuit.find_bit(qubit).index for qubit in one.qubits]
        stop = min(ends[qubit] for qubit in qubits)
        taken = (
            one.operation.duration * NS if one.name == "delay" else device.seconds(one.name, tuple(qubits))
        )
        for qubit in qubits:
            ends[qubit] = stop - taken
        if one.name not in ("delay", "barrier"):
            slots.append((stop - taken, stop, one.operation, qubits))
    slots = sorted(reversed(slots), key=lambda slot: slot[0] + slot[1])
    state, now = Statevector.from_int(0, 2**NUM), slots[0][0]
    edges = sorted({edge for start, stop, *_ in slots for edge in (start, (start + stop) / 2, stop)})
    both = {pair: np.array([(k >> pair[0]) & (k >> pair[1]) & 1 for k in range(2**NUM)]) for pair in rates}
    waiting = list(slots)
    for edge in [*edges, 0.0]:
        inside = (now + edge) / 2
        busy = {tuple(sorted(q)) for start, stop, _, q in slots if len(q) == 2 and start < inside < stop}
        angle = sum(2 * np.pi * rates[pair] * (edge - now) * both[pair] for pair in rates if pair not in busy)
        state = Statevector(state.data * np.exp(-1j * angle))
        while waiting and (waiting[0][0] + waiting[0][1]) / 2 <= edge + 1e-15:
            _, _, operation, qubits = waiting.pop(0)
            state = state.evolve(operation, qubits)
        now = edge
    return state.probabilities()


@pytest.mark.parametrize("two", ["cz", "ecr", "cx"])
@pytest.mark.parametrize("seed", range(4))
def test_collected_phases_are_the_evolution_under_the_hamiltonian(seed, two):
    rng = np.random.default_rng(seed)
    backend = make(zz=900 * KHZ, sx_s=40 * NS, two_s=200 * NS, two=two)
    circuit = QuantumCircuit(NUM)
    for _ in range(25):
        first = int(rng.integers(NUM - 1))
        pair = rng.permutation([first, first + 1]).tolist()
        match rng.integers(5):
            case 0:
                getattr(circuit, two)(*pair)
            case 1:
                circuit.delay(int(rng.integers(500)), pair[0], unit="ns")
            case 2:
                circuit.rz(rng.uniform(-3, 3), pair[0])
            case _:
                circuit.sx(pair[0])
    expected = evolved(circuit, backend)
    circuit.measure_all(add_bits=True)
    bits = shots_of(backend, circuit, shots=SHOTS)[0]
    counts = np.bincount(bits @ (1 << np.arange(NUM)), minlength=2**NUM)
    assert_allclose(counts / SHOTS, expected, atol=5 * np.sqrt(0.25 / SHOTS))


def sliced(circuit, backend) -> QuantumCircuit:
    """The circuit with the ZZ of every pair written for every piece of time, whatever the qubits do."""
    device, rates = backend.device, backend.coherent.zz
    ends: dict[object, float] = {}
    slots = []
    for place, one in reversed(list(enumerate(circuit.data))):
        qubits = [circuit.find_bit(qubit).index for qubit in one.qubits]
        wires = (*one.qubits, *one.clbits)
        stop = min(ends.get(wire, 0.0) for wire in wires)
        taken = (
            one.operation.duration * NS if one.name == "delay" else device.seconds(one.name, tuple(qubits))
        )
        ends.update(dict.fromkeys(wires, stop - taken))
        slots.append(((2 * stop - taken) / 2, place, stop - taken, stop, one, qubits))
    slots.sort(key=lambda slot: (round(slot[0] / NS, 3), slot[1]))
    found, now = circuit.copy_empty_like(), slots[0][2]
    gates = [(start, stop, tuple(sorted(q))) for _, _, start, stop, _, q in slots if len(q) == 2]
    edges = sorted({round(edge / NS, 3) for slot in slots for edge in (slot[0], slot[2], slot[3])})
    for edge in edges:
        inside = (now + edge * NS) / 2
        busy = {pair for start, stop, pair in gates if start < inside < stop}
        for pair, rate in rates.items():
            if pair not in busy:
                found.cp(-2 * np.pi * rate * (edge * NS - now), *pair)
        now = edge * NS
        while slots and round(slots[0][0] / NS, 3) <= edge:
            one = slots.pop(0)[4]
            if one.name != "delay":
                found.append(one)
    return found


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
def test_collected_phases_are_right_around_resets_and_measurements_inside(seed):
    rng = np.random.default_rng(seed)
    backend = make(zz=700 * KHZ, sx_s=40 * NS, two_s=200 * NS)
    circuit = QuantumCircuit(NUM, 6)
    for _ in range(24):
        first = int(rng.integers(NUM - 1))
        match rng.integers(8):
            case 0:
                circuit.cz(first, first + 1)
            case 1:
                circuit.delay(int(rng.integers(700)), first, unit="ns")
            case 2:
                circuit.reset(int(rng.integers(NUM)))
            case 3:
                circuit.measure(int(rng.integers(NUM)), int(rng.integers(6)))
            case _:
                circuit.sx(int(rng.integers(NUM)))
    circuit.measure(range(NUM), rng.permutation(6)[:NUM])
    weights = 1 << np.arange(6)
    first = shots_of(backend, circuit)[0] @ weights
    ideal = Emulator("sim_a", backend.target)
    second = shots_of(ideal, sliced(circuit, backend), seed=4)[0] @ weights
    table = np.stack([np.bincount(one, minlength=64) for one in (first, second)])
    table = table[:, table.sum(axis=0) > 10]
    assert chi2_contingency(table).pvalue > 1e-4


# --- over-rotation ----------


@pytest.mark.parametrize("number", [1, 4, 9])
@pytest.mark.parametrize("excess", [0.02, -0.05])
def test_over_rotations_of_cz_add_up_coherently(number, excess):
    circuit = QuantumCircuit(NUM, 1)
    circuit.x(1)
    hadamard(circuit, 0)
    for _ in range(number):
        circuit.cz(0, 1)
    hadamard(circuit, 0)
    circuit.measure(0, 0)
    found = values_of(make(over_rotation=excess), circuit)
    assert_allclose(found, np.cos(number * np.pi * (1 + excess)), atol=TOLERANCE)


@pytest.mark.parametrize("two", ["ecr", "cx"])
def test_over_rotation_of_cross_resonance_turns_the_target_further_about_x(two):
    excess, number = 0.06, 6  # an even number: nothing, but for the excess
    circuit = QuantumCircuit(NUM, 1)
    for _ in range(number):
        getattr(circuit, two)(0, 1)
        if two == "ecr":
            circuit.x(0)  # the echo's own, which would undo it
    circuit.measure(1, 0)
    angle = number * np.pi / 2 * (excess if two == "cx" else 1 + excess)
    found = values_of(make(over_rotation=excess, two=two), circuit)
    assert_allclose(np.abs(found), abs(np.cos(angle)), atol=TOLERANCE)


def test_over_rotation_of_rzz_is_a_part_of_its_angle_also_where_that_is_a_parameter():
    excess, number = 0.08, 3
    circuit = QuantumCircuit(NUM, 1)
    angle = Parameter("a")
    hadamard(circuit, 0)
    for _ in range(number):
        circuit.rzz(angle, 0, 1)
    circuit.rzz(0.4, 1, 0)
    hadamard(circuit, 0)
    circuit.measure(0, 0)
    values = np.array([[0.3], [1.1], [0.0]])
    found = 1 - 2 * shots_of(make(over_rotation=excess, two="rzz"), circuit, values=values)[..., 0].mean(
        axis=1
    )
    turned = (number * values[:, 0] + 0.4) * (1 + excess)
    assert_allclose(found, np.cos(turned), atol=TOLERANCE)


def test_twirled_over_rotations_add_up_incoherently():
    excess, number, shots = 0.1, 8, 8000
    rng = np.random.default_rng(1)
    circuit = QuantumCircuit(NUM, 1)
    angles = ParameterVector("t", 2 * number + 2)
    circuit.x(1)
    hadamard(circuit, 0)
    for step in range(number):
        # X of qubit 1 before and after a cz is Z of qubit 0, and turns its excess the other way round
        for side in range(2):
            hadamard(circuit, 1)
            circuit.rz(angles[2 * step], 1)
            hadamard(circuit, 1)
            if not side:
                circuit.cz(0, 1)
        circuit.rz(angles[2 * step + 1], 0)
    hadamard(circuit, 0)
    circuit.measure(0, 0)
    flips = rng.integers(0, 2, (shots, number))
    order = {parameter: place for place, parameter in enumerate(circuit.parameters)}
    values = np.zeros((shots, len(order)))
    for step in range(number):
        values[:, order[angles[2 * step]]] = np.pi * flips[:, step]
        # where qubit 1 was 0 the cz did nothing: give the turn that it would have made
        values[:, order[angles[2 * step + 1]]] = np.pi * flips[:, step]
    found = 1 - 2 * shots_of(make(over_rotation=excess), circuit, shots=1, values=values).mean()
    # each cz turns by pi (1 + excess) or not at all, with equal chances: a mean of cosines
    expected = ((1 + np.exp(1j * np.pi * excess)) / 2) ** number
    assert found == pytest.approx(expected.real, abs=5 / np.sqrt(shots))


# --- twirling, damping, reading ----------


def test_twirling_turns_zz_into_its_pauli_channel():
    """By hand: Paulis before and after a delay; the four corners are then equal."""
    rate, time, shots = 60 * KHZ, 4 * US, 20_000
    rng = np.random.default_rng(5)
    circuit = QuantumCircuit(NUM, 2)
    angles = ParameterVector("t", 4)
    for qubit in range(2):
        hadamard(circuit, qubit)

    def twirl():
        for qubit in range(2):
            circuit.rz(angles[2 * qubit], qubit)
            hadamard(circuit, qubit)
            circuit.rz(angles[2 * qubit + 1], qubit)
            hadamard(circuit, qubit)

    twirl()
    circuit.delay(time / US, 0, unit="us")
    circuit.delay(time / US, 1, unit="us")
    twirl()
    hadamard(circuit, 0, 1)
    circuit.measure([0, 1], [0, 1])
    order = [list(circuit.parameters).index(angle) for angle in angles]
    values = np.zeros((shots, 4))
    values[:, order] = np.pi * rng.integers(0, 2, (shots, 4))
    bits = shots_of(make(zz=rate), circuit, shots=1, values=values)[:, 0]
    # diag(1, 1, 1, e^{i a}) has Pauli weights |1 - e^{i a}|^2 / 16 for ZI, IZ and ZZ
    weight = np.sin(np.pi * rate * time) ** 2 / 4
    counts = np.bincount(bits @ [1, 2], minlength=4) / shots
    assert_allclose(counts, [1 - 3 * weight, weight, weight, weight], atol=5 * np.sqrt(0.25 / shots))


def test_pulses_do_nothing_about_relaxation():
    backend = make(
        detuning=0.0, t1=60 * US, t2=120 * US, zz=1.0
    )  # a rate too small to matter: laid out in time
    plain = values_of(backend, ramsey(40 * US))[0]
    echoed = values_of(backend, ramsey(40 * US, pulses=XY4))[0]
    assert plain == pytest.approx(np.exp(-40 / 120), abs=TOLERANCE)
    assert echoed == pytest.approx(plain, abs=2 * TOLERANCE)


def test_xy4_by_hand_recovers_what_quasi_static_detuning_takes_from_an_idle_qubit():
    noise = {"t1": 200 * US, "t2": 150 * US, "sx_s": 35 * NS, "error": 2e-4}
    circuits = ramsey(30 * US), ramsey(30 * US, pulses=XY4)
    still = values_of(make(zz=1.0, **noise), circuits[0])[0]
    bare, echoed = (values_of(make(detuning=12 * KHZ, **noise), circuit)[0] for circuit in circuits)
    assert bare < 0.5 * still
    assert echoed - bare > 0.8 * (still - bare)


def test_idle_time_relaxes_whether_it_is_written_or_not():
    backend = make(zz=1.0, t1=30 * US, two_s=20 * US)
    circuit = QuantumCircuit(NUM, 1)
    circuit.x(0)
    circuit.barrier()
    circuit.cz(2, 3)
    circuit.barrier()
    circuit.x(0)
    circuit.measure(0, 0)
    written = circuit.copy_empty_like()
    written.x(0)
    written.delay(20, 0, unit="us")
    written.x(0)
    written.measure(0, 0)
    found = [shots_of(backend, one)[0].mean() for one in (circuit, written)]
    assert_allclose(found, 1 - np.exp(-20 / 30), atol=TOLERANCE)


@pytest.mark.parametrize("state", range(4))
def test_readout_crosstalk_is_exact_on_two_qubits(state):
    added, own = 0.15, np.array([[0.02, 0.05], [0.1, 0.03]])
    backend = make(crosstalk=added, noisy=True)
    backend.noise.readout[:2] = own
    circuit = QuantumCircuit(NUM, 2)
    for qubit in range(2):
        if state >> qubit & 1:
            circuit.x(qubit)
    circuit.measure([0, 1], [0, 1])
    bits = shots_of(backend, circuit)[0]
    counts = np.bincount(bits @ [1, 2], minlength=4) / SHOTS
    ones = [state & 1, state >> 1]
    wrong = [own[qubit, ones[qubit]] + added * ones[1 - qubit] for qubit in range(2)]
    reads = [[1 - wrong[qubit], wrong[qubit]][:: 1 - 2 * ones[qubit]] for qubit in range(2)]
    assert_allclose(counts, [reads[0][k & 1] * reads[1][k >> 1] for k in range(4)], atol=TOLERANCE / 2)


# --- engines ----------


@pytest.mark.parametrize("method", [None, "statevector", "density_matrix", "matrix_product_state"])
@pytest.mark.parametrize("kernel", [True, False])
def test_every_engine_shows_the_same_noise(method, kernel, monkeypatch):
    if not kernel:
        monkeypatch.setattr("coldplate.backends.running.native", lambda: None)
        monkeypatch.setattr("coldplate.backends.table.native", lambda: None)
    backend = make(
        zz=60 * KHZ, detuning=15 * KHZ, over_rotation=0.05, two_s=0.4 * US, sx_s=0.1 * US, t1=90 * US
    )
    circuit = QuantumCircuit(NUM, 2)
    hadamard(circuit, 0, 1)
    circuit.delay(3, 0, unit="us")
    circuit.cz(0, 1)
    circuit.x(1)
    circuit.delay(4, 1, unit="us")
    circuit.cz(0, 1)
    hadamard(circuit, 0, 1)
    circuit.measure([0, 1], [0, 1])
    shots = 1500
    found = values_of(backend, circuit, shots=shots, method=method)
    expected = values_of(backend, circuit, shots=40_000)
    assert np.abs(expected).max() < 0.9
    assert_allclose(found, expected, atol=5 / np.sqrt(shots))


def test_clifford_device_has_readout_crosstalk():
    plain, beside = (
        build(Entry("clifford_a", "clifford", snapshot="lagos", readout_crosstalk=added))
        for added in (0.0, 0.2)
    )
    circuit = QuantumCircuit(7, 7)
    circuit.x([0, 2])
    circuit.measure(range(7), range(7))
    first, second = (shots_of(one, circuit)[0].mean(axis=0) for one in (plain, beside))
    # qubit 1 lies between 0 and 2; 3 beside 1 and 5
    assert_allclose((second - first)[[1, 3, 4, 5, 6]], [0.4, 0, 0, 0, 0], atol=0.06)
