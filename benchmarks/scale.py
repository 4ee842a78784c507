"""A hundred thousand queued jobs, twenty tenants that always wait, and a device that is never to be idle."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from coldplate.domain.instance import Instance, InstanceId, make_crn
from coldplate.domain.job import Job, JobId
from coldplate.domain.reservation import Claim, Reservation
from coldplate.ids import new_id
from coldplate.scheduler import trace
from coldplate.scheduler.policy import plan
from coldplate.scheduler.report import report
from coldplate.settings import Settings
from coldplate.store.rows import job_row
from coldplate.store.store import Store
from coldplate.store.tables import job as jobs
from coldplate.testing import Server, running_server

QUEUED, TENANTS, DEVICES = 100_000, 200, 4
SUBMITS, TURNS = 2000, 10
PASSES = 30
SHORT_JOBS = 20

DEVICES_ONLINE = "\n".join(
    f'[[backends]]\nname = "dev_{n}"\nkind = "ideal"\nqubits = 5\nlanes = 5' for n in range(DEVICES)
)
REAL = '[[backends]]\nname = "dev_real"\nkind = "emulated"\nsnapshot = "lagos"\npace = "real"\n'

SUBMIT_ALL = """
import sys
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2
circuit = QuantumCircuit(2); circuit.x(0); circuit.measure_all()
sampler = SamplerV2(mode=QiskitRuntimeService().backend("dev_real"))
jobs = [sampler.run([circuit], shots=1000) for _ in range(int(sys.argv[1]))]
for job in jobs:
    job.result()
"""

Row = dict[str, Any]


def row(system: str, seconds: float, ratio: float | None, note: str) -> Row:
    """One line of the table."""
    return {
        "bench": "scale",
        "system": system,
        "seconds": seconds,
        "ratio": ratio,
        "peak_mb": None,
        "note": note,
    }


def fill(store: Store, number: int) -> None:
    """Queue jobs of many instances on all devices, in one transaction."""
    now = datetime.now(UTC)
    instances = [Instance(make_crn("local", f"t{n}"), f"t{n}", allocation_s=3600) for n in range(TENANTS)]
    for instance in instances:
        store.add_instance(instance)
    rng = random.Random(0)
    rows = [
        job_row(
            Job(
                JobId(new_id()),
                InstanceId(rng.choice(instances).id),
                "local",
                "sampler",
                f"dev_{rng.randrange(DEVICES)}",
                now - timedelta(seconds=number - n),
            )
        )
        for n in range(number)
    ]
    with store._database.writing() as connection:
        connection.execute(insert(jobs), rows)


def hold_back(store: Store) -> None:
    """Let nothing start, by a rule: so every look of the scheduler has all lines to look at."""
    begin, alone = datetime.now(UTC), Instance(make_crn("local", "alone"), "alone")
    store.add_instance(alone)
    for n in range(DEVICES):
        end = begin + timedelta(days=1)
        store.add_reservation(Reservation(f"r{n}", f"dev_{n}", Claim.DEDICATED, begin, end, alone.id))


def passes(store: Store) -> tuple[float, float]:
    """Seconds of processor time that the scheduler looks and plans, in the median of many passes."""
    looked, planned = [], []
    for _ in range(PASSES):
        now, began = datetime.now(UTC), time.process_time()
        snapshot = store.snapshot(now, alive=set(), free_slots=2, whole=False)
        looked.append(time.process_time() - began)
        snapshot, began = replace(snapshot, reservations=()), time.process_time()
        assert len(plan(snapshot, now)) == 2
        planned.append(time.process_time() - began)
    return statistics.median(looked), statistics.median(planned)


def submits(server: Server, number: int) -> list[float]:
    """Seconds that each of some submissions takes."""
    body = json.dumps(
        {"program_id": "sampler", "backend": "dev_0", "params": {"pubs": [], "version": 2, "options": {}}}
    )
    connection, took = http.client.HTTPConnection("127.0.0.1", server.port), []
    headers = {"Authorization": f"apikey {server.key}", "Service-CRN": server.crn}
    for _ in range(number):
        began = time.perf_counter()
        connection.request("POST", "/api/v1/jobs", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        took.append(time.perf_counter() - began)
    return took


def depth() -> Iterator[Row]:
    """Plan, submission and restart with a hundred thousand queued jobs, beside an empty queue."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        catalog = Path(directory) / "catalog.toml"
        catalog.write_text(DEVICES_ONLINE)
        servers, restarts = [], []
        for name in ("empty", "full"):
            data = Path(directory) / name
            server = stack.enter_context(running_server(data, catalog=catalog))
            server.stop()
            store = Store(Settings(data=data).database_url)
            hold_back(store)
            if name == "full":
                fill(store, QUEUED)
                look_s, plan_s = passes(store)
                note = f"{1000 * plan_s:.1f} ms of it the rules"
                yield row("plan, 100,000 queued", look_s + plan_s, None, note)
            store.close()
            began = time.perf_counter()
            server.start()
            restarts.append(time.perf_counter() - began)
            servers.append(server)
        yield row("restart, 100,000 queued", restarts[1], restarts[1] / restarts[0], "ratio to empty")
        # In turns, so that whatever else the machine does is the same for both.
        took: list[list[float]] = [[], []]
        for _ in range(TURNS):
            for number, server in enumerate(servers):
                took[number] += submits(server, SUBMITS // TURNS)
    for percent in (50, 99):
        empty_s, full_s = (statistics.quantiles(each, n=100)[percent - 1] for each in took)
        note = f"empty: {1000 * empty_s:.1f} ms"
        yield row(f"submit p{percent}, 100,000 queued", full_s, full_s / empty_s, note)


def fairness() -> Iterator[Row]:
    """Twenty tenants with allocations 1:2:4 that always have jobs waiting, for an hour of virtual time."""
    rng = random.Random(0)
    entries: list[trace.Entry] = [trace.Device("d", lanes=5)]
    for tenant in range(20):
        entries.append(trace.Tenant(f"t{tenant}", allocation_s=1000.0 * 2 ** (tenant % 3)))
        for _ in range(400):
            times = {"device_s": rng.uniform(2, 30), "prepare_s": 0.5, "finish_s": 0.2}
            entries.append(trace.Job(at=0.0, instance=f"t{tenant}", backend="d", **times))
    simulation, began = trace.prepared(entries), time.perf_counter()
    simulation.run(trace.moment(3600))
    figures = report(simulation, begin=trace.BEGIN)
    gap, busy = figures["fairness"]["gap_over_bound"], figures["utilisation"]["mean"]
    yield row(
        "fairness, 20 tenants, 1 h", time.perf_counter() - began, gap, f"gap / bound; device busy {busy:.1%}"
    )


def busy() -> Iterator[Row]:
    """A device at real pace with a full queue of short jobs: how much of the time it is driven."""
    with tempfile.TemporaryDirectory() as directory:
        data, catalog = Path(directory) / "data", Path(directory) / "catalog.toml"
        catalog.write_text(REAL)
        with running_server(data, catalog=catalog) as server:
            command = [sys.executable, "-c", SUBMIT_ALL, str(SHORT_JOBS)]
            subprocess.run(command, env=server.env, check=True, stderr=subprocess.DEVNULL)
        store = Store(Settings(data=data).database_url)
        done = store.audited()[0]
        store.close()
    first, last = min(job.started for job in done if job.started), max(job.ended for job in done if job.ended)
    seconds = (last - first).total_seconds()
    part = sum(job.held_s for job in done) / seconds
    yield row(
        "busy device, real pace", seconds, part, f"{SHORT_JOBS} jobs of {done[0].usage_s:.2f} s: {part:.1%}"
    )


def scale() -> Iterator[Row]:
    """Everything."""
    yield from depth()
    yield from fairness()
    yield from busy()


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {"scale": scale}
