"""In a job's process: a device that one process drives at a time, used in turn."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from numpy.random import Generator

from coldplate.circuits.program import Outcomes, Program
from coldplate.errors import JobFailure, RanTooLong
from coldplate.failpoints import passing
from coldplate.workers.around import Around
from coldplate.workers.pool import Ticket
from coldplate.workers.turnstile import GO, GONE


@dataclass
class InTurn(Around):
    """A backend that is driven only in turn: programs are made, and outcomes read, without it."""

    ticket: Ticket
    driving: bool = field(init=False)  # from the start, until the end of the first turn
    used_s: float = field(init=False, default=0.0)  # quantum seconds of the turns so far

    def __post_init__(self) -> None:
        self.driving = self.ticket.driving

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """See `Backend.run`.

        Raises:
            RanTooLong: It would take longer than the job may.
        """
        seconds, most_s = self.usage_s(program), self.ticket.device_s
        self.used_s += seconds or 0.0
        if most_s is not None and self.used_s > most_s:
            raise RanTooLong(f"Ran too long: the job needs {self.used_s:.1f} s of its limit of {most_s:g} s.")
        driving, self.driving = self.driving, False
        with turn(self.ticket, seconds, driving=driving):
            return self.device.run(program, rng)


@contextlib.contextmanager
def turn(ticket: Ticket, seconds: float | None, *, driving: bool = False) -> Iterator[None]:
    """Hold the ticket's device.

    Args:
        seconds: For how long, by the device's clock, as far as that is known.
        driving: It is held already: the office's word is not waited for before, but taken afterwards.
    """
    if ticket.turnstile is None:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as turnstile:
        turnstile.connect(ticket.turnstile)
        turnstile.sendall(f"{ticket.turnstile_key} {'' if seconds is None else seconds}\n".encode())
        if not driving and turnstile.recv(1) != GO:
            raise JobFailure("The service stopped while the job waited for its device.")
        passing("T7-device-opened", job=ticket.job, fence=ticket.fence, backend=ticket.backend)
        try:
            yield
        finally:
            passing("T7-device-left", job=ticket.job, fence=ticket.fence, backend=ticket.backend)
            if driving:
                turnstile.recv(1)
            turnstile.sendall(GONE)
