"""The sampler through the unmodified client: shapes, registers, options, seeds, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer.noise import NoiseModel, ReadoutError, pauli_error
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import IBMRuntimeError, RuntimeJobFailureError

SEED = {"simulator": {"seed_simulator": 11}}


def sampler(service, backend="sim_statevector", **options) -> SamplerV2:
    return SamplerV2(mode=service.backend(backend), options=options or None)


def run(service, *pubs, backend="sim_statevector", shots=None, **options):
    """The result of a job."""
    return sampler(service, backend, **options).run(pubs, shots=shots).result()


def turned() -> QuantumCircuit:
    """Qubit 0 turned by `b` and qubit 1 by `a`: bits 0 and 1 show sin^2 of half of it."""
    circuit = QuantumCircuit(2)
    for qubit, name in enumerate("ba"):
        circuit.sx(qubit)
        circuit.rz(Parameter(name), qubit)
        circuit.sx(qubit)
    circuit.measure_all()
    return circuit


def flipped(num_qubits: int = 1) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.x(0)
    circuit.measure_all()
    return circuit


# --- shapes and shots -------------------------------------------------------------------------------


def test_parameter_values_go_to_their_parameters(service):
    a, b = np.broadcast_arrays([[0.0], [np.pi]], [0.0, np.pi, 0.0])
    bits = run(service, (turned(), {"b": b, "a": a}), shots=8)[0].data.meas
    assert (bits.shape, bits.num_shots, bits.num_bits) == ((2, 3), 8, 2)
    found = [[next(iter(bits.get_counts((row, column)))) for column in range(3)] for row in range(2)]
    # sx rz(0) sx is x, sx rz(pi) sx is the identity
    assert found == [["11", "10", "11"], ["01", "00", "01"]]


@pytest.mark.parametrize(
    "shape",
    [
        (1,),
        (3,),
        (2, 2),
        (0,),
    ],
)
def test_result_has_the_shape_of_the_pub(service, shape):
    bits = run(service, (turned(), np.zeros((*shape, 2))), shots=4)[0].data.meas
    assert (bits.shape, bits.array.shape) == (shape, (*shape, 4, 1))


@pytest.mark.parametrize(
    ("options", "of_run", "of_pub", "expected"),
    [
        pytest.param({}, None, None, 4096, id="4096"),
        pytest.param({"default_shots": 50}, None, None, 50, id="default_shots"),
        pytest.param({"default_shots": 50}, 60, None, 60, id="run"),
        pytest.param({"default_shots": 50}, 60, 70, 70, id="pub"),
    ],
)
def test_shots_come_from_the_pub_then_run_then_the_default(service, options, of_run, of_pub, expected):
    pub = (flipped(), None, of_pub)
    assert run(service, pub, shots=of_run, **options)[0].data.meas.num_shots == expected


def test_pubs_of_one_job_have_their_own_circuits_and_shots(service):
    result = run(service, (flipped(), None, 5), (turned(), [0.0, np.pi], 7), flipped(9), shots=9)
    found = [pub.data.meas.get_counts() for pub in result]
    assert found == [{"1": 5}, {"10": 7}, {"000000001": 9}]


def test_bits_follow_the_statevector(service):
    angle = 2.0
    counts = run(service, (turned(), [np.pi, angle], 10_000), **SEED)[0].data.meas.get_counts()
    expected = np.cos(angle / 2) ** 2
    assert abs(counts["01"] / 10_000 - expected) < 5 * np.sqrt(expected * (1 - expected) / 10_000)
    assert set(counts) == {"00", "01"}


# --- registers ----------------------------------------------------------------------------------------


def test_every_classical_register_is_a_field_and_unmeasured_bits_are_0(service):
    qubits, low, wide, unused = (
        QuantumRegister(3),
        *(ClassicalRegister(n, m) for n, m in [(1, "low"), (9, "wide"), (2, "none")]),
    )
    circuit = QuantumCircuit(qubits, low, wide, unused)
    circuit.x(0)
    circuit.x(1)
    circuit.measure(0, low[0])
    circuit.measure(1, wide[8])
    circuit.measure(2, wide[0])
    data = run(service, circuit, shots=6)[0].data
    assert set(data) == {"low", "wide", "none"}
    assert data.low.get_counts() == {"1": 6}
    assert data.wide.get_counts() == {"100000000": 6}
    assert data.none.get_counts() == {"00": 6}


def test_dynamic_circuit_acts_on_what_it_measured(service):
    circuit = QuantumCircuit(
        QuantumRegister(2), ClassicalRegister(1, "first"), ClassicalRegister(1, "second")
    )
    circuit.sx(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    data = run(service, circuit, shots=400, **SEED)[0].data
    first, second = data.first.array, data.second.array
    assert (first == second).all()
    assert 100 < first.sum() < 300


def test_reset_and_mid_circuit_measurement(service):
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.measure(0, 1)
    assert run(service, circuit, shots=5)[0].data.c.get_counts() == {"01": 5}


def test_circuit_metadata_comes_back(service):
    circuit = flipped()
    circuit.metadata = {"purpose": "test", "number": [1, 2]}
    result = run(service, circuit, shots=2)
    assert result[0].metadata["circuit_metadata"] == circuit.metadata
    assert result.metadata["version"] == 2


# --- seeds and noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["active", "active-accum", "active-circuit", "all"])
@pytest.mark.parametrize("measure", [False, True])
def test_twirled_gates_leave_the_ideal_result_alone(service, strategy, measure):
    backend = service.backend("emu_quiet")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.x(2)
    circuit.measure_all()
    isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=1).run(circuit)
    twirling = {"enable_gates": True, "enable_measure": measure, "strategy": strategy}
    result = run(service, isa, backend="emu_quiet", shots=1000, twirling=twirling, **SEED)
    counts = result[0].data.meas.get_counts()
    assert set(counts) == {"011", "100"}
    assert 400 < counts["100"] < 600
    assert result[0].metadata["num_randomizations"] == 16


@pytest.mark.parametrize("sequence", ["XX", "XpXm", "XY4"])
@pytest.mark.parametrize("scheduling", ["alap", "asap"])
def test_decoupling_fills_idle_times_and_leaves_the_ideal_result_alone(service, sequence, scheduling):
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.delay(1000, 0, unit="dt")  # QPY keeps no other unit
    circuit.sx(0)
    circuit.measure_all()
    decoupling = {
        "enable": True,
        "sequence_type": sequence,
        "scheduling_method": scheduling,
        "extra_slack_distribution": "edges",
        "skip_reset_qubits": True,
    }
    experimental = {"execution": {"scheduler_timing": True}}
    result = run(
        service,
        circuit,
        backend="emu_quiet",
        dynamical_decoupling=decoupling,
        experimental=experimental,
        **SEED,
    )
    assert set(result[0].data.meas.get_counts()) == {"01"}
    told = result[0].metadata
    # qubit 1 waits too, but it is still 0
    assert told["coldplate"]["decoupling"] == {"sequences": 1, "idle_windows": 2}
    timing = told["compilation"]["scheduler_timing"]
    names = [line.split(",")[1].split("_")[0] for line in timing["timing"].split("\n")]
    assert names.count("x") == {"XY4": 4}.get(sequence, 2)
    assert timing["circuit_duration"] == 1000 + 2 * 8 + 390


@pytest.mark.parametrize("twirled", [False, True])
def test_m3_puts_quasi_probabilities_into_the_metadata(service, twirled):
    circuit = QuantumCircuit(QuantumRegister(5), ClassicalRegister(2, "a"), ClassicalRegister(4, "b"))
    circuit.x([0, 3])
    circuit.measure([0, 1, 3, 4], [1, 0, 3, 4])  # qubit 2 of this device is past mitigation
    options = {"twirling": {"enable_measure": twirled}, "experimental": {"readout_mitigation": "m3"}, **SEED}
    result = run(service, circuit, backend="emu_fast", shots=20_000, **options)[0]
    told = result.metadata["coldplate"]["readout_mitigation"]
    counts = result.join_data().get_counts()
    assert set(told["quasi_probabilities"]) == set(counts)
    best = max(counts, key=counts.get)
    assert best == "001010"
    assert counts[best] / 20_000 < 0.8
    assert abs(told["quasi_probabilities"][best] - 1) < 0.04
    assert 1 < told["mitigation_overhead"] < 20


@pytest.mark.parametrize(("meas_type", "shape"), [("kerneled", (3, 100, 2)), ("avg_kerneled", (3, 2))])
def test_points_of_twirled_gates_have_the_pubs_shape(service, meas_type, shape):
    circuit = QuantumCircuit(2)
    circuit.rz(Parameter("t"), 0)
    circuit.cz(0, 1)
    circuit.measure_all()
    options = {"twirling": {"enable_gates": True}, "execution": {"meas_type": meas_type}}
    data = run(service, (circuit, np.zeros((3, 1))), backend="emu_quiet", shots=100, **options)[0].data
    assert data.meas.shape == shape


def test_gates_around_a_branch_are_twirled(service):
    circuit = QuantumCircuit(2, 2)
    circuit.sx(0)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.cz(0, 1)
    circuit.measure(1, 1)
    twirling = {"enable_gates": True, "num_randomizations": 8, "shots_per_randomization": 10}
    counts = run(service, circuit, backend="emu_quiet", twirling=twirling)[0].data.c.get_counts()
    assert counts == {"11": 80}


def test_fractional_gates_cant_be_twirled(service):
    circuit = QuantumCircuit(2)
    circuit.rx(0.3, 0)
    circuit.measure_all()
    backend = service.backend("emu_fractional", use_fractional_gates=True)
    job = SamplerV2(backend, options={"twirling": {"enable_gates": True}}).run([circuit])
    with pytest.raises(RuntimeJobFailureError, match=r"1519.*\(rx\).*twirling.enable_gates"):
        job.result()


@pytest.mark.parametrize("backend", ["sim_statevector", "emu_fast", "clifford_eagle"])
@pytest.mark.parametrize("twirled", [False, True])
def test_same_seed_gives_the_same_bits_and_another_seed_others(service, backend, twirled):
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.sx(qubit)
    circuit.measure_all()

    def bits(seed):
        options = {"simulator": {"seed_simulator": seed}, "twirling": {"enable_measure": twirled}}
        result = run(service, circuit, backend=backend, shots=200, **options)
        return result[0].data.meas.array.tobytes()

    assert bits(1) == bits(1)
    assert bits(1) != bits(2)


def test_seed_is_told_so_that_any_job_can_be_repeated(service):
    def once(**options):
        result = run(service, turned().assign_parameters([1.0, 2.0]), shots=100, **options)
        return result.metadata["coldplate"]["seed"], result[0].data.meas.array.tobytes()

    seed, bits = once()
    assert once(simulator={"seed_simulator": seed}) == (seed, bits)


def flip_model(probability: float) -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(pauli_error([("X", probability), ("I", 1 - probability)]), ["x"])
    return model


@pytest.mark.parametrize("backend", ["sim_statevector", "emu_fast"])
def test_noise_model_replaces_the_noise_of_the_backend(service, backend):
    noisy = run(service, flipped(2), backend=backend, shots=300, simulator={"noise_model": flip_model(1.0)})
    assert noisy[0].data.meas.get_counts() == {"00": 300}


def test_noise_model_of_readout_and_numbers(service):
    model = NoiseModel()
    model.add_readout_error(ReadoutError([[0.0, 1.0], [1.0, 0.0]]), [1])
    result = run(service, flipped(2), shots=50, simulator={"noise_model": model})
    assert result[0].data.meas.get_counts() == {"11": 50}


def test_options_taken_from_a_backend_are_run(service):
    made = sampler(service)
    made.options.simulator.set_backend(service.backend("emu_fast"))
    assert made.options.simulator.coupling_map
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    counts = made.run([circuit], shots=1000).result()[0].data.meas.get_counts()
    assert 500 < counts["11"] < 900  # the readout error of the device, on an ideal simulator


@pytest.mark.parametrize(
    ("simulator", "told"),
    [
        ({"coupling_map": [[1, 2]]}, "coupling_map"),
        ({"basis_gates": ["sx", "rz", "x"]}, "basis_gates"),
    ],
)
def test_circuit_outside_of_the_simulated_device_fails_as_not_isa(service, simulator, told):
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.measure_all()
    job = sampler(service, simulator=simulator).run([circuit])
    with pytest.raises(RuntimeJobFailureError, match=rf"1517(.|\n)*{told}|{told}(.|\n)*1517"):
        job.result()


def test_circuit_inside_of_the_simulated_device_runs(service):
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    simulator = {"coupling_map": [[0, 1]], "basis_gates": ["x", "cx"]}
    assert run(service, circuit, shots=3, simulator=simulator)[0].data.meas.get_counts() == {"011": 3}


# --- readout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("meas_type", "shape"), [("kerneled", (3, 40, 2)), ("avg_kerneled", (3, 2))])
def test_iq_points_have_the_shape_of_their_meas_type(service, meas_type, shape):
    pub = (turned(), [[0, 0], [np.pi, 0], [np.pi, np.pi]], 40)
    points = run(service, pub, backend="emu_fast", execution={"meas_type": meas_type}, **SEED)[0].data.meas
    assert isinstance(points, np.ndarray)
    assert (points.shape, points.dtype.kind) == (shape, "c")
    mean = points.mean(axis=1) if meas_type == "kerneled" else points
    # rows: both qubits in 1; qubit 0 in 1; none in 1
    assert abs(mean[0, 0] - mean[1, 0]) < abs(mean[0, 0] - mean[2, 0])
    assert abs(mean[1, 1] - mean[2, 1]) < abs(mean[0, 1] - mean[2, 1])


@pytest.mark.parametrize(
    ("twirling", "shots", "randomizations", "given"),
    [
        pytest.param({}, 4096, 32, 4096, id="auto"),
        pytest.param({}, 100, 2, 100, id="at least 64 shots each"),
        pytest.param({"num_randomizations": 5, "shots_per_randomization": 20}, None, 5, 100, id="both given"),
        pytest.param({"num_randomizations": 10}, 95, 10, 95, id="a number of randomizations"),
    ],
)
def test_twirled_measurements_are_flipped_back(service, twirling, shots, randomizations, given):
    twirling = {"enable_measure": True, **twirling}
    result = run(service, (flipped(2), None, shots), twirling=twirling)
    assert result[0].data.meas.get_counts() == {"01": given}
    assert result[0].metadata["num_randomizations"] == randomizations


def test_twirling_makes_readout_error_symmetric(service):
    model = NoiseModel()
    model.add_all_qubit_readout_error(ReadoutError([[1.0, 0.0], [0.4, 0.6]]))  # only 1 is misread
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    simulator = {"noise_model": model, "seed_simulator": 3}
    plain = run(service, circuit, shots=4096, simulator=simulator)
    assert plain[0].data.meas.get_counts() == {"0": 4096}
    twirled = run(service, circuit, shots=4096, simulator=simulator, twirling={"enable_measure": True})
    assert 0.1 < twirled[0].data.meas.get_counts()["1"] / 4096 < 0.3


# --- execution --------------------------------------------------------------------------------------


def test_execution_spans_cover_every_shot_in_order(service):
    pubs = [(turned(), np.zeros((2, 3, 2)), 10), (flipped(), None, 20)]
    spans = run(service, *pubs).metadata["execution"]["execution_spans"]
    ordered = spans.sort(inplace=False)
    assert [span.pub_idxs for span in ordered] == [[0], [1]]
    assert [ordered[0].size, ordered[1].size] == [60, 20]
    assert spans.start == ordered[0].start <= ordered[0].stop <= ordered[1].start <= ordered[1].stop
    assert ordered[0].mask(0).shape == (2, 3, 10)
    assert ordered[0].mask(0).all()
    assert ordered[1].mask(1).sum() == 20
    assert spans.filter_by_pub(1).pub_idxs == [1]


def test_execution_spans_of_a_twirled_job_cover_the_shots_of_the_pub(service):
    pub = (turned(), np.zeros((2, 2)), 95)
    result = run(service, pub, twirling={"enable_measure": True, "num_randomizations": 10})
    (span,) = result.metadata["execution"]["execution_spans"]
    assert span.mask(0).shape == result[0].data.meas.array.shape[:-1] == (2, 95)
    assert span.mask(0).all()


def test_qubits_that_are_not_initialised_keep_their_state_between_shots(service):
    kept = run(service, flipped(), shots=10, execution={"init_qubits": False})[0].data.meas
    assert kept.array.ravel().tolist() == [1, 0] * 5
    fresh = run(service, flipped(), shots=10)[0].data.meas
    assert fresh.array.ravel().tolist() == [1] * 10


def test_usage_grows_with_the_repetition_delay(service):
    def used(rep_delay):
        job = sampler(service, "emu_fast", execution={"rep_delay": rep_delay}).run([flipped()], shots=10_000)
        job.result()
        return job.usage()

    assert used(4e-4) - used(1e-4) == pytest.approx(3, abs=1)  # seconds; usage may be whole ones


def test_ideal_simulator_is_charged_less_than_a_device(service):
    jobs = [sampler(service, name).run([flipped()], shots=10) for name in ("sim_statevector", "emu_fast")]
    for job in jobs:
        job.result()
    assert 0 <= jobs[0].usage() <= 1 < 2 <= jobs[1].usage()


def test_stabilizer_backend_runs_a_clifford_circuit_of_its_whole_width(service):
    backend = service.backend("clifford_eagle")
    circuit = QuantumCircuit(backend.num_qubits)
    circuit.x(range(0, backend.num_qubits, 2))
    circuit.measure_all()
    bits = run(service, circuit, backend="clifford_eagle", shots=20, **SEED)[0].data.meas
    assert (bits.num_shots, bits.num_bits) == (20, 127)
    ones = bits.to_bool_array(order="little").mean(axis=0)
    assert ones[0::2].mean() > 0.9 > 0.1 > ones[1::2].mean()


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"experimental": {"warp_drive": 9}}, "experimental.warp_drive"),
        ({"experimental": {"method": "guess"}}, "experimental.method"),
        (
            {"twirling": {"enable_measure": True}, "execution": {"meas_type": "kerneled"}},
            "twirling.enable_measure",
        ),
    ],
)
def test_option_that_cant_be_honoured_is_refused_by_name(service, options, named):
    with pytest.raises(IBMRuntimeError, match=named):
        sampler(service, **options).run([flipped()])


@pytest.mark.parametrize(
    "options",
    [
        {"dynamical_decoupling": {"enable": False, "sequence_type": "XY4"}},
        {"twirling": {"enable_gates": False, "strategy": "all"}},
        {"execution": {"rep_delay": 1e-4, "meas_type": "classified", "init_qubits": True}},
        {"experimental": {"method": "statevector"}},
        {"max_execution_time": 600, "environment": {"log_level": "INFO", "job_tags": ["a"]}},
    ],
)
def test_option_that_asks_for_nothing_more_is_accepted(service, options):
    assert run(service, flipped(), shots=3, **options)[0].data.meas.get_counts() == {"1": 3}


def test_registers_with_reserved_names_are_refused(service):
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, "shape"))
    circuit.measure(0, 0)
    with pytest.raises((RuntimeJobFailureError, ValueError), match="shape"):
        run(service, circuit)
