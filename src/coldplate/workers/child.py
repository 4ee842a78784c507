"""The process of one job, from the fork to its last words."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from coldplate.circuits import cache
from coldplate.workers import sandbox
from coldplate.workers.kept import JobCache, file_for_offers
from coldplate.workers.messages import Ended, Start, line, read_order
from coldplate.workers.pool import Receipt, Ticket
from coldplate.workers.processes import machine_oom_kills

Entry = Callable[[Ticket], Receipt]
Rehearsal = Callable[[], None]

RECEIPT_FD, OFFERS_FD, TICKETS_FD = 3, 4, 5
PLACES = (1, 2, RECEIPT_FD, OFFERS_FD, TICKETS_FD)  # stdout and stderr are one file
ABOVE = 16  # descriptors from here on are in nobody's way while those are put into their places
ENTERED = b"+"  # said by a child that has read its ticket, before it looks at anything else
MAX_RECEIPT = 4096  # one page: what a pipe always takes, though nobody reads it before the child is dead
MAX_TAIL = 16 << 10
NO_RECEIPT = 70  # exit code of a child that could not hand in a receipt


@dataclass
class Child:
    """The process of one attempt, or of one to come: the leader of its process group."""

    pid: int
    tickets: socket.socket  # tells it what to run
    receipt: int  # file descriptor: what it says at the end
    stderr: int  # file descriptor of an unnamed file: what it wrote
    offers: int  # file descriptor: what it leaves for the next jobs of its owner
    spare: bool  # born before its ticket came
    rehearses: Ticket | None = None  # what a spare one's rehearsal is like
    oom_kills: int = 0  # of the machine, when it started
    ticket: Ticket | None = None  # None: it waits for one
    words: bytes = b""  # what it has said on `receipt`
    until: float | None = None  # monotonic: when its lease ends
    killed: bool = False
    told: bool = False  # its end is known to the pool
    exit: int | None = None  # set when the leader is reaped; its group may live on a little
    cpu_s: float = 0.0

    def take(self, ticket: Ticket, *, found: int | None = None) -> None:
        """Give it its ticket.

        Args:
            found: Descriptor of what earlier jobs of the owner have left.

        Raises:
            OSError: It is dead.
        """
        lent = [] if found is None else [found]
        socket.send_fds(self.tickets, [line(Start(ticket))], lent)  # a ticket is smaller than any buffer
        self.ticket, self.oom_kills, self.until = ticket, machine_oom_kills(), ticket.until

    @property
    def entered(self) -> bool:
        """Whether it has begun to work on its ticket; asked once, when it is dead."""
        with contextlib.suppress(OSError):
            return self.tickets.recv(1, socket.MSG_DONTWAIT) == ENTERED
        return False

    def listen(self) -> None:
        """Take what it has said."""
        with contextlib.suppress(BlockingIOError):
            self.words += os.read(self.receipt, MAX_RECEIPT)

    def handed_in(self) -> Receipt | None:
        """Its receipt, if it has said one that is its own."""
        with contextlib.suppress(msgspec.MsgspecError):
            receipt = msgspec.json.decode(self.words, type=Receipt)
            ticket = self.ticket
            if ticket is not None and (receipt.job, receipt.fence) == (ticket.job, ticket.fence):
                return receipt
        return None

    def close(self) -> None:
        """Forget it; one that still waits for a ticket ends."""
        self.tickets.close()
        for descriptor in (self.receipt, self.stderr, self.offers):
            os.close(descriptor)


def give_birth(entry: Entry, rehearse: Rehearsal | None = None) -> Child:
    """Fork a child. It waits for its ticket, after a rehearsal if there is to be one.

    Raises:
        OSError: There is no room for one more process.
    """
    with contextlib.ExitStack() as undo:
        receipt, receipt_end = os.pipe()
        undo.callback(os.close, receipt)
        undo.callback(os.close, receipt_end)
        os.set_blocking(receipt, False)
        tickets, tickets_end = socket.socketpair()
        undo.callback(tickets.close)
        undo.callback(tickets_end.close)
        with tempfile.TemporaryFile(buffering=0) as file:
            stderr = os.dup(file.fileno())
        undo.callback(os.close, stderr)
        offers = file_for_offers()
        undo.callback(os.close, offers)
        ends = (stderr, stderr, receipt_end, offers, tickets_end.fileno())
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            be_born(entry, rehearse, zygote=zygote, ends=ends)
        undo.pop_all()
    os.close(receipt_end)
    tickets_end.close()
    with contextlib.suppress(OSError):  # the child does the same; whoever comes first
        os.setpgid(pid, pid)
    return Child(pid, tickets, receipt, stderr, offers, spare=rehearse is not None)


def be_born(entry: Entry, rehearse: Rehearsal | None, *, zygote: int, ends: tuple[int, ...]) -> None:
    """Life of a child, from just after the fork; it never returns.

    Args:
        ends: The descriptors that belong into `PLACES`; no other is kept.
    """
    code = NO_RECEIPT
    try:
        move_in(ends)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        sandbox.die_with(zygote)
        sandbox.shut_in()
        if rehearse is not None:
            rehearse()
            os.ftruncate(1, 0)  # what was said is not the job's
            os.lseek(1, 0, os.SEEK_SET)
        ticket, found = await_ticket()
        if ticket is not None:
            sandbox.confine(ticket.limits)
            cache.use(JobCache(found, OFFERS_FD))
            os.write(RECEIPT_FD, encode_receipt(entry(ticket)))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def move_in(ends: tuple[int, ...]) -> None:
    """Put descriptors into their places, and close all others."""
    out_of_the_way = [fcntl.fcntl(end, fcntl.F_DUPFD, ABOVE) for end in ends]
    for end, place in zip(out_of_the_way, PLACES, strict=True):
        os.dup2(end, place)
    os.closerange(PLACES[-1] + 1, 1 << 16)


def await_ticket() -> tuple[Ticket | None, int | None]:
    """What this process is to run, and the descriptor of what it may find in its cache.

    No ticket: there is nothing to run any more.
    """
    data, found = b"", None
    with socket.socket(fileno=TICKETS_FD) as tickets:
        while not data.endswith(b"\n"):
            more, lent, _, _ = socket.recv_fds(tickets, 1 << 16, 1)
            if not more:
                return None, None
            data, found = data + more, lent[0] if lent else found
        tickets.sendall(ENTERED)
    order = read_order(data)
    return (order.ticket if isinstance(order, Start) else None), found


def encode_receipt(receipt: Receipt) -> bytes:
    """The receipt as JSON of at most a page; metrics that don't fit or don't encode are left out."""
    with contextlib.suppress(TypeError):
        data = msgspec.json.encode(receipt)
        if len(data) <= MAX_RECEIPT:
            return data
    return msgspec.json.encode(replace(receipt, metrics={}))


def last_words(child: Child, ticket: Ticket) -> Ended:
    """What a dead child left: its receipt if it is one, and the end of its stderr."""
    child.listen()
    if (receipt := child.handed_in()) is not None:
        return Ended(ticket.job, ticket.fence, exit=child.exit or 0, cpu_s=child.cpu_s, receipt=receipt)
    size = os.fstat(child.stderr).st_size
    tail = os.pread(child.stderr, MAX_TAIL, max(0, size - MAX_TAIL))
    return Ended(
        ticket.job,
        ticket.fence,
        exit=child.exit or 0,
        cpu_s=child.cpu_s,
        oom_kills=machine_oom_kills() - child.oom_kills,
        tail=tail.decode("utf-8", "replace"),
    )
