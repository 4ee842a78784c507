"""What a job would take, of every program: circuits, executions and quantum seconds, without running it."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit_ibm_runtime import Executor, NoiseLearner, NoiseLearnerV3, SamplerV2
from qiskit_ibm_runtime.executor_estimator import Estimator as ClientsEstimator
from qiskit_ibm_runtime.executor_sampler import Sampler as ClientsSampler
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from samplomatic.transpiler import generate_boxing_pass_manager
from samplomatic.utils import find_unique_box_instructions

from coldplate.cli.estimate import applied, finished
from coldplate.connection import Connection

DEVICE = "emu_fast"
FAST = {"num_randomizations": 4, "shots_per_randomization": 32, "layer_pair_depths": [0, 1, 4]}
KEEP = {"experimental": {"artifacts": True}}


def measured() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rz(Parameter("t"), 0)
    circuit.sx(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def executed(service, **run):
    program = QuantumProgram(shots=100)
    program.append_circuit_item(measured(), circuit_arguments=np.zeros((7, 1)))
    program.append_circuit_item(measured(), circuit_arguments=np.zeros((2, 3, 1)))
    return Executor(service.backend(DEVICE), options=KEEP).run(program, **run)


def sampled(service, **run):
    twirling = {"enable_gates": True, "num_randomizations": 8, "shots_per_randomization": 16}
    return SamplerV2(service.backend(DEVICE), options={"twirling": twirling}).run(
        [(measured(), [0.1])], **run
    )


def sampled_by_the_client(service, **run):
    sampler = ClientsSampler(service.backend(DEVICE), options={"twirling": {"enable_measure": True}})
    return sampler.run([(measured(), [0.1])], shots=640, **run)


def estimated_by_the_client(service, **run):
    estimator = ClientsEstimator(service.backend(DEVICE), options={"resilience_level": 2})
    circuit = measured().remove_final_measurements(inplace=False)
    return estimator.run([(circuit, ["ZZ", "XX"], [0.1])], **run)


def entangled(service, *, measure=False) -> QuantumCircuit:
    circuit = QuantumCircuit(service.backend(DEVICE).num_qubits)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    if measure:
        circuit.measure_active()
    return circuit


def learnt(service, **run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return NoiseLearner(service.backend(DEVICE), {**FAST, **KEEP}).run([entangled(service)], **run)


def learnt_by_box(service, **run):
    manager = generate_boxing_pass_manager(twirling_strategy="active", inject_noise_targets="all")
    boxes = find_unique_box_instructions(manager.run(entangled(service, measure=True)))
    return NoiseLearnerV3(service.backend(DEVICE), FAST).run(boxes, **run)


@pytest.fixture(
    params=[executed, sampled_by_the_client, estimated_by_the_client, learnt, learnt_by_box, sampled]
)
def pair(request, service):
    """A job's dry run, and the job."""
    dry, job = request.param(service, dry_run=True), request.param(service)
    dry.wait_for_final_state()
    job.result()
    return dry, job


def test_an_estimate_is_what_the_job_is_charged(pair):
    """All through the unmodified client: it asks for a dry run, and reads the metrics of it."""
    told, charged = (one.metrics()["coldplate"] for one in pair)
    assert pair[0].usage() == 0
    assert pair[1].usage() == pytest.approx(told.pop("estimated_usage_s"), rel=0.1)
    assert charged == told
    assert charged["total_executions"] >= charged["circuits"] > 0


# --- programs whose form the present client does not send -------------------------------------------------


def tagged(circuit: QuantumCircuit) -> dict[str, str]:
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return {
        "__type__": "QuantumCircuit",
        "__value__": base64.b64encode(zlib.compress(file.getvalue())).decode(),
    }


BOUND = measured().assign_parameters([0.1])
OF_2023 = {
    "circuits": [tagged(BOUND)],
    "circuit_indices": [0],
    "parameter_values": [[]],
}


@pytest.mark.parametrize(
    ("program", "params", "executions"),
    [
        ("circuit-runner", {"circuits": [tagged(BOUND)], "shots": 700}, 700),
        pytest.param(
            "sampler",
            {**OF_2023, "run_options": {"shots": 500}, "resilience_settings": {"level": 0}},
            500,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_programs_of_2023_are_estimated_as_well(server, program, params, executions):
    connection = Connection(server.url, server.key, server.crn)
    found = []
    for dry in ("true", "false"):
        body = {"program_id": program, "backend": DEVICE, "params": params}
        id = connection.ask("POST", "/api/v1/jobs", query={"dry_run": dry}, body=body)["id"]
        finished(connection, id)
        found.append(connection.ask("GET", f"/api/v1/jobs/{id}/metrics"))
    told, charged = found
    assert told["coldplate"]["total_executions"] == executions
    assert charged["usage"]["quantum_seconds"] == pytest.approx(
        told["coldplate"]["estimated_usage_s"], rel=0.1
    )


# --- the command, and reports -----------------------------------------------------------------------------


def command(server, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "coldplate", "estimate", *words, "--data", str(server.data)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_tells_the_items_of_an_executor_job(server, service):
    job = executed(service)
    job.result()
    report = json.loads(command(server, job.job_id(), "--json"))
    assert [(one["what"], one["pub"], one["circuits"], one["executions"]) for one in report["items"]] == [
        ("item", 0, 7, 700),
        ("item", 1, 6, 600),
    ]
    assert job.usage() == pytest.approx(report["estimated_usage_s"], rel=0.1)


def test_the_command_tells_layers_and_depths_of_a_learner(server, service):
    job = learnt_by_box(service)
    job.result()
    told = command(server, job.job_id())
    assert "layer noise" in told
    assert "readout noise" in told
    assert "num_randomizations: x 4" in told
    assert "layer_pair_depths: x 3" in told


def test_a_calibration_is_estimated_outside_of_its_session(server, tmp_path):
    file = tmp_path / "job.json"
    params = {"schema_version": "v0.1", "options": {}}
    file.write_text(json.dumps({"program_id": "calibrate", "backend": DEVICE, "params": params}))
    assert "executions: 2048" in command(server, str(file))


@pytest.mark.parametrize("run", [executed, pytest.param(learnt, marks=pytest.mark.slow)])
def test_what_was_run_is_kept_when_it_is_asked_for(server, service, run):
    job = run(service)
    job.result()
    connection = Connection(server.url, server.key, server.crn)
    body = connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/artifacts")
    file = zipfile.ZipFile(io.BytesIO(body))
    report = json.loads(file.read("report.json"))
    assert report["total_executions"] == job.metrics()["coldplate"]["total_executions"]
    assert len(qpy.load(io.BytesIO(file.read("circuits.qpy")))) == len(report["items"])
    raw = connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/results")
    raw = json.loads(raw) if isinstance(raw, str) else raw
    assert applied(raw) == report
