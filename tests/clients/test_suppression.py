"""Noise that suppression can suppress, and whole devices at once, through the unmodified client."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.quantum_info import PauliLindbladMap
from qiskit_ibm_runtime import Executor, SamplerV2
from qiskit_ibm_runtime.exceptions import RuntimeJobFailureError
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from samplomatic import InjectNoise, Twirl, build

from coldplate.client import pointed_at
from coldplate.testing import running_server

SEED = 5
TIME_S = 12e-6

CATALOG = """
[[backends]]
name = "emu_drifting"
kind = "emulated"
snapshot = "lagos"
noise = false
detuning_khz = 20.0

[[backends]]
name = "emu_crosstalk"
kind = "emulated"
snapshot = "lagos"
noise = false
zz_khz = 60.0
readout_crosstalk = 0.2

[[backends]]
name = "clifford_eagle"
kind = "clifford"
snapshot = "kyiv"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The official client's service, of a server with devices of its own."""
    catalog = tmp_path_factory.mktemp("catalog") / "devices.toml"
    catalog.write_text(CATALOG)
    with running_server(catalog=catalog) as server:
        with pointed_at(server.url, server.key, server.crn) as pointed:
            yield pointed


def sampler(backend) -> SamplerV2:
    return SamplerV2(backend, options={"simulator": {"seed_simulator": SEED}})


def waiting(backend, pulses: str, *, neighbours=()) -> QuantumCircuit:
    """Qubit 0 waits in a superposition, with pulses evenly spread; without noise it then reads 0."""
    part = round(TIME_S / 8 / backend.dt)
    circuit = QuantumCircuit(backend.num_qubits, 1)
    if neighbours:
        circuit.x(list(neighbours))
        circuit.barrier()
    circuit.sx(0)
    circuit.delay(part if pulses else 8 * part, 0)
    for place, pulse in enumerate(pulses):
        if pulse == "Y":
            circuit.rz(np.pi, 0)
        circuit.x(0)
        circuit.delay(part if place == 3 else 2 * part, 0)
    circuit.rz(np.pi, 0)
    circuit.sx(0)
    circuit.measure(0, 0)
    return circuit


def errors(result) -> list[float]:
    """How often each pub's bit was 1."""
    return [pub.data.c.get_bitstrings().count("1") / pub.data.c.num_shots for pub in result]


def test_xy4_by_hand_recovers_what_slow_detuning_takes(service):
    backend = service.backend("emu_drifting")
    bare, echoed = errors(
        sampler(backend).run([waiting(backend, ""), waiting(backend, "XYXY")], shots=2000).result()
    )
    expected = (1 - np.exp(-((2 * np.pi * 20e3 * TIME_S) ** 2) / 2)) / 2
    assert bare == pytest.approx(expected, abs=0.06)
    assert echoed < 0.2 * bare


@pytest.mark.parametrize("sequence", ["XX", "XpXm", "XY4"])
def test_dynamical_decoupling_of_the_options_recovers_it_too(service, sequence):
    backend = service.backend("emu_drifting")
    decoupled = sampler(backend)
    decoupled.options.dynamical_decoupling.enable = True
    decoupled.options.dynamical_decoupling.sequence_type = sequence
    circuit = waiting(backend, "")
    bare, echoed = (
        errors(one.run([circuit], shots=2000).result())[0] for one in (sampler(backend), decoupled)
    )
    assert bare > 0.3
    assert echoed < 0.2 * bare


def test_frequency_shifts_when_a_neighbour_is_excited(service):
    backend = service.backend("emu_crosstalk")
    circuits = [waiting(backend, "", neighbours=some) for some in ((), (1,), (5,))]
    alone, beside, far = errors(sampler(backend).run(circuits, shots=2000).result())
    assert alone == far == 0.0
    assert beside == pytest.approx((1 - np.cos(2 * np.pi * 60e3 * TIME_S)) / 2, abs=0.06)


def test_neighbours_that_are_read_together_are_misread(service):
    backend = service.backend("emu_crosstalk")
    circuit = QuantumCircuit(backend.num_qubits)
    circuit.x(0)
    circuit.measure_all()
    counts = sampler(backend).run([circuit], shots=2000).result()[0].data.meas.get_counts()
    assert set(counts) == {"0000001", "0000011"}  # qubit 1 beside qubit 0, and nobody else
    assert counts["0000011"] / 2000 == pytest.approx(0.2, abs=0.05)


def test_dynamic_circuit_is_refused_by_name(service):
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    job = sampler(service.backend("emu_drifting")).run([circuit])
    with pytest.raises(
        RuntimeJobFailureError, match="coherent noise, which can't be simulated with circuits"
    ):
        job.result()


# --- a whole device ----------------------------------------------------------------------------------


def pairs_of(backend) -> list[tuple[int, int]]:
    """Pairs that share no qubit, all over the device."""
    used: set[int] = set()
    found = []
    for pair in sorted(backend.target["ecr"]):
        if not used & set(pair):
            used |= set(pair)
            found.append(pair)
    return found


def layers(backend, pairs):
    """Two twirled layers of ecr that undo each other, with noise injected into the first; all read."""
    circuit = QuantumCircuit(
        QuantumRegister(backend.num_qubits, "q"), ClassicalRegister(2 * len(pairs), "seen")
    )
    for ref in ("layer", ""):
        with circuit.box([Twirl(), *([InjectNoise(ref)] if ref else [])]):
            for pair in pairs:
                circuit.ecr(*pair)
    with circuit.box([Twirl()]):
        circuit.measure([qubit for pair in pairs for qubit in pair], range(2 * len(pairs)))
    return build(circuit)


def test_injected_noise_damps_a_whole_device_and_inverse_noise_undoes_as_much(service):
    backend = service.backend("clifford_eagle")
    pairs = pairs_of(backend)
    assert len(pairs) > 45
    template, samplex = layers(backend, pairs)
    (name,) = (one.name for one in samplex.inputs().specs if one.name.startswith("pauli_lindblad_maps"))
    qubits = [qubit for pair in pairs for qubit in pair]
    rate, targets = 0.1, [pair[1] for pair in pairs[:3]]  # an X of a target stays one
    terms = [("X", [sorted(qubits).index(target)], rate) for target in targets]
    model = PauliLindbladMap.from_sparse_list(terms, num_qubits=len(qubits))
    program = QuantumProgram(shots=8)
    for scale in (0.0, 1.0, -1.0):
        program.append_samplex_item(
            template, samplex=samplex, samplex_arguments={name: model.scale_rates(scale)}, shape=(2000,)
        )
    items = Executor(backend, options={"experimental": {"seed": SEED}}).run(program).result()
    gamma = np.exp(2 * rate * len(targets))
    values = []
    for item, weight in zip(items, (1.0, 1.0, gamma), strict=True):
        bits = item["seen"] ^ item["measurement_flips.seen"]
        assert bits.shape == (2000, 8, len(qubits))
        signs = 1 - 2 * item["pauli_signs"].sum(axis=-1).astype(int)
        values.append(weight * (signs[:, None, None] * (1 - 2.0 * bits)).mean(axis=(0, 1)))
    plain, noisy, inverse = (found[[qubits.index(target) for target in targets]].mean() for found in values)
    assert np.median(values[0]) > 0.85
    assert noisy / plain == pytest.approx(np.exp(-2 * rate), abs=0.05)
    assert inverse / plain == pytest.approx(np.exp(2 * rate), abs=0.1)
    others = [qubits.index(qubit) for pair in pairs[3:] for qubit in pair]
    assert np.abs(values[1] - values[0])[others].mean() < 0.02
