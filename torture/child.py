"""The body of each job's process: the real one, inside locks that only the death of a process can break.

The kernel frees a file lock when its process is gone, and not before. So whoever can't have the lock of a
job or of a device has met another driver that is still alive: a violation, written down on the spot.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coldplate import failpoints
from coldplate.circuits.backend import Backend
from coldplate.workers import devices, turns
from coldplate.workers.pool import Receipt, Ticket
from coldplate.workers.run_job import run_job
from torture.journal import Journal
from torture.points import DEVICE_DRIVEN
from torture.work import OUT_OF_MEMORY, POISON

ordinary_turn = turns.turn


@contextlib.contextmanager
def watched_turn(ticket: Ticket, *args: Any, **more: Any) -> Iterator[Any]:
    """A turn at a device, as its only driver."""
    with ordinary_turn(ticket, *args, **more) as turn, alone(f"device-{ticket.backend}", ticket):
        failpoints.passing(DEVICE_DRIVEN, job=ticket.job, fence=ticket.fence, backend=ticket.backend)
        yield turn


turns.turn = watched_turn


def run(ticket: Ticket) -> Receipt:
    """Run a ticket as its only driver; or come to grief with it, where its job is of that kind."""

    def load(name: str, catalog: Path | None) -> Backend:
        if ticket.log_level == POISON:
            os.kill(os.getpid(), signal.SIGSEGV)
        if ticket.log_level == OUT_OF_MEMORY:
            bytearray(2 * ticket.limits.memory_bytes)
        return devices.load(name, catalog)

    with alone(f"job-{ticket.job}", ticket):
        return run_job(ticket, load=load)


@contextlib.contextmanager
def alone(name: str, ticket: Ticket) -> Iterator[None]:
    """Hold a lock that nobody else may hold now."""
    directory = failpoints.directory()
    assert directory is not None, "torture needs a directory of failpoints"
    with (directory / f"lock-{name}").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            journal = Journal(directory / "overlaps", "child")
            journal.write("overlap", of=name, job=ticket.job, fence=ticket.fence, other=lock.read()[-80:])
        lock.truncate(0)
        lock.write(f"{ticket.job} {ticket.fence} {os.getpid()}")
        lock.flush()
        yield
