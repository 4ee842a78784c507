"""Records what the official client sends: `python tests/wire/record.py` writes tests/wire/data/*.json.gz.

Every body is made by the client's own classes and encoder (qiskit-ibm-runtime 0.51.0); only the connection is
replaced by one that keeps what is posted. Run it again when a new client is supported, and look at the diff.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import PauliLindbladMap, PauliList, SparsePauliOp
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, thermal_relaxation_error
from qiskit_ibm_runtime import EstimatorV2, Executor, IBMBackend, QuantumProgram, SamplerV2
from qiskit_ibm_runtime.api.rest.runtime import Runtime
from qiskit_ibm_runtime.executor_estimator import EstimatorV2 as ClientEstimator
from qiskit_ibm_runtime.executor_sampler import SamplerV2 as ClientSampler
from qiskit_ibm_runtime.fake_provider import FakeTorino
from qiskit_ibm_runtime.models import QasmBackendConfiguration
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError
from samplomatic import ChangeBasis, InjectNoise, Twirl, build

DATA = Path(__file__).with_name("data")
DEVICE = FakeTorino()


class Connection:
    """A connection that keeps what is posted, in place of the client's session."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    def post(self, _url: str, data: str, **_about: Any) -> Any:
        """Keep a body and answer as the service does."""
        self.body = json.loads(data)
        return SimpleNamespace(json=lambda: {"id": "recorded", "backend": "ibm_torino"})


class Service:
    """Just as much of a service as the client's primitives need in order to submit."""

    is_local = False
    channel = "ibm_cloud"

    def __init__(self) -> None:
        self.connection = Connection()

    def _run(self, program_id: str, inputs: dict[str, Any], **_about: Any) -> None:
        Runtime(self.connection).program_run(program_id, "ibm_torino", inputs)


def device(*, simulator: bool = False) -> tuple[Service, IBMBackend]:
    """A service and a backend of it: the shipped snapshot of ibm_torino, or a simulator like it."""
    folder = Path(DEVICE.dirname)
    about = json.loads((folder / DEVICE.conf_filename).read_text())
    properties = json.loads((folder / DEVICE.props_filename).read_text())
    configuration = QasmBackendConfiguration.from_dict(about | {"simulator": simulator})
    service = Service()
    client = SimpleNamespace(backend_properties=lambda *_args, **_about: properties)
    return service, IBMBackend(configuration, service, client)


def sent(run: Callable[[IBMBackend], Any], *, simulator: bool = False) -> dict[str, Any]:
    """The params that the client posts for a run on a backend."""
    service, backend = device(simulator=simulator)
    run(backend)
    return service.connection.body["params"]


# --- circuits ---------------------------------------------------------------------------------------------


def isa(circuit: QuantumCircuit) -> QuantumCircuit:
    """A circuit in the gates and coupling of the device."""
    return transpile(circuit, DEVICE, optimization_level=1, seed_transpiler=7)


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, metadata={"made": "for the record", "at": [1, None]})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def rotations(*, measured: bool = True) -> QuantumCircuit:
    """Two rotations by parameters whose names are not in the order of their use."""
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("zeta"), 0)
    circuit.rx(2 * Parameter("alpha") - 1, 1)
    circuit.cz(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def registers() -> QuantumCircuit:
    """Three registers: narrow, wider than a word, and never measured; and a parameter vector."""
    wide, unused = ClassicalRegister(70, "wide"), ClassicalRegister(3, "unused")
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(2, "narrow"), wide, unused)
    angles = ParameterVector("angle", 11)
    for index, angle in enumerate(angles):
        circuit.ry(angle, index % 2)
    circuit.measure([0, 1], [0, 1])
    circuit.measure(0, wide[69])
    return circuit


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    return circuit


def noise() -> NoiseModel:
    model = NoiseModel(basis_gates=["cz", "id", "rz", "sx", "x"])
    model.add_all_qubit_quantum_error(depolarizing_error(0.01, 2), ["cz"])
    model.add_quantum_error(thermal_relaxation_error(50.0, 40.0, 1.0), ["sx", "x"], [1])
    model.add_all_qubit_readout_error(ReadoutError([[0.98, 0.02], [0.05, 0.95]]))
    return model


def layer_noise() -> NoiseLearnerResult:
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    error = PauliLindbladError(PauliList(["XX", "ZI"]), [0.01, 0.002])
    return NoiseLearnerResult([LayerError(circuit, [0, 1], error), LayerError(circuit, [4, 5], None)])


# --- bodies of the classic primitives ---------------------------------------------------------------------


def sampler() -> dict[str, Any]:
    angles = np.random.default_rng(1).uniform(size=(2, 3, 2))
    pubs = [
        (isa(bell()),),
        (isa(rotations()), angles, 100),
        (isa(registers()), np.zeros((4, 11))),
        (isa(bell()), np.zeros((3, 0)), 7),
    ]
    return sent(lambda backend: SamplerV2(backend).run(pubs))


def sampler_options() -> dict[str, Any]:
    options = {
        "default_shots": 1000,
        "dynamical_decoupling": {"enable": True, "sequence_type": "XY4"},
        "execution": {"meas_type": "kerneled", "rep_delay": 0.0001},
        "twirling": {"enable_measure": True, "num_randomizations": 8},
    }
    return sent(lambda backend: SamplerV2(backend, options=options).run([isa(bell())]))


def sampler_dynamic() -> dict[str, Any]:
    return sent(lambda backend: SamplerV2(backend).run([isa(dynamic())], shots=10))


def sampler_simulator() -> dict[str, Any]:
    options = {
        "noise_model": noise(),
        "seed_simulator": 7,
        "coupling_map": [[0, 1]],
        "basis_gates": ["cz", "h"],
    }
    return sent(
        lambda backend: SamplerV2(backend, options={"simulator": options}).run([bell()]), simulator=True
    )


def estimator() -> dict[str, Any]:
    circuit = isa(rotations(measured=False))
    zz = SparsePauliOp(["ZZ", "XI"], [1.0, -0.5]).apply_layout(circuit.layout)
    xx = SparsePauliOp(["XX"]).apply_layout(circuit.layout)
    pubs = [
        (circuit, zz, [0.1, 0.2]),
        (circuit, [[zz], [xx]], np.zeros((1, 5, 2)), 0.1),
        (circuit, xx, np.zeros((0, 2))),
    ]
    return sent(lambda backend: EstimatorV2(backend).run(pubs))


def estimator_options() -> dict[str, Any]:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit = isa(circuit)
    options = {
        "resilience_level": 2,
        "default_precision": 0.05,
        "resilience": {"layer_noise_model": layer_noise(), "zne": {"noise_factors": [1, 3]}},
        "seed_estimator": 3,
    }
    observable = SparsePauliOp("Z").apply_layout(circuit.layout)
    return sent(lambda backend: EstimatorV2(backend, options=options).run([(circuit, observable)]))


# --- bodies of the executor -------------------------------------------------------------------------------


def boxes() -> tuple[QuantumCircuit, Any]:
    """A template and its samplex: twirled, with noise to inject and a basis to choose."""
    circuit = QuantumCircuit(3)
    with circuit.box([Twirl(), InjectNoise("layer", "strength")]):
        circuit.rz(Parameter("a"), 0)
        circuit.sx(1)
        circuit.cz(0, 1)
        circuit.noop(2)
    with circuit.box([Twirl(), ChangeBasis(ref="basis")]):
        circuit.measure_all()
    return build(circuit)


def program(*, meas_level: str = "classified", newest: bool = True) -> QuantumProgram:
    """Circuits with and without parameters, and a samplex whose arguments sweep."""
    passthrough = {"note": "é", "nested": [1, 2.5, None, {"array": np.arange(6.0).reshape(2, 3)}]}
    found = QuantumProgram(shots=7, meas_level=meas_level, passthrough_data=passthrough if newest else None)
    found.append_circuit_item(isa(bell()))
    found.append_circuit_item(isa(rotations()), circuit_arguments=np.arange(8.0).reshape(4, 2) / 7)
    template, samplex = boxes()
    arguments = {
        "parameter_values": np.linspace(0, 1, 3).reshape(3, 1),
        "basis_changes.basis": np.zeros(3, dtype=np.uint8),
        "pauli_lindblad_maps.layer": PauliLindbladMap.from_list([("IXX", 0.01), ("IZI", 0.02)]),
        "noise_scales.strength": np.float64(1.0),
    }
    found.append_samplex_item(template, samplex=samplex, samplex_arguments=arguments, shape=(4, 3))
    return found


def executor(version: str) -> dict[str, Any]:
    class Then(Executor):
        _SCHEMA_VERSION = version

    old = version == "v0.1"
    made = program(meas_level="classified" if old else "kerneled", newest=not old)
    return sent(lambda backend: Then(backend, options={"execution": {"init_qubits": False}}).run(made))


def client_sampler(**twirling: Any) -> dict[str, Any]:
    options = {"twirling": twirling} if twirling else {}
    pubs = [(isa(bell()),), (isa(rotations()), np.zeros((2, 2)))]
    return sent(lambda backend: ClientSampler(backend, options=options).run(pubs, shots=100))


def client_estimator(level: int) -> dict[str, Any]:
    circuit = isa(rotations(measured=False))
    observables = [SparsePauliOp(letters).apply_layout(circuit.layout) for letters in ("ZZ", "XI")]

    def run(backend: IBMBackend) -> None:
        estimator = ClientEstimator(backend)
        estimator.options.resilience_level = level
        estimator.run([(circuit, observables, [0.1, 0.2])])

    return sent(run)


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "sampler": sampler,
    "sampler-options": sampler_options,
    "sampler-dynamic": sampler_dynamic,
    "sampler-simulator": sampler_simulator,
    "estimator": estimator,
    "estimator-options": estimator_options,
    "executor-v0.1": lambda: executor("v0.1"),
    "executor-v0.2": lambda: executor("v0.2"),
    "executor-v1.0": lambda: executor("v1.0"),
    "executor-v1.1": lambda: executor("v1.1"),
    "executor-v2.0": lambda: executor("v2.0"),
    "executor-sampler": client_sampler,
    "executor-sampler-twirled": lambda: client_sampler(enable_gates=True, enable_measure=True),
    "executor-estimator-0": lambda: client_estimator(0),
    "executor-estimator-1": lambda: client_estimator(1),
    "executor-estimator-2": lambda: client_estimator(2),
}


def main() -> None:
    """Write every body."""
    DATA.mkdir(exist_ok=True)
    for name, make in BODIES.items():
        body = json.dumps(make(), separators=(",", ":")).encode()
        (DATA / f"{name}.json.gz").write_bytes(gzip.compress(body, 9, mtime=0))


if __name__ == "__main__":
    main()
