"""Every option of every program changes what is run or what comes out: none is accepted and ignored.

Jobs of one seed replay byte for byte, so a job with the option and one without it may not be the same. What
each option means is tested elsewhere; here is that there is no option without a meaning.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import QuantumRegister
from qiskit.quantum_info import PauliList
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime import EstimatorV2, Executor, NoiseLearner, NoiseLearnerV3, SamplerV2
from qiskit_ibm_runtime.exceptions import RuntimeJobFailureError
from qiskit_ibm_runtime.executor_estimator import Estimator as ClientsEstimator
from qiskit_ibm_runtime.executor_sampler import Sampler as ClientsSampler
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.results.noise_learner import LayerError, PauliLindbladError
from samplomatic.transpiler import generate_boxing_pass_manager
from samplomatic.utils import find_unique_box_instructions

from coldplate.connection import Connection
from coldplate.domain.forms import FORMS

DEVICE = "emu_fast"
Options = dict[str, Any]


def waiting(*, stretched: bool = False, even: bool = False) -> QuantumCircuit:
    """Gates, a qubit that waits, one that is reset first, and one that nothing happens to.

    Args:
        even: Delays are multiples of 16 dt, as the client's own decoupling needs them.
    """
    circuit = QuantumCircuit(4)
    circuit.sx([0, 1])
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    if stretched:
        circuit.delay(circuit.add_stretch("gap"), 0)
    else:
        circuit.delay(3008 if even else 3001, 0, unit="dt")
    circuit.delay(6016 if even else 6007, 1, unit="dt")
    circuit.reset(2)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    return circuit


def measured(**what) -> QuantumCircuit:
    circuit = waiting(**what)
    circuit.measure_all()
    return circuit


def changed(options: Options, path: str, value: Any) -> Options:
    """Options with one more."""
    head, _, rest = path.partition(".")
    inner = changed(options.get(head, {}), rest, value) if rest else value
    return {**options, head: inner}


def merged(base: Options, **paths: Any) -> Options:
    for path, value in paths.items():
        base = changed(base, path.replace("__", "."), value)
    return base


READOUT = NoiseModel()
READOUT.add_all_qubit_readout_error(ReadoutError([[0.7, 0.3], [0.3, 0.7]]))
DD = {"dynamical_decoupling__enable": True}
TWIRLED = {"twirling__enable_gates": True}

# The path, what it is set to, what is set beside it in both jobs.
COMMON: list[tuple[str, Any, Options]] = [
    ("dynamical_decoupling.enable", True, {}),
    ("dynamical_decoupling.sequence_type", "XY4", DD),
    ("dynamical_decoupling.extra_slack_distribution", "edges", DD),
    ("dynamical_decoupling.scheduling_method", "asap", DD),
    ("dynamical_decoupling.skip_reset_qubits", True, DD),
    ("execution.init_qubits", False, {}),
    ("execution.rep_delay", 4e-4, {}),
    ("experimental.execution.scheduler_timing", True, {}),
    ("experimental.execution.stretch_values", True, {}),
    ("twirling.enable_gates", True, {}),
    ("twirling.enable_measure", True, {}),
    ("twirling.num_randomizations", 5, TWIRLED),
    ("twirling.shots_per_randomization", 7, TWIRLED),
    ("twirling.strategy", "all", TWIRLED),
    ("simulator.noise_model", READOUT, {}),
    ("simulator.seed_simulator", 2, {}),
    ("simulator.coupling_map", [[4, 5]], {}),
    ("simulator.basis_gates", ["x"], {}),
    ("experimental.method", "density_matrix", {}),
    ("experimental.artifacts", False, {}),
]
SAMPLER = [
    *COMMON,
    ("default_shots", 50, {}),
    ("execution.meas_type", "kerneled", {}),
    ("experimental.readout_mitigation", "m3", {}),
]
LEARNING = {
    "num_randomizations": 3,
    "shots_per_randomization": 16,
    "layer_pair_depths": [0, 2],
}
ZNE = {"resilience__zne_mitigation": True}
PEC = {"resilience__pec_mitigation": True, "resilience__layer_noise_learning": LEARNING}
TREX = {"resilience__measure_mitigation": True}
PAIRS = PauliList(["IX", "ZZ", "XI"])
LAYER = QuantumCircuit(2)
LAYER.cx(0, 1)
KNOWN = [LayerError(LAYER, [0, 1], PauliLindbladError(PAIRS, np.array([0.01, 0.02, 0.01])))]
ESTIMATOR = [
    *COMMON,
    ("default_shots", 50, {"default_shots": None}),
    ("default_precision", 0.2, {"default_shots": None}),
    ("seed_estimator", 2, {}),
    ("resilience.measure_mitigation", True, {}),
    ("resilience.measure_noise_learning.num_randomizations", 6, TREX),
    ("resilience.measure_noise_learning.shots_per_randomization", 9, TREX),
    ("resilience.zne_mitigation", True, {}),
    ("resilience.zne.amplifier", "gate_folding_back", {**ZNE, "resilience__zne__noise_factors": [1, 2]}),
    ("resilience.zne.noise_factors", [1, 5], ZNE),
    ("resilience.zne.extrapolator", "linear", ZNE),
    ("resilience.zne.extrapolated_noise_factors", [0, 0.5], ZNE),
    ("resilience.pec_mitigation", True, {}),
    ("resilience.pec.max_overhead", 1.01, PEC),
    ("resilience.pec.noise_gain", 0.9, PEC),
    ("resilience.layer_noise_learning.max_layers_to_learn", 1, PEC),
    ("resilience.layer_noise_learning.shots_per_randomization", 17, PEC),
    ("resilience.layer_noise_learning.num_randomizations", 4, PEC),
    ("resilience.layer_noise_learning.layer_pair_depths", [0, 4], PEC),
    ("resilience.layer_noise_model", KNOWN, PEC),
]
# The client-side primitives send an executor job; their own options are what they are made of.
WRAPPED: list[tuple[str, Any, Options]] = [
    *(
        case
        for case in COMMON
        if case[0].startswith(("dynamical", "twirling", "execution", "experimental.me"))
    ),
    ("execution.scheduler_timing", True, {}),
    ("twirling.group", "local_pauli", TWIRLED),
    ("simulator.seed_simulator", 2, {}),
    ("default_shots", 50, {"default_shots": 64}),
]
WRAPPED_SAMPLER = [
    *WRAPPED,
    ("execution.meas_type", "kerneled", {}),
    ("execution.stretch_values", True, {}),
]
WRAPPED_ESTIMATOR = [
    *WRAPPED,
    ("default_precision", 0.2, {"default_shots": None}),
    ("resilience_level", 1, {}),
    ("resilience.measure_mitigation", True, {}),
    ("resilience.measure_noise_learning.num_randomizations", 6, TREX),
    ("resilience.zne_mitigation", True, {}),
    ("resilience.zne.amplifier", "gate_folding_back", {**ZNE, "resilience__zne__noise_factors": [1, 2]}),
    ("resilience.zne.noise_factors", [1, 5], ZNE),
]
EXECUTOR = [
    ("execution.init_qubits", False, {}),
    ("execution.rep_delay", 4e-4, {}),
    ("execution.scheduler_timing", True, {}),
    ("execution.stretch_values", True, {}),
    ("experimental.method", "density_matrix", {}),
    ("experimental.artifacts", False, {}),
    ("experimental.seed", 2, {}),
]
LEARNER = [
    ("max_layers_to_learn", 1, {}),
    ("shots_per_randomization", 17, {}),
    ("num_randomizations", 4, {}),
    ("layer_pair_depths", [0, 4], {}),
    ("twirling_strategy", "all", {}),
    ("simulator.noise_model", READOUT, {}),
    ("simulator.seed_simulator", 2, {}),
    ("simulator.coupling_map", [[4, 5]], {}),
    ("simulator.basis_gates", ["x"], {}),
    ("experimental.method", "density_matrix", {}),
    ("experimental.artifacts", False, {}),
]
LEARNER_V3 = [
    ("shots_per_randomization", 17, {}),
    ("num_randomizations", 4, {}),
    ("layer_pair_depths", [0, 4], {}),
    ("execution.init_qubits", False, {}),
    ("execution.rep_delay", 4e-4, {}),
    *(
        (f"bit_flip_checks.{place}.{name}", value, {f"bit_flip_checks__{place}__enable": name != "enable"})
        for place in ("pre_circuit", "post_circuit")
        for name, value in (("enable", True), ("strategy", "edge"), ("x_pulse_type", "rx"))
    ),
]
# Amplitudes of single precision give the same bits, nearly always; `tests/physics` sees them.
SAME_BITS = {"experimental.precision"}
# What the official client does not send.
UNSENT = {
    "noise-learner": {"support_qiskit"},
    "noise-learner-v3": {
        "experimental.method",
        "experimental.artifacts",
        "experimental.seed",
        *(f"post_selection.{name}" for name in ("enable", "strategy", "x_pulse_type")),
    },
}
TABLES = {
    "sampler": SAMPLER,
    "estimator": ESTIMATOR,
    "executor": EXECUTOR,
    "noise-learner": LEARNER,
    "noise-learner-v3": LEARNER_V3,
}
CLIENTS = {"wrapped sampler": WRAPPED_SAMPLER, "wrapped estimator": WRAPPED_ESTIMATOR}


@pytest.mark.parametrize("program", TABLES)
def test_no_option_is_left_out(program):
    def plain(path: str) -> str:
        """Where the client has options for which the server has no group."""
        if path.startswith("experimental.execution."):
            return path.removeprefix("experimental.")
        return path.removeprefix("execution.") if program in ("executor", "noise-learner-v3") else path

    tried = {plain(path) for path, *_ in TABLES[program]} | UNSENT.get(program, set())
    assert tried | SAME_BITS == {option.path for option in FORMS[program].table}


# --- what a job shows -------------------------------------------------------------------------------------


def run_sampler(service, options: Options):
    twirled = options.get("twirling", {}).get("enable_gates")
    return SamplerV2(service.backend(DEVICE), options=options).run([measured(stretched=not twirled)])


def run_estimator(service, options: Options):
    twirled = options.get("twirling", {}).get("enable_gates") or any(
        options.get("resilience", {}).get(name) for name in ("pec_mitigation", "zne_mitigation")
    )
    return EstimatorV2(service.backend(DEVICE), options=options).run(
        [(waiting(stretched=not twirled), ["IIZZ", "IZXI"])]
    )


def run_clients_sampler(service, options: Options):
    handled = "dynamical_decoupling" in options or "twirling" in options  # the client has no stretches then
    return ClientsSampler(service.backend(DEVICE), options=options).run(
        [measured(stretched=not handled, even=True)]
    )


def run_clients_estimator(service, options: Options):
    return ClientsEstimator(service.backend(DEVICE), options=options).run(
        [(waiting(even=True), ["IIZZ", "IZXI"])]
    )


def run_executor(service, options: Options):
    program = QuantumProgram(shots=64)
    program.append_circuit_item(measured(stretched=True))
    return Executor(service.backend(DEVICE), options=options).run(program)


def layered(service, *, measure: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(service.backend(DEVICE).num_qubits, "q"))
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    if measure:
        circuit.measure_active()
    return circuit


def run_learner(service, options: Options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return NoiseLearner(service.backend(DEVICE), options).run([layered(service)])


def run_learner_v3(service, options: Options):
    manager = generate_boxing_pass_manager(twirling_strategy="active", inject_noise_targets="all")
    boxes = find_unique_box_instructions(manager.run(layered(service, measure=True)))
    return NoiseLearnerV3(service.backend(DEVICE), options).run(boxes)


SEEDED = {"simulator": {"seed_simulator": 1}, "experimental": {"artifacts": True}}
PROGRAMS = {
    "sampler": (run_sampler, {**SEEDED, "default_shots": 64}),
    "estimator": (run_estimator, {**SEEDED, "default_shots": 64, "resilience_level": 0}),
    "executor": (run_executor, {"experimental": {"artifacts": True, "seed": 1}}),
    "wrapped sampler": (run_clients_sampler, {**SEEDED, "default_shots": 64}),
    "wrapped estimator": (
        run_clients_estimator,
        {**SEEDED, "default_shots": 64, "resilience_level": 0},
    ),
    "noise-learner": (run_learner, {**SEEDED, **LEARNING}),
    "noise-learner-v3": (run_learner_v3, LEARNING),
}


def content(name: str, body: bytes) -> Any:
    """A file of the artifacts; of circuits their instructions, as names of circuits are always new."""
    if name != "circuits.qpy":
        return body.hex()
    return [
        [
            (
                one.name,
                [str(value) for value in one.params],
                [circuit.find_bit(bit).index for bit in one.qubits],
            )
            for one in circuit.data
        ]
        for circuit in qpy.load(io.BytesIO(body))
    ]


def seeded(connection: Connection, id: str) -> str:
    """The id of a job with the inputs of another, and a seed."""
    found = connection.ask("GET", f"/api/v1/jobs/{id}", query={"exclude_params": "false"})
    params = found["params"]
    params["options"]["experimental"] = {"seed": 1}
    body = {"program_id": "noise-learner", "backend": DEVICE, "params": params}
    return connection.ask("POST", "/api/v1/jobs", body=body)["id"]


@pytest.fixture(scope="module")
def shown(server, service):
    """What a job shows: what was run, and what came of it."""
    known: dict[str, str] = {}
    connection = Connection(server.url, server.key, server.crn)

    def show(program: str, options: Options) -> str:
        key = f"{program} {options!r}"
        if key not in known:
            known[key] = once(program, options)
        return known[key]

    def once(program: str, options: Options) -> str:
        job = PROGRAMS[program][0](service, options)
        if program == "noise-learner-v3":  # the client does not send the seed
            job = service.job(seeded(connection, job.job_id()))
        try:
            result = job.result()
        except RuntimeJobFailureError as error:
            return str(error).partition("\n")[0]
        body = connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/artifacts")
        file = zipfile.ZipFile(io.BytesIO(body)) if body else None
        kept = {name: content(name, file.read(name)) for name in file.namelist()} if file else None
        raw = connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/results")
        raw = json.loads(raw) if isinstance(raw, str) else raw
        raw.pop("passthrough_data", None)
        for about in (raw.get("__value__", raw).get("metadata"), raw):
            if isinstance(about, dict):  # what only repeats options is no effect of them
                for name in ("input_options", "resilience", "twirling", "dynamical_decoupling"):
                    about.pop(name, None)
        assert result is not None
        return json.dumps([kept, raw, job.metrics()["coldplate"], job.usage()], sort_keys=True)

    return show


CASES = [
    pytest.param(program, *case, id=f"{program} {case[0]}")
    for program, table in (TABLES | CLIENTS).items()
    for case in table
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("program", "path", "value", "beside"), CASES)
def test_every_option_has_an_effect(shown, program, path, value, beside):
    before = merged(PROGRAMS[program][1], **beside)
    assert shown(program, changed(before, path, value)) != shown(program, before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("program", TABLES | CLIENTS)
def test_without_another_option_nothing_changes(shown, program):
    """So that the difference that an option makes is one."""
    options = PROGRAMS[program][1]
    assert shown(program, options) == shown(program, {**options, "environment": {"job_tags": ["another"]}})
