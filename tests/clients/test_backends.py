"""Backends as the unmodified client sees them: listed, described, and their mock twins for dry runs."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit_ibm_runtime import EstimatorV2, SamplerV2

NAMES = {
    "sim_statevector",
    "sim_paused",
    "emu_fast",
    "emu_slow",
    "emu_quiet",
    "emu_fractional",
    "emu_heron",
    "emu_lanes",
    "clifford_eagle",
}
FRACTIONAL = {"rx", "rzz"}
QUBITS = {
    "sim_statevector": 30,
    "emu_fast": 7,
    "emu_quiet": 133,
    "emu_fractional": 156,
    "clifford_eagle": 127,
}


def names(backends) -> set[str]:
    return {backend.name for backend in backends}


def turned(num_qubits: int = 2) -> QuantumCircuit:
    """One parameter, in the gates of every backend here."""
    circuit = QuantumCircuit(num_qubits)
    circuit.sx(0)
    circuit.rz(Parameter("turn"), 0)
    circuit.sx(0)
    return circuit


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, NAMES, id="all"),
        pytest.param({"name": "emu_quiet"}, {"emu_quiet"}, id="name"),
        pytest.param({"min_num_qubits": 133}, {"emu_quiet", "emu_fractional", "emu_heron"}, id="qubits"),
        pytest.param({"min_num_qubits": 1000}, set(), id="too many qubits"),
        pytest.param({"simulator": True}, {"sim_statevector", "sim_paused"}, id="simulators"),
        pytest.param({"operational": False}, set(), id="not operational"),
        pytest.param({"status_msg": "paused"}, {"sim_paused"}, id="status"),
        pytest.param(
            {"filters": lambda backend: backend.num_qubits == 7},
            {"emu_fast", "emu_slow", "emu_lanes"},
            id="a function",
        ),
        pytest.param({"dynamic_circuits": True}, NAMES, id="dynamic circuits"),
    ],
)
def test_list_of_backends_is_filtered(service, filters, expected):
    assert names(service.backends(**filters)) == expected


def test_mock_twins_are_listed_only_when_wanted(service):
    assert not any(backend.is_mock for backend in service.backends())
    found = service.backends(include_mocks=True)
    assert names(found) == NAMES | {f"mock_{name.partition('_')[2]}" for name in NAMES}
    assert {backend.name for backend in found if backend.is_mock} == names(found) - NAMES


def test_unknown_backend_is_not_found(service):
    with pytest.raises(QiskitBackendNotFoundError):
        service.backend("emu_nowhere")


def test_least_busy_is_the_backend_with_the_shortest_queue(service):
    candidates = {"emu_fast", "emu_slow"}
    sampler = SamplerV2(mode=service.backend("emu_fast"))
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    slow = SamplerV2(mode=service.backend("emu_slow")).run([circuit], shots=500_000)
    try:
        chosen = service.least_busy(filters=lambda backend: backend.name in candidates)
        assert chosen.name == "emu_fast"
        assert service.backend("emu_slow").status().pending_jobs >= 1
    finally:
        slow.cancel()
        slow.wait_for_final_state()
    assert sampler.run([circuit], shots=5).result()[0].data.c.num_shots == 5


def test_paused_backend_is_never_least_busy(service):
    with pytest.raises(QiskitBackendNotFoundError):
        service.least_busy(filters=lambda backend: backend.name == "sim_paused")


# --- one backend ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "num_qubits"), QUBITS.items())
def test_configuration_and_target_agree(service, name, num_qubits):
    backend = service.backend(name)
    configuration = backend.configuration()
    assert configuration.backend_name == name
    assert configuration.n_qubits == backend.num_qubits == backend.target.num_qubits == num_qubits
    assert configuration.simulator == (name == "sim_statevector")
    gates = set(backend.target.operation_names)
    assert {"measure", "reset", "delay", "rz", "sx", "x"} <= gates
    assert {"if_else"} <= gates


def test_status_tells_whether_jobs_run(service):
    status = service.backend("emu_fast").status()
    assert (status.operational, status.status_msg, status.pending_jobs) == (True, "active", 0)
    assert service.backend("sim_paused").status().status_msg == "paused"


def test_properties_are_the_calibration_of_the_device(service):
    backend = service.backend("emu_fast")
    properties = backend.properties()
    assert len(properties.qubits) == 7
    assert 1e-6 < properties.t1(0) < 1e-3
    assert 0 < properties.readout_error(0) < 0.5
    assert 0 < properties.gate_error("sx", 0) < 0.1
    assert properties.gate_error("cx", [0, 1]) == backend.target["cx"][0, 1].error
    assert properties.gate_length("cx", [0, 1]) == pytest.approx(backend.target["cx"][0, 1].duration)
    assert backend.target["measure"][(0,)].duration > 0
    assert backend.dt > 0


def test_ideal_simulator_has_no_properties(service):
    assert service.backend("sim_statevector").properties() is None


@pytest.mark.parametrize("moment", [datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)])
def test_properties_of_a_device_with_one_calibration_are_that_one_at_any_time(service, moment):
    backend = service.backend("emu_fast")
    assert backend.properties(datetime=moment).to_dict() == backend.properties().to_dict()


@pytest.mark.parametrize(("use_fractional_gates", "fractional"), [(False, False), (True, True), (None, True)])
def test_fractional_gates_are_in_the_target_when_wanted(service, use_fractional_gates, fractional):
    backend = service.backend("emu_fractional", use_fractional_gates=use_fractional_gates)
    gates = set(backend.target.operation_names)
    assert (gates >= FRACTIONAL) == (not gates.isdisjoint(FRACTIONAL)) == fractional
    assert "if_else" in gates


def test_fractional_gates_run(service):
    backend = service.backend("emu_fractional", use_fractional_gates=True)
    circuit = QuantumCircuit(1, 1)
    circuit.rx(np.pi, 0)
    circuit.measure(0, 0)
    counts = SamplerV2(mode=backend).run([circuit], shots=200).result()[0].data.c.get_counts()
    assert counts["1"] > 150


# --- dry runs ---------------------------------------------------------------------------------------


def test_dry_run_of_the_sampler_has_the_right_shapes_and_is_free(service):
    circuit = turned()
    circuit.measure_all()
    sampler = SamplerV2(mode=service.backend("emu_fast"))
    job = sampler.run([(circuit, np.zeros((3, 2, 1)))], shots=11, dry_run=True)
    bits = job.result()[0].data.meas
    assert (bits.shape, bits.num_shots, bits.num_bits) == ((3, 2), 11, 2)
    assert job.backend().name == "mock_fast"
    assert job.usage() == 0


def test_dry_run_of_the_estimator_has_the_right_shapes_and_is_free(service):
    estimator = EstimatorV2(mode=service.backend("emu_fast"))
    pub = (turned(), [["IZ"], ["ZI"]], np.zeros((3, 1)))
    job = estimator.run([pub], dry_run=True)
    result = job.result()[0]
    assert result.data.evs.shape == result.data.stds.shape == (2, 3)
    assert job.usage() == 0


def test_dry_run_of_an_ideal_simulator_is_answered_too(service):
    circuit = turned()
    circuit.measure_all()
    job = SamplerV2(mode=service.backend("sim_statevector")).run([(circuit, [0.0])], shots=9, dry_run=True)
    assert job.result()[0].data.meas.num_shots == 9
    assert job.backend().name == "mock_statevector"
