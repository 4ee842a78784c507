"""How soon the service is well again after SIGKILL: `python -m benchmarks.recovery`.

A job's process: until the job's next attempt has begun in a process of its own. The server: from its start
until the first request is answered, which is all that depends on us once something has started it; and the
processor time that this took, which other load does not change.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from torture.work import body_of

from coldplate.connection import Connection
from coldplate.testing import Server, running_server

JOBS, RESTARTS = 10, 7
CATALOG = Path(__file__).parents[1] / "torture" / "catalog.toml"


def main() -> None:
    """Measure both, and print the times."""
    with tempfile.TemporaryDirectory(prefix="points-") as points:
        with running_server(catalog=CATALOG, failpoints=points) as server:
            show("job's process killed, until its next attempt runs", list(kill_jobs(server, Path(points))))
            times = list(kill_server(server))
            show("server killed, from its start until it answers", [seconds for seconds, _ in times])
            show("  of that, processor time", [seconds for _, seconds in times])


def show(what: str, times: list[float]) -> None:
    """Print times in milliseconds, smallest first."""
    ordered = sorted(round(1000 * seconds) for seconds in times)
    print(f"{what}: median {ordered[len(ordered) // 2]} ms, all {ordered}")


def kill_jobs(server: Server, points: Path) -> Iterator[float]:
    """Kill the process of one long job after the other."""
    connection = Connection(server.url, server.key, server.crn)
    for number in range(JOBS):
        body = json.loads(body_of("emu_slow", number))
        job = connection.ask("POST", "/api/v1/jobs", body=body)["id"]
        pid, _ = wait_for_attempt(points, job, 1)
        time.sleep(0.3)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        _, began = wait_for_attempt(points, job, 2)
        yield began - killed
        connection.ask("POST", f"/api/v1/jobs/{job}/cancel")


def wait_for_attempt(points: Path, job: str, fence: int) -> tuple[int, float]:
    """The process of an attempt, and when it began."""
    while True:
        journal = points / "journal"
        for text in journal.read_text().splitlines() if journal.exists() else []:
            line = json.loads(text)
            if (line["point"], line.get("job"), line.get("fence")) == ("T6-child-started", job, fence):
                return line["pid"], line["at"]
        time.sleep(0.005)


def kill_server(server: Server) -> Iterator[tuple[float, float]]:
    """Kill the server and start it again; seconds, and those of the processor."""
    for _ in range(RESTARTS):
        server.kill()
        began = time.monotonic()
        server.restart()
        urllib.request.urlopen(f"{server.url}/metrics").read()
        took_s, used = time.monotonic() - began, psutil.Process(server.pid).cpu_times()
        yield took_s, used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    main()
