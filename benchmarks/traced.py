"""`coldplate serve` that notes when each job passes which point: `python -m benchmarks.traced serve ...`.

Nothing in the service knows of it: functions are wrapped here, in the server's process, and in each job's
by an entry of our own. Times are of the monotonic clock, which all processes of a machine share; each line
of `points.jsonl` in the data directory is `[job, point, nanoseconds]`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = "points.jsonl"


class Points:
    """Appends points to a file; many processes may."""

    def __init__(self, file: Path):
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._job = ""
        self._kept: list[tuple[str, str, int]] = []

    def note(self, point: str, job: str = "") -> None:
        """Remember that a job, or the one last named, has got to a point; cheap, and written by `write`."""
        self._kept.append((job or self._job, point, time.monotonic_ns()))

    def belong_to(self, job: str) -> None:
        """Whose points are noted from now on."""
        self._job = job

    def write(self) -> None:
        """Write all that was noted."""
        kept, self._kept = self._kept, []
        os.write(self._file, "".join(json.dumps(one) + "\n" for one in kept).encode())


def around(owner: Any, name: str, before: Callable[..., None], after: Callable[..., None]) -> None:
    """Call `before` with the arguments, and `after` with the answer and them."""
    inner = getattr(owner, name)

    @wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        before(*args, **kwargs)
        answer = inner(*args, **kwargs)
        after(answer, *args, **kwargs)
        return answer

    setattr(owner, name, outer)


def nothing(*_args: Any, **_kwargs: Any) -> None:
    """Note nothing."""


# --- in the server ------------------------------------------------------------------------------


def trace_server(points: Points) -> None:
    """Note the life of each job outside of its own process."""
    from coldplate.scheduler.loop import Loop
    from coldplate.service import Service
    from coldplate.store.store import Store
    from coldplate.workers import local
    from coldplate.workers.messages import Ended, Started

    began = [0]

    def submit(*_: Any, **__: Any) -> None:
        began[0] = time.monotonic_ns()

    def submitted(job: Any, *_: Any, **__: Any) -> None:
        points._kept.append((job.id, "received", began[0]))
        points.note("committed", job.id)

    def news(_pool: Any, told: Any) -> None:
        if isinstance(told, Started | Ended):
            points.note("started" if isinstance(told, Started) else "dead", told.job)

    def done(_: Any, _loop: Any, receipt: Any) -> None:
        points.note("finished", receipt.job)
        points.write()

    around(Service, "submit", submit, submitted)
    around(Loop, "_start", lambda _loop, start, _now: points.note("planned", start.job), nothing)
    around(Store, "start", nothing, lambda _, __, job, **___: points.note("claimed", job))
    around(local.LocalPool, "start", nothing, lambda _, __, ticket, ___: points.note("ordered", ticket.job))
    around(local.LocalPool, "_pass_on", news, nothing)
    around(Loop, "done", lambda _loop, receipt: points.note("told", receipt.job), done)


def traced_pool(pool: Callable[..., Any]) -> Callable[..., Any]:
    """A pool whose jobs note their steps."""
    return lambda **given: pool(
        **given | {"options": [*given["options"], "--entry", "benchmarks.traced:run"]}
    )


# --- in a job's process -------------------------------------------------------------------------

STEPS = {  # of a sampler job, each noted at its end
    "read": ("coldplate.programs.sampler", "read"),
    "decoded": ("coldplate.programs.sampler", "sampler_pubs"),
    "checked": ("coldplate.programs.sampler", "check_isa"),
    "prepared": ("coldplate.programs.sampler", "prepare"),
    "combined": ("coldplate.programs.sampler", "combine"),
    "encoded": ("coldplate.programs.sampler", "encode_primitive_result"),
}


def run(ticket: Any) -> Any:
    """The entry of a job's process: `run_job`, which notes its steps."""
    entered = time.monotonic_ns()
    from coldplate.backends.emulator import Emulator
    from coldplate.blobs import LocalBlobs
    from coldplate.workers import devices
    from coldplate.workers.run_job import run_job

    points = Points(Path(ticket.blobs_root).parent / FILE)
    points.belong_to(ticket.job)
    points._kept.append((ticket.job, "entered", entered))

    def noting(point: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: points.note(point)

    for point, (module, name) in STEPS.items():
        around(import_module(module), name, nothing, noting(point))
    around(Emulator, "run", nothing, noting("simulated"))
    around(LocalBlobs, "put", nothing, noting("stored"))

    def loading(*args: Any) -> Any:
        backend = devices.load(*args)
        points.note("backend")
        return backend

    receipt = run_job(ticket, load=loading)
    points.note("handed-in")
    points.write()
    return receipt


def main() -> None:
    """Serve, traced."""
    from coldplate import server
    from coldplate.cli import main as serve

    data = Path(sys.argv[sys.argv.index("--data") + 1])
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # for the zygote to find this module
    trace_server(Points(data / FILE))
    server.LocalPool = traced_pool(server.LocalPool)
    serve()


if __name__ == "__main__":
    main()
