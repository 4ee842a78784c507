"""A live server under the unmodified client, and under plain HTTP load."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from coldplate.testing import Server, running_server

TINY_JOBS = 60
SUBMITS, READS = 1200, 4000

SESSION_LOOP = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session
if sys.argv[1] == "local":
    from qiskit_aer import AerSimulator
    backend = AerSimulator()
else:
    backend = QiskitRuntimeService().backend("sim_statevector")
bell = QuantumCircuit(2); bell.h(0); bell.cx(0, 1); bell.measure_all()
bell = transpile(bell, backend)
took = []
with Session(backend=backend) as session:
    sampler = SamplerV2(mode=session)
    for _ in range(int(sys.argv[2]) + 3):
        began = time.perf_counter()
        sampler.run([bell], shots=100).result()
        took.append(time.perf_counter() - began)
print(json.dumps(took[3:]))
"""

PAUSED = """
[[backends]]
name = "sim_paused"
kind = "ideal"
method = "statevector"
qubits = 20
status = "paused"
"""

Row = dict[str, Any]


def session_loop() -> Iterator[Row]:
    """(c) Milliseconds per tiny job inside a session, beside the same loop in local mode."""
    with running_server() as server:
        modes = {"coldplate": ("http", server.env), "local-mode": ("local", {})}
        took = {system: loop(mode, env) for system, (mode, env) in modes.items()}
    ours = statistics.median(took["coldplate"])
    for system, seconds in took.items():
        p99 = statistics.quantiles(seconds, n=100)[98]
        yield figure(
            "session-loop", system, statistics.median(seconds), ours, n=len(seconds), note=f"p99 {p99:.4f} s"
        )


def loop(mode: str, env: dict[str, str]) -> list[float]:
    """Seconds of each tiny job, run by the unmodified client in a process of its own."""
    command = [sys.executable, "-c", SESSION_LOOP, mode, str(TINY_JOBS)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | env, check=True)
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def load() -> Iterator[Row]:
    """(d) Durable submits and status reads per second with 1 and 32 clients, and the server's memory."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder, "catalog.toml")
        catalog.write_text(PAUSED)
        with running_server(catalog=catalog) as server:
            time.sleep(3)  # the zygote has loaded the lab
            yield figure(
                "idle-memory",
                "coldplate",
                0.0,
                None,
                peak_mb=tree_mb(server.pid),
                note="server and zygote, PSS",
            )
            last = ""
            for clients in (1, 32):
                took, last = hammer(server, clients, SUBMITS, lambda c, s, i: submit(c, s, i))
                yield rate(f"submit-{clients}", took, peak_mb=tree_mb(server.pid))
            for clients in (1, 32):
                took, _ = hammer(server, clients, READS, lambda c, s, i: read(c, s, last))
                yield rate(f"status-{clients}", took, peak_mb=tree_mb(server.pid))


def tree_mb(pid: int) -> int:
    """Proportional memory of a process and its children, MB."""
    root = psutil.Process(pid)
    return round(
        sum(process.memory_full_info().pss for process in (root, *root.children(recursive=True))) / 2**20
    )


Ask = Callable[[http.client.HTTPConnection, Server, int], str]


def hammer(server: Server, clients: int, total: int, ask: Ask) -> tuple[list[tuple[float, float]], str]:
    """(began, seconds) of every request, `clients` connections at a time, and the last answer."""
    took: list[tuple[float, float]] = []
    answers: list[str] = []

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(server.host, server.port)
        for index in range(number, total, clients):
            began = time.perf_counter()
            answers.append(ask(connection, server, index))
            took.append((began, time.perf_counter() - began))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, answers[-1]


def submit(connection: http.client.HTTPConnection, server: Server, index: int) -> str:
    """One durable submission of a 5 kB job; gives its id."""
    params = {"pubs": [["x" * 5000, None, index]], "options": {}, "version": 2, "support_qiskit": True}
    body = json.dumps({"program_id": "sampler", "backend": "sim_paused", "params": params})
    job: str = request(connection, server, "POST", "/api/v1/jobs", body)["id"]
    return job


def read(connection: http.client.HTTPConnection, server: Server, job: str) -> str:
    """One read of a job with its inputs, which is never held; gives its id."""
    found: str = request(connection, server, "GET", f"/api/v1/jobs/{job}", None)["id"]
    return found


def request(
    connection: http.client.HTTPConnection, server: Server, method: str, path: str, body: str | None
) -> dict[str, Any]:
    """One request; its JSON."""
    headers = {"Authorization": f"apikey {server.key}", "Service-CRN": server.crn}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"{method} {path}: {response.status} {content[:300]!r}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def rate(name: str, took: list[tuple[float, float]], *, peak_mb: int) -> Row:
    """Requests per second over the whole run."""
    whole = max(began + seconds for began, seconds in took) - min(began for began, _ in took)
    p99 = statistics.quantiles([seconds for _, seconds in took], n=100)[98]
    note = f"{len(took) / whole:.0f}/s, p99 {p99 * 1000:.0f} ms"
    return figure(name, "coldplate", whole / len(took), None, peak_mb=peak_mb, n=len(took), note=note)


def figure(
    bench: str,
    system: str,
    seconds: float,
    ours: float | None,
    *,
    peak_mb: int = 0,
    n: int = 1,
    note: str = "",
) -> Row:
    """One line of the output; `ratio` is this system's time over ours."""
    ratio = None if ours is None else round(seconds / ours, 3)
    vs = None if ours is None else "coldplate"
    return {
        "bench": bench,
        "system": system,
        "vs": vs,
        "ratio": ratio,
        "seconds": round(seconds, 6),
        "peak_mb": peak_mb,
        "n": n,
        "note": note,
    }


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {"session-loop": session_loop, "load": load}
