"""The noise learner of both generations and the calibrator, through the unmodified client."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import QuantumRegister
from qiskit_ibm_runtime import Batch, Calibrator, EstimatorV2, NoiseLearner, NoiseLearnerV3, Session
from qiskit_ibm_runtime.exceptions import IBMRuntimeError, RuntimeJobFailureError
from qiskit_ibm_runtime.executor_estimator import Estimator as ClientEstimator
from qiskit_ibm_runtime.executor_noise_learner import NoiseLearnerV3 as ClientLearner
from samplomatic.transpiler import generate_boxing_pass_manager
from samplomatic.utils import find_unique_box_instructions

DEVICE = "emu_heron"
PAIR = (0, 1)  # of ecr
FAST = {"num_randomizations": 8, "shots_per_randomization": 64, "layer_pair_depths": [0, 1, 4]}


def learner(service, backend=DEVICE, **options) -> NoiseLearner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return NoiseLearner(service.backend(backend), {"simulator": {"seed_simulator": 3}, **FAST, **options})


def circuit(service, *pairs, measured=False) -> QuantumCircuit:
    """Gates on pairs of qubits, one after the other."""
    made = QuantumCircuit(QuantumRegister(service.backend(DEVICE).num_qubits, "q"))
    for pair in pairs:
        made.cz(*pair)
    if measured:
        made.measure_active()
    return made


def boxes(service, *pairs):
    """The different boxes of a circuit that measures in the end."""
    manager = generate_boxing_pass_manager(twirling_strategy="active", inject_noise_targets="all")
    return find_unique_box_instructions(manager.run(circuit(service, *pairs, measured=True)))


# --- version 2 ----------------------------------------------------------------------------------------------


def test_layers_are_unique_with_the_qubits_that_are_twirled_so_far(service):
    circuits = [circuit(service, (0, 1)), circuit(service, (0, 1), (1, 2), (0, 1))]
    result = learner(service).run(circuits).result()
    assert [error.qubits for error in result.data] == [[0, 1], [0, 1, 2], [0, 1, 2]]
    assert [len(error.circuit.data) for error in result.data] == [1, 1, 1]
    for error in result.data:
        assert error.circuit.num_qubits == len(error.qubits) == error.error.num_qubits
        assert 0 < error.error.rates.sum() < 0.2


def test_metadata_tells_the_backend_and_the_options(service):
    result = (
        learner(service, twirling_strategy="active", max_layers_to_learn=1)
        .run([circuit(service, (0, 1), (1, 2), (0, 1))])
        .result()
    )
    applied = result.metadata.pop("coldplate")["applied"]
    assert {one["what"] for one in applied["items"]} == {"layer noise"}
    assert result.metadata == {
        "backend": DEVICE,
        "input_options": {"max_layers_to_learn": 1, "twirling_strategy": "active", **FAST},
    }
    assert [error.qubits for error in result.data] == [[0, 1]]  # the most frequent


def test_what_was_learnt_is_used_by_the_estimator_as_it_is(service):
    made = circuit(service, (0, 1), (1, 2), (0, 1))
    known = learner(service).run([made]).result()
    options = {"seed_estimator": 1, "resilience": {"pec_mitigation": True, "layer_noise_model": known}}
    estimator = EstimatorV2(service.backend(DEVICE), options=options)
    result = estimator.run([(made, ["I" * (made.num_qubits - 3) + name for name in ("ZZZ", "IZI")])]).result()
    log_gamma = [2 * error.error.rates.sum() for error in known.data]
    noise = result[0].metadata["resilience"]["layer_noise"]
    assert noise["total_mitigated_layers"] == 3
    overheads = noise["unique_mitigated_layers_noise_overhead"]
    assert_allclose(np.log(overheads), 2 * np.array(log_gamma), rtol=1e-6)
    assert_allclose(result[0].data.evs, 1, atol=5 * result[0].data.stds.max())
    used = result.metadata["resilience"]["layer_noise_model"]
    assert [error.qubits for error in used] == [error.qubits for error in known.data]
    assert_allclose(used[0].error.rates, known.data[0].error.rates)
    assert result.metadata["coldplate"]["applied"]["learning"]["executions"] == 0


def test_a_dry_run_of_pec_tells_what_it_will_be_charged(service):
    """Learning included, and gamma as the device's errors let expect it."""
    made = circuit(service, *[(0, 1), (1, 2)] * 4)
    resilience = {"pec_mitigation": True, "layer_noise_learning": FAST}
    estimator = EstimatorV2(service.backend(DEVICE), options={"resilience": resilience})
    pub = (made, "Z".rjust(made.num_qubits, "I"))
    told = estimator.run([pub], dry_run=True).result()
    job = estimator.run([pub])
    gammas = [one[0].metadata["coldplate"]["pec"]["gamma"] for one in (told, job.result())]
    assert min(gammas) > 1
    assert job.usage() == pytest.approx(told.metadata["coldplate"]["applied"]["estimated_usage_s"], rel=0.1)


def test_estimator_options_do_as_well(service):
    made = circuit(service, (0, 1))
    estimator = EstimatorV2(service.backend(DEVICE))
    estimator.options.resilience.layer_noise_learning.num_randomizations = 4
    estimator.options.resilience.layer_noise_learning.shots_per_randomization = 32
    estimator.options.resilience.layer_noise_learning.layer_pair_depths = [0, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = NoiseLearner(service.backend(DEVICE), estimator.options).run([(made, "Z" * 133)]).result()
    assert result.metadata["input_options"]["layer_pair_depths"] == [0, 2]


def test_the_same_seed_learns_the_same(service):
    one, again = (learner(service).run([circuit(service, (0, 1))]).result() for _ in range(2))
    assert one.data[0].error.rates.tobytes() == again.data[0].error.rates.tobytes()


def test_a_decay_needs_two_depths(service):
    job = learner(service, layer_pair_depths=[4]).run([circuit(service, (0, 1))])
    with pytest.raises(RuntimeJobFailureError, match="layer_pair_depths has 1 different values"):
        job.result()


# --- version 3 ----------------------------------------------------------------------------------------------


def test_boxes_are_learnt_in_their_order_each_by_its_own_protocol(service):
    found = boxes(service, (3, 2), (0, 1), (1, 2))
    results = NoiseLearnerV3(service.backend(DEVICE), FAST).run(found).result()
    assert len(results) == len(found)
    for box, result in zip(found, results, strict=True):
        measured = any(one.name == "measure" for one in box.operation.body)
        assert result.metadata["learning_protocol"] == ("trex" if measured else "lindblad")
        noise = result.to_pauli_lindblad_map()
        assert noise.num_qubits == len(box.qubits)
        assert noise.rates.sum() > 0
        assert len(result._rates_std) == len(result._rates) == len(result)
    refs = results.to_dict(found, require_refs=False)
    assert all(noise.num_qubits == len(box.qubits) for noise, box in zip(refs.values(), found, strict=True))


def test_readout_rates_say_how_much_of_z_is_left(service):
    found = boxes(service, (0, 1))
    options = {**FAST, "num_randomizations": 32, "shots_per_randomization": 256}
    result = NoiseLearnerV3(service.backend(DEVICE), options).run(found).result()[-1]
    properties = service.backend(DEVICE).properties()
    errors = np.array([properties.readout_error(qubit) for qubit in (0, 1)])
    assert_allclose(np.exp(-2 * result._rates), 1 - 2 * errors, atol=0.02)
    assert [len(generator) for generator in result._generators] == [1, 1]


@pytest.mark.parametrize("strategy", ["node", "edge"])
def test_bit_flip_checks_discard_shots_and_tell_how_many(service, strategy):
    check = {"enable": True, "strategy": strategy}
    options = {**FAST, "bit_flip_checks": {"pre_circuit": check, "post_circuit": check}}
    pairs = QuantumCircuit(QuantumRegister(127, "q"))
    pairs.ecr(*PAIR)
    pairs.measure_active()
    manager = generate_boxing_pass_manager(twirling_strategy="active")
    found = find_unique_box_instructions(manager.run(pairs))
    results = NoiseLearnerV3(service.backend("clifford_eagle"), options).run(found).result()
    gates, readout = (one.metadata["post_selection"] for one in results)
    assert set(gates["fraction_kept"]) == {0, 1, 4}
    assert all(0.5 < kept <= 1 for kept in gates["fraction_kept"].values())
    assert set(gates["success_rates"][4]) == set(PAIR)
    # one that fails is enough for a node, and rarely do both fail
    assert (readout["fraction_kept"] < 0.97) == (strategy == "node")
    assert set(readout["success_rates"]) == set(PAIR)


def test_checks_by_rx_need_a_device_that_has_it(service):
    options = {**FAST, "bit_flip_checks": {"post_circuit": {"enable": True, "x_pulse_type": "rx"}}}
    job = NoiseLearnerV3(service.backend(DEVICE), options).run(boxes(service, (0, 1)))
    with pytest.raises(RuntimeJobFailureError, match="x_pulse_type rx needs the gate rx"):
        job.result()


def test_a_dry_run_has_the_right_shape_and_costs_nothing(service):
    job = NoiseLearnerV3(service.backend(DEVICE), FAST).run(boxes(service, (0, 1)), dry_run=True)
    assert [len(one.to_pauli_lindblad_map().rates) for one in job.result()] == [15, 2]


def test_the_client_cancels_noise_that_the_server_learnt(service):
    """The documented way of the client-side estimator; the server's own PEC agrees with it."""
    backend = service.backend(DEVICE)
    made = circuit(service, (0, 1), (1, 2), (0, 1))
    pub = (made, [name.rjust(made.num_qubits, "I") for name in ("ZZZ", "ZII")])
    there = ClientEstimator(mode=backend)
    there.options.resilience.pec_mitigation = True
    layers = there.find_unique_layers([pub])
    learnt = NoiseLearnerV3(backend, {**FAST, "num_randomizations": 16}).run(layers).result()
    there.options.resilience.layer_noise_model = zip(layers, learnt.to_pauli_lindblad_maps(), strict=True)
    options = {"resilience": {"pec_mitigation": True, "layer_noise_learning": FAST}, "seed_estimator": 2}
    client = there.run([pub]).result()[0].data
    server = EstimatorV2(backend, options=options).run([pub]).result()[0].data
    assert_allclose(client.evs, 1, atol=0.15)
    assert_allclose(server.evs, 1, atol=0.15)
    assert_allclose((client.evs - server.evs) / np.hypot(client.stds, server.stds), 0, atol=5)


@pytest.mark.slow
def test_learning_on_the_client_finds_the_same_as_on_the_server(service):
    """Through the executor, by the client's own learner: two programs that share no code but the device."""
    gates = [
        box
        for box in boxes(service, (0, 1), (2, 3), (1, 2))
        if any(len(one.qubits) == 2 for one in box.operation.body)
    ]
    options = {"num_randomizations": 32, "shots_per_randomization": 128, "layer_pair_depths": [0, 1, 4, 16]}
    backend = service.backend(DEVICE)
    here, there = (kind(backend, options).run(gates).result() for kind in (NoiseLearnerV3, ClientLearner))
    for ours, theirs in zip(here, there, strict=True):
        one, other = ours.to_pauli_lindblad_map(), theirs.to_pauli_lindblad_map()
        assert_allclose(one.rates.sum(), other.rates.sum(), rtol=0.1)


# --- calibrate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Session, Batch])
def test_a_session_calibrates_its_device(service, mode):
    with mode(backend=service.backend(DEVICE)) as session:
        job = Calibrator(session, {"environment": {"log_level": "INFO"}}).run()
        result = job.result()
    assert result.stop > result.start
    assert "Readout errors: median" in job.logs()
    assert job.usage() > 2


def test_outside_of_sessions_there_is_no_calibration(service):
    with pytest.raises(IBMRuntimeError, match="runs in sessions only"):
        Calibrator(service.backend(DEVICE)).run()
