"""What was applied to a job, and what it keeps beside its result for its owner."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import EstimatorV2, SamplerV2

from coldplate.connection import Connection

ARTIFACTS = {"artifacts": True}


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(2)
    made.sx(0)
    made.rz(Parameter("t"), 0)
    made.cx(0, 1)
    return made


def kept(server, job) -> zipfile.ZipFile | None:
    """The job's artifacts, as its owner fetches them."""
    connection = Connection(server.url, server.key, server.crn)
    body = connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/artifacts")
    return None if body is None else zipfile.ZipFile(io.BytesIO(body))


def array(file, name):
    return np.load(io.BytesIO(file.read(name)), allow_pickle=False)


@pytest.fixture(scope="module")
def estimated(service):
    """A level-2 job of two parameter sets that keeps its artifacts."""
    options = {"experimental": ARTIFACTS, "default_shots": 256, "seed_estimator": 3, "resilience_level": 2}
    estimator = EstimatorV2(service.backend("emu_fast"), options=options)
    job = estimator.run([(circuit(), [[SparsePauliOp("ZZ")], [SparsePauliOp("XX")]], [[0.1], [0.2]])])
    return job, job.result()


def test_the_report_says_what_was_run(estimated):
    _, result = estimated
    report = result.metadata["coldplate"]["applied"]
    assert report["backend"] == "emu_fast"
    assert len(report["backend_snapshot"]) == 16
    assert report["seed"] == 3
    pubs, (calibration,) = report["items"][:-1], report["items"][-1:]
    assert [one["noise_factor"] for one in pubs] == [1, 3, 5]
    assert {(one["pub"], one["circuits"], one["shots_per_circuit"]) for one in pubs} == {(0, 4 * 4, 64)}
    assert calibration["what"] == "readout calibration"
    assert report["total_executions"] == sum(one["executions"] for one in report["items"])


def test_circuits_twirls_and_raw_values_are_kept(server, estimated):
    job, result = estimated
    file = kept(server, job)
    assert json.loads(file.read("report.json")) == result.metadata["coldplate"]["applied"]
    circuits = qpy.load(io.BytesIO(file.read("circuits.qpy")))
    assert [one.count_ops()["cx"] for one in circuits[:3]] == [1, 3, 5]
    assert array(file, "items/1/values.npy").shape == (4, 4, circuits[1].num_parameters)
    assert array(file, "items/1/measurement_flips._meas.npy").shape == (4, 4, 1, 2)
    raw = array(file, "values/pub0.evs_noise_factors.npy")
    assert (raw == result[0].data.evs_noise_factors).all()


def test_a_job_that_was_not_asked_keeps_nothing(server, service):
    job = SamplerV2(service.backend("emu_fast")).run([measured()], shots=10)
    assert job.result()[0].data.meas.num_shots == 10
    assert kept(server, job) is None


def test_a_samplers_twirls_are_kept(server, service):
    options = {"experimental": ARTIFACTS, "twirling": {"enable_gates": True, "enable_measure": True}}
    job = SamplerV2(service.backend("emu_fast"), options=options).run([measured()], shots=100)
    job.result()
    assert "items/0/measurement_flips.meas.npy" in kept(server, job).namelist()


def test_a_deleted_job_takes_its_artifacts_along(server, service):
    job = SamplerV2(service.backend("emu_fast"), options={"experimental": ARTIFACTS}).run(
        [measured()], shots=1
    )
    job.result()
    service.delete_job(job.job_id())
    connection = Connection(server.url, server.key, server.crn)
    with pytest.raises(Exception, match="1291"):
        connection.ask("GET", f"/api/v1/jobs/{job.job_id()}/artifacts")


def measured() -> QuantumCircuit:
    made = QuantumCircuit(2)
    made.cx(0, 1)
    made.measure_all()
    return made


# --- estimates --------------------------------------------------------------------------------------

PUB = (circuit(), [SparsePauliOp("ZZ"), SparsePauliOp("XX")], [0.1])
LEARNING = {"num_randomizations": 4, "shots_per_randomization": 32, "layer_pair_depths": [0, 2]}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"resilience_level": 0}, id="level 0"),
        pytest.param({"resilience_level": 2, "default_shots": 300}, id="level 2, rounded up"),
        pytest.param(
            {"resilience": {"zne_mitigation": True, "zne": {"noise_factors": [1, 2, 3, 4]}}}, id="zne"
        ),
        pytest.param(
            {
                "resilience": {
                    "zne_mitigation": True,
                    "zne": {"amplifier": "pea"},
                    "layer_noise_learning": LEARNING,
                }
            },
            id="pea, which learns first",
        ),
        pytest.param({"dynamical_decoupling": {"enable": True}}, id="decoupling"),
    ],
)
def test_an_estimate_is_what_the_job_is_charged(service, options):
    estimator = EstimatorV2(service.backend("emu_fast"), options=options)
    told = estimator.run([PUB], dry_run=True).result().metadata["coldplate"]["applied"]
    job = estimator.run([PUB])
    charged = job.result().metadata["coldplate"]["applied"]
    assert job.usage() == pytest.approx(told["estimated_usage_s"], rel=0.1)
    assert (told["items"], told["factors"]) == (charged["items"], charged["factors"])


def test_an_estimate_names_what_each_option_costs(service):
    options = {"resilience_level": 2, "default_shots": 300, "resilience": {"zne": {"noise_factors": [1, 3]}}}
    estimator = EstimatorV2(service.backend("emu_fast"), options=options)
    factors = estimator.run([PUB], dry_run=True).result().metadata["coldplate"]["applied"]["factors"]
    assert factors["twirling"] == pytest.approx(320 / 300)  # 5 randomizations of 64 shots
    assert factors["resilience.zne_mitigation"] == 2
    assert factors["resilience.measure_mitigation"] == pytest.approx(1 + 320 / (2 * 2 * 320))


def test_the_command_estimates_a_job_and_a_file(server, service, tmp_path):
    job = SamplerV2(service.backend("emu_fast")).run([measured()], shots=1000)
    job.result()

    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", "coldplate", "estimate", *words, "--data", str(server.data)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(command(job.job_id(), "--json"))["estimated_usage_s"] == pytest.approx(
        job.usage(), rel=0.1
    )
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"program_id": "sampler", "backend": "emu_quiet", "params": {"pubs": PLAIN}}))
    assert "executions: 77" in command(str(file))


PLAIN = [
    ["OPENQASM 3.0; include 'stdgates.inc'; bit[1] c; qubit[1] q; x q[0]; c[0] = measure q[0];", None, 77]
]
