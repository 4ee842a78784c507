"""Lanes through the unmodified client: jobs are prepared beside one another, and drive their device alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Batch, SamplerV2

from coldplate.client import pointed_at
from coldplate.testing import running_server


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("failpoints")


@pytest.fixture(scope="module")
def lanes(catalog, journal):
    """A server that writes down who passes which point."""
    with running_server(catalog=catalog, lease_s=3, failpoints=journal) as running:
        with pointed_at(running.url, running.key, running.crn) as pointed:
            yield pointed


def submit(mode, shots=10):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=mode).run([circuit], shots=shots)


def passed(journal: Path, jobs) -> dict[str, list[tuple[float, str]]]:
    """When each job passed which point, in order."""
    ids = [job.job_id() for job in jobs]
    lines = [json.loads(line) for line in (journal / "journal").read_text().splitlines()]
    return {id: [(line["at"], line["point"]) for line in lines if line.get("job") == id] for id in ids}


def turns(passages) -> list[tuple[float, float]]:
    """From when to when each job drove the device, by beginning."""
    found = []
    for points in passages.values():
        opened = [at for at, point in points if point == "T7-device-opened"]
        left = [at for at, point in points if point == "T7-device-left"]
        found += zip(opened, left, strict=True)
    return sorted(found)


def test_jobs_are_prepared_while_another_drives_and_drive_alone(lanes, journal):
    backend = lanes.backend("emu_lanes")
    jobs = [submit(backend) for _ in range(4)]
    for job in jobs:
        assert job.result()[0].data.meas.num_shots == 10
    passages = passed(journal, jobs)
    driven = turns(passages)
    assert len(driven) == 4
    assert all(left <= opened for (_, left), (opened, _) in zip(driven, driven[1:], strict=False))
    born = sorted(at for points in passages.values() for at, point in points if point == "T6-child-started")
    assert born[1] < driven[0][1], "the second job was not prepared while the first drove"


def test_jobs_wait_in_lanes_beyond_the_number_of_processes_and_leave_room_for_other_backends(lanes):
    backend = lanes.backend("emu_lanes")
    jobs = [submit(backend, shots=4000) for _ in range(4)]
    deadline = time.monotonic() + 60
    while [job.status() for job in jobs].count("RUNNING") < 3:
        assert time.monotonic() < deadline, "no third job was prepared"
        time.sleep(0.05)
    quick = submit(lanes.backend("emu_fast"))
    quick.result()
    assert jobs[-1].status() != "DONE"
    for job in jobs:
        job.result()


def test_device_goes_on_when_its_driver_is_killed(lanes, journal):
    (journal / "T7-device-opened").write_text("kill")
    jobs = [submit(lanes.backend("emu_lanes")) for _ in range(3)]
    for job in jobs:
        assert job.result()[0].data.meas.num_shots == 10
    passages = passed(journal, jobs)
    born = [sum(point == "T6-child-started" for _, point in points) for points in passages.values()]
    assert sorted(born) == [1, 1, 2]


def test_estimate_is_told_once_a_program_is_ready(lanes):
    job = submit(lanes.backend("emu_lanes"), shots=4000)
    job.result()
    assert job.usage_estimation["quantum_seconds"] == pytest.approx(job.usage(), rel=1e-6)


def test_batch_takes_the_lanes_that_are_free_when_its_first_job_has_started(lanes):
    backend = lanes.backend("emu_lanes")
    with Batch(backend=backend) as batch:
        jobs = [submit(batch) for _ in range(3)]
    for job in jobs:
        job.result()
    running = [job.metrics()["timestamps"]["running"] for job in jobs]
    assert running == sorted(running)
