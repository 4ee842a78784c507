"""The process of one job, from the fork to its last words."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from coldplate.workers import sandbox
from coldplate.workers.messages import Ended
from coldplate.workers.pool import Receipt, Ticket
from coldplate.workers.processes import machine_oom_kills

Entry = Callable[[Ticket], Receipt]

RECEIPT_FD = 3
MAX_RECEIPT = 4096  # one page: what a pipe always takes, though nobody reads it before the child is dead
MAX_TAIL = 16 << 10
NO_RECEIPT = 70  # exit code of a child that could not hand in a receipt


@dataclass
class Child:
    """One attempt's process: the leader of its process group."""

    ticket: Ticket
    pid: int
    receipt: int  # file descriptor: what it says at the end
    stderr: int  # file descriptor of an unnamed file: what it wrote
    oom_kills: int  # of the machine, when it started
    exit: int | None = None  # set when the leader is reaped; its group may live on a little
    cpu_s: float = 0.0


def be_born(ticket: Ticket, entry: Entry, *, zygote: int, receipt: int, stderr: int) -> None:
    """Life of a child, from just after the fork; it never returns."""
    code = NO_RECEIPT
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        sandbox.die_with(zygote)
        os.dup2(stderr, 1)
        os.dup2(stderr, 2)
        os.dup2(receipt, RECEIPT_FD)
        os.closerange(RECEIPT_FD + 1, 1 << 16)
        sandbox.confine(ticket.limits)
        os.write(RECEIPT_FD, encode_receipt(entry(ticket)))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def encode_receipt(receipt: Receipt) -> bytes:
    """The receipt as JSON of at most a page; metrics that don't fit or don't encode are left out."""
    with contextlib.suppress(TypeError):
        data = msgspec.json.encode(receipt)
        if len(data) <= MAX_RECEIPT:
            return data
    return msgspec.json.encode(replace(receipt, metrics={}))


def last_words(child: Child, status: int) -> Ended:
    """What a dead child left: its receipt if it is one, and the end of its stderr."""
    receipt = None
    with contextlib.suppress(BlockingIOError, msgspec.MsgspecError):
        receipt = msgspec.json.decode(os.read(child.receipt, MAX_RECEIPT), type=Receipt)
    size = os.fstat(child.stderr).st_size
    tail = os.pread(child.stderr, MAX_TAIL, max(0, size - MAX_TAIL))
    return Ended(
        child.ticket.job,
        child.ticket.fence,
        exit=status,
        cpu_s=child.cpu_s,
        oom_kills=machine_oom_kills() - child.oom_kills,
        receipt=receipt,
        tail=tail.decode("utf-8", "replace"),
    )
