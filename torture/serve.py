"""The server under torture, or a second scheduler beside it: the real things, with a clock that jumps.

python -m torture.serve server DATA FAILPOINTS PORT [MUTANT]
python -m torture.serve rival DATA FAILPOINTS 0 [MUTANT]
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coldplate import failpoints, logs, server
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.job import JobId
from coldplate.scheduler.loop import Loop
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.workers.local import LocalPool
from torture.mutants import MUTANTS

LEASE_S = 2.0
CATALOG = Path(__file__).with_name("catalog.toml")
CLOCK = "clock"  # a file: seconds by which the clock is wrong


def main(role: str, data: Path, points: Path, port: int, mutant: str = "") -> None:
    """Be a server or a rival, until the process that started us is gone."""
    failpoints.enable(points)
    logs.configure("console")
    if mutant:
        MUTANTS[mutant]()

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=wrong_by(points / CLOCK))

    server.now = now
    ordinary = server.options_for_tests
    server.options_for_tests = lambda: [*ordinary(), "--entry", "torture.child:run"]
    settings = Settings(
        data=data,
        port=port,
        catalog=CATALOG,
        slots=2,
        lease_s=LEASE_S,
        shared=True,
        max_attempts=50,  # so that no job is given up for being unlucky; the limit has tests of its own
        max_execution_s=20,
        private_grace_s=30,
    )
    if role == "server":
        server.serve(settings, on_ready=print, with_parent=True)
    else:
        compete(settings)


def wrong_by(file: Path) -> float:
    """Seconds by which the clock is wrong now."""
    try:
        return float(file.read_text() or 0)
    except FileNotFoundError:
        return 0.0


def compete(settings: Settings) -> None:
    """Schedule the same store, with processes of our own."""
    store = Store(settings.database_url)
    pool = LocalPool(
        slots=1,
        spares=0,
        beat=lambda job, fence: store.beat(JobId(job), fence, now=server.now(), lease_s=LEASE_S),
        asks=lambda job, fence, seconds: store.ask_for_device(
            JobId(job), fence, seconds=seconds, now=server.now()
        ),
        leaves=lambda job, fence: store.leave_device(JobId(job), fence, now=server.now()),
        lease_s=LEASE_S,
        options=server.options_for_tests(),
    )
    loop = Loop(
        store=store,
        pool=pool,
        blobs=LocalBlobs(settings.data / "blobs"),
        settings=settings,
        changes=Changes(),
        clock=server.now,
        worker="rival",
    )
    parent = os.getppid()
    loop.start()
    while os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    role, data, points, port, *mutant = sys.argv[1:]
    main(role, Path(data), Path(points), int(port), *mutant)
