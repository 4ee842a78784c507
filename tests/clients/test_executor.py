"""The executor and the client-side primitives on top of it, through the unmodified client."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import Executor
from qiskit_ibm_runtime.exceptions import IBMRuntimeError, RuntimeJobFailureError
from qiskit_ibm_runtime.executor_estimator import Estimator
from qiskit_ibm_runtime.executor_sampler import Sampler
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from samplomatic import ChangeBasis, Twirl, build

SEED = 3


def executor(service, backend="sim_statevector", **options) -> Executor:
    return Executor(mode=service.backend(backend), options=options or None)


def run(service, program, backend="sim_statevector"):
    """The result of a program, its randomness fixed."""
    return executor(service, backend, experimental={"seed": SEED}).run(program).result()


def turned() -> QuantumCircuit:
    """Qubit 0 turned by `b` and qubit 1 by `a`; 0 flips, pi does not."""
    circuit = QuantumCircuit(2)
    for qubit, name in enumerate("ba"):
        circuit.sx(qubit)
        circuit.rz(Parameter(name), qubit)
        circuit.sx(qubit)
    circuit.measure_all()
    return circuit


def boxed(*, flipped: bool = True):
    """A twirled box with an X, and one that measures in a basis of choice; built by samplomatic."""
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(2, "seen"))
    with circuit.box([Twirl()]):
        if flipped:
            circuit.x(0)
        circuit.cz(0, 1)
    with circuit.box([Twirl(), ChangeBasis(ref="basis")]):
        circuit.measure([0, 1], [0, 1])
    return build(circuit)


# --- programs ---------------------------------------------------------------------------------------


def test_circuit_item_is_swept_over_its_arguments(service):
    arguments = np.array([[[0.0, 0.0], [0.0, np.pi]], [[np.pi, 0.0], [np.pi, np.pi]]])  # columns a, b
    program = QuantumProgram(shots=6)
    program.append_circuit_item(turned(), circuit_arguments=arguments)
    seen = run(service, program)[0]["meas"]
    assert (seen.shape, seen.dtype) == ((2, 2, 6, 2), bool)
    assert seen.all(axis=2).tolist() == seen.any(axis=2).tolist()
    # bit 0 first: it shows b
    assert seen[:, :, 0].astype(int).tolist() == [[[1, 1], [0, 1]], [[1, 0], [0, 0]]]


def test_items_of_one_program_have_their_own_registers(service):
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "left"), ClassicalRegister(3, "right"))
    circuit.x(1)
    circuit.measure(0, 0)
    circuit.measure(1, 3)
    program = QuantumProgram(shots=4)
    program.append_circuit_item(circuit)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros(2))
    first, second = run(service, program)
    assert set(first) == {"left", "right"}
    assert (first["left"].shape, first["right"].shape) == ((4, 1), (4, 3))
    assert first["right"].tolist() == [[False, False, True]] * 4
    assert second["meas"].all()


def test_samplex_item_gives_raw_bits_and_the_flips_that_were_drawn(service):
    template, samplex = boxed()
    program = QuantumProgram(shots=5)
    arguments = {"basis_changes": {"basis": np.zeros(2, dtype=np.uint8)}}
    program.append_samplex_item(template, samplex=samplex, samplex_arguments=arguments, shape=(40,))
    item = run(service, program)[0]
    bits, flips = item["seen"], item["measurement_flips.seen"]
    assert (bits.shape, flips.shape) == ((40, 5, 2), (40, 1, 2))
    assert flips.any(axis=0).all()  # both outcomes of the draw
    assert not flips.all(axis=0).any()
    assert (bits ^ flips == [True, False]).all()


def test_basis_of_a_samplex_item_is_swept_while_it_is_randomized(service):
    template, samplex = boxed(flipped=False)
    program = QuantumProgram(shots=50)
    bases = np.array([[0, 0], [2, 2]], dtype=np.uint8)  # samplomatic's numbers of bases that differ
    arguments = {"basis_changes": {"basis": bases}}
    program.append_samplex_item(template, samplex=samplex, samplex_arguments=arguments, shape=(20, 2))
    item = run(service, program)[0]
    bits = item["seen"] ^ item["measurement_flips.seen"]
    assert bits.shape == (20, 2, 50, 2)
    assert not bits[:, 0].any()
    assert 0.4 < bits[:, 1].mean() < 0.6


@pytest.mark.parametrize(
    ("meas_level", "names"),
    [
        ("classified", {"meas"}),
        ("kerneled", {"meas_iq"}),
        ("avg_kerneled", {"meas_avg_iq"}),
        ("both", {"meas", "meas_iq"}),
    ],
)
def test_meas_level_says_what_is_returned(service, meas_level, names):
    program = QuantumProgram(shots=30, meas_level=meas_level)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((3, 2)))
    item = run(service, program, "emu_fast")[0]
    assert set(item) == names
    for name in names:
        expected = (3, 2) if name == "meas_avg_iq" else (3, 30, 2)
        assert item[name].shape == expected
        assert item[name].dtype.kind == ("b" if name == "meas" else "c")


def test_passthrough_data_come_back_as_they_were(service):
    given = {"text": "note", "number": 1.5, "nested": [{"array": np.arange(6.0).reshape(2, 3)}, None, True]}
    program = QuantumProgram(shots=1, passthrough_data=given)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros(2))
    found = run(service, program).passthrough_data
    assert found["nested"][0].pop("array").tolist() == given["nested"][0].pop("array").tolist()
    assert found == given


def test_chunks_tell_when_every_item_ran(service):
    program = QuantumProgram(shots=2)
    for size in (3, 1):
        program.append_circuit_item(turned(), circuit_arguments=np.zeros((size, 2)))
    chunks = run(service, program, "emu_fast").metadata.chunk_timing
    sizes = {part.idx_item: part.size for chunk in chunks for part in chunk.parts}
    assert sizes == {0: 3, 1: 1}
    assert all(chunk.start <= chunk.stop for chunk in chunks)


def test_same_seed_gives_the_same_bits(service):
    def bits(seed):
        program = QuantumProgram(shots=100)
        program.append_circuit_item(turned(), circuit_arguments=np.ones(2))
        result = executor(service, "emu_fast", experimental={"seed": seed}).run(program).result()
        return result[0]["meas"].tobytes()

    assert bits(1) == bits(1)
    assert bits(1) != bits(2)


def test_dynamic_circuit_runs(service):
    circuit = QuantumCircuit(2, 2)
    circuit.sx(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    program = QuantumProgram(shots=100)
    program.append_circuit_item(circuit)
    bits = run(service, program)[0]["c"]
    assert (bits[:, 0] == bits[:, 1]).all()
    assert 0 < bits[:, 0].sum() < 100


def stretched() -> QuantumCircuit:
    """Qubit 0 waits twice while qubit 1 waits for 1001 dt."""
    circuit = QuantumCircuit(2, 2)
    gap = circuit.add_stretch("gap")
    circuit.delay(1001, 1, unit="dt")
    circuit.delay(gap, 0)
    circuit.x(0)
    circuit.delay(gap, 0)
    circuit.barrier()
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_schedules_and_stretches_are_told(service):
    program = QuantumProgram(shots=5)
    program.append_circuit_item(stretched())
    options = {"execution": {"scheduler_timing": True, "stretch_values": True}}
    result = executor(service, "emu_quiet", **options).run(program).result()
    (told,) = result[0].metadata.stretch_values
    assert (told.name, told.value, told.remainder) == ("gap", 496, 1)
    assert [list(pair) for pair in told.expanded_values] == [[0, 496], [504, 497]]
    assert result[0].metadata.scheduler_timing.circuit_duration == 1001 + 390
    assert (result[0]["c"][:, 0] == 1).all()


def test_a_stretch_fills_the_shorter_branch(service):
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.x(0)
        circuit.delay(circuit.add_stretch("gap"), 0)
    with otherwise:
        circuit.delay(1000, 0, unit="dt")
    circuit.measure(0, 1)
    program = QuantumProgram(shots=5)
    program.append_circuit_item(circuit)
    result = executor(service, "emu_quiet", execution={"stretch_values": True}).run(program).result()
    (told,) = result[0].metadata.stretch_values
    assert (told.name, told.value) == ("gap", 1000 - 8)
    assert result[0]["c"].tolist() == [[True, False]] * 5


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"experimental": {"warp_drive": 9}}, "experimental.warp_drive"),
    ],
)
def test_option_that_cant_be_honoured_is_refused_by_name(service, options, named):
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros(2))
    with pytest.raises(IBMRuntimeError, match=named):
        executor(service, "emu_fast", **options).run(program)


def test_circuit_that_is_not_isa_fails_with_the_official_code(service):
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    program = QuantumProgram(shots=1)
    program.append_circuit_item(circuit)
    job = executor(service, "emu_fast").run(program)
    with pytest.raises(RuntimeJobFailureError, match="1517"):
        job.result()


# --- client-side sampler ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "twirling", [{}, {"enable_measure": True}, {"enable_gates": True, "enable_measure": True}]
)
def test_sampler_on_a_quiet_device_is_exact_whatever_is_twirled(service, twirling):
    backend = service.backend("emu_quiet")
    circuit = QuantumCircuit(backend.num_qubits, 3)
    circuit.x([0, 100])
    circuit.cz(0, 1)
    circuit.measure([0, 1, 100], [0, 1, 2])
    result = Sampler(mode=backend, options={"twirling": twirling}).run([circuit], shots=128).result()
    assert result[0].data.c.get_counts() == {"101": 128}


def test_sampler_sweeps_parameters_of_every_pub(service):
    pubs = [(turned(), np.zeros((2, 3, 2))), (turned(), [0.0, np.pi], 20)]
    result = Sampler(mode=service.backend("emu_quiet")).run(pubs, shots=20).result()
    assert (result[0].data.meas.shape, result[0].data.meas.num_shots) == ((2, 3), 20)
    assert result[1].data.meas.get_counts() == {"10": 20}


def test_sampler_on_a_noisy_device_shows_its_readout_error(service):
    backend = service.backend("emu_fast")
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    options = {"simulator": {"seed_simulator": SEED}}
    counts = (
        Sampler(mode=backend, options=options).run([circuit], shots=4000).result()[0].data.meas.get_counts()
    )
    expected = np.prod([1 - backend.properties().readout_error(qubit) for qubit in (0, 1)])
    assert abs(counts["01"] / 4000 - expected) < 0.1


def test_seed_of_the_client_side_sampler_is_kept(service):
    def bits(seed):
        sampler = Sampler(mode=service.backend("emu_fast"), options={"simulator": {"seed_simulator": seed}})
        pub = turned().assign_parameters([1.0, 2.0])
        return sampler.run([pub], shots=200).result()[0].data.meas.array.tobytes()

    assert bits(1) == bits(1)
    assert bits(1) != bits(2)


# --- client-side estimator --------------------------------------------------------------------------


def pair(num_qubits: int) -> tuple[QuantumCircuit, list[SparsePauliOp], np.ndarray]:
    """A Bell pair on the first two qubits of a device, and observables that show it."""
    circuit = QuantumCircuit(num_qubits)
    for qubit in (0, 1):  # h, in the gates of the device
        circuit.rz(np.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(np.pi / 2, qubit)
    circuit.cz(0, 1)
    circuit.rz(np.pi / 2, 1)
    circuit.sx(1)
    circuit.rz(np.pi / 2, 1)
    names = ["ZZ", "XX", "YY", "IZ"]
    return circuit, [SparsePauliOp("I" * (num_qubits - 2) + name) for name in names], np.array([1, 1, -1, 0])


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="default"),
        pytest.param({"resilience_level": 0}, id="level 0"),
        pytest.param({"resilience_level": 1}, id="level 1: TREX"),
        pytest.param({"twirling": {"enable_gates": True, "enable_measure": True}}, id="gates twirled"),
    ],
)
def test_estimator_on_a_quiet_device_of_133_qubits_is_exact(service, options):
    backend = service.backend("emu_quiet")
    circuit, observables, expected = pair(backend.num_qubits)
    data = Estimator(mode=backend, options=options).run([(circuit, observables)]).result()[0].data
    assert data.evs.shape == data.stds.shape == (4,)
    assert (np.abs(data.evs - expected) < 0.1).all()  # more than 6 sigma of 4096 shots
    assert np.abs(data.evs[:3] - expected[:3]).max() < 1e-9


def test_estimator_mitigates_the_readout_error_of_a_noisy_device(service):
    backend = service.backend("emu_fractional")
    circuit = QuantumCircuit(backend.num_qubits)
    circuit.x(0)
    observable = SparsePauliOp("I" * (backend.num_qubits - 1) + "Z")
    options = {"simulator": {"seed_simulator": SEED}}
    raw, mitigated = (
        Estimator(mode=backend, options={"resilience_level": level, **options})
        .run([(circuit, observable)])
        .result()[0]
        .data.evs
        for level in (0, 1)
    )
    error = backend.properties().qubit_property(0, "prob_meas0_prep1")[0]  # twice that of 0
    assert abs(raw + 1 - 2 * error) < 0.02
    assert abs(mitigated + 1) < 0.02


def test_estimator_sweeps_parameters_and_observables(service):
    backend = service.backend("emu_quiet")
    circuit = QuantumCircuit(backend.num_qubits)
    circuit.sx(0)
    circuit.rz(Parameter("a"), 0)
    circuit.sx(0)
    wide = "I" * (backend.num_qubits - 1)
    values = np.array([[0.0], [np.pi], [np.pi / 2]])
    pub = (circuit, [[SparsePauliOp(wide + "Z")], [SparsePauliOp(wide + "X")]], values)
    evs = Estimator(mode=backend).run([pub]).result()[0].data.evs
    assert evs.shape == (2, 3)
    assert np.abs(evs[0] - [-1, 1, 0]).max() < 0.1
    assert np.abs(np.abs(evs[1]) - [0, 0, 1]).max() < 0.1
