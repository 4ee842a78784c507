"""Where the milliseconds of a session's next tiny job go: client, requests, and each step of the job."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import traced
from coldplate.testing import Server

JOBS, WARM_UP = 60, 5
BACKENDS = ("sim_statevector", "emu_heron_r2")
Points = dict[str, int]  # nanoseconds of the monotonic clock, by what was reached then

# The client as users have it, in a process of its own. Only the standard library below it is watched: from
# when a request has been sent until the first byte of its answer is here, the server is waited for.
CLIENT = """
import http.client, json, sys, time, warnings
warnings.filterwarnings("ignore")
from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

waits = []
begin = http.client.HTTPResponse.begin
def watched(response):
    sent = time.monotonic_ns()
    status = response._read_status()
    waits.append((response._method, sent, time.monotonic_ns()))
    response._read_status = lambda: status
    begin(response)
http.client.HTTPResponse.begin = watched

backend = QiskitRuntimeService().backend(sys.argv[1])
bell = QuantumCircuit(2); bell.h(0); bell.cx(0, 1); bell.measure_all()
bell = transpile(bell, backend)
jobs = []
with Session(backend=backend) as session:
    sampler = SamplerV2(mode=session)
    for _ in range(int(sys.argv[2])):
        waits.clear()
        began = time.monotonic_ns()
        job = sampler.run([bell], shots=100)
        job.result()
        jobs.append({"id": job.job_id(), "began": began, "ended": time.monotonic_ns(), "waits": list(waits)})
print(json.dumps(jobs))
"""


class Traced(Server):
    """A server that notes when its jobs pass which point."""

    module = "benchmarks.traced"


def latency() -> Iterator[dict[str, Any]]:
    """Milliseconds per tiny job in a session: all, what the server caused, and each stretch of the way."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # where the traced server is found
    for backend in BACKENDS:
        with tempfile.TemporaryDirectory(prefix="coldplate-") as folder:
            server = Traced(Path(folder))
            server.start()
            try:
                jobs = run_jobs(server, backend)
            finally:
                server.stop()
            points = read(Path(folder, traced.FILE))
        yield from rows(backend, jobs, points)


def run_jobs(server: Server, backend: str) -> list[dict[str, Any]]:
    """What the client saw of each job, the first ones left out."""
    command = [sys.executable, "-c", CLIENT, backend, str(JOBS + WARM_UP)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | server.env, check=True)
    jobs: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return jobs[WARM_UP:]


def read(file: Path) -> dict[str, Points]:
    """Points by job."""
    jobs: dict[str, Points] = {}
    for line in file.read_text().splitlines():
        job, point, at = json.loads(line)
        jobs.setdefault(job, {}).setdefault(point, at)
    return jobs


def rows(backend: str, jobs: list[dict[str, Any]], points: dict[str, Points]) -> Iterator[dict[str, Any]]:
    """Medians over the jobs."""
    whole = [job["ended"] - job["began"] for job in jobs]
    waited = [sum(answered - sent for _, sent, answered in job["waits"]) for job in jobs]
    served = [points[job["id"]]["finished"] - points[job["id"]]["received"] for job in jobs]
    for name, took in (("tiny-job", whole), ("client-waits", waited), ("received-finished", served)):
        yield row(backend, name, took)
    for number in range(min(len(job["waits"]) for job in jobs)):
        spans = [job["waits"][number] for job in jobs]
        yield row(backend, f"wait-{number}-{spans[0][0]}", [answered - sent for _, sent, answered in spans])
    stretches: dict[str, list[int]] = {}
    for job in jobs:
        order = sorted(points[job["id"]].items(), key=lambda point: point[1])
        for (_, before), (name, at) in pairwise(order):
            stretches.setdefault(f"until-{name}", []).append(at - before)
    for name, took in stretches.items():
        yield row(backend, name, took)


def row(backend: str, name: str, took: list[int]) -> dict[str, Any]:
    """One line of the output."""
    low, high = (statistics.quantiles(took, n=100)[at] / 1e6 for at in (4, 94))
    return {
        "bench": name,
        "system": backend,
        "vs": None,
        "ratio": None,
        "seconds": statistics.median(took) / 1e9,
        "peak_mb": 0,
        "n": len(took),
        "note": f"ms: p5 {low:.2f}, p50 {statistics.median(took) / 1e6:.2f}, p95 {high:.2f}",
    }
