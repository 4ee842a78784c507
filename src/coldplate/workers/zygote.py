"""The warm process that all jobs are forked from: `python -m coldplate.workers.zygote`.

It imports the lab once and never computes: forked children inherit the imports, and a thread of
Aer or of the transpiler would not survive a fork. It is a module of its own to run, so that the
server's main script is never imported again. One thread and one loop: orders come in, children go
out, and each is reported only when nothing of it is alive.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from coldplate import failpoints
from coldplate.workers import devices, sandbox
from coldplate.workers.child import Child, Entry, give_birth, last_words
from coldplate.workers.kept import Kept
from coldplate.workers.messages import (
    Broken,
    Kill,
    Lost,
    News,
    Ready,
    Renew,
    Started,
    line,
    read_order,
)
from coldplate.workers.pool import Ticket
from coldplate.workers.preload import PRELOAD, find_entry, preload
from coldplate.workers.processes import (
    group_is_empty,
    has_run_its_last,
    kill,
    kill_group,
    own_children,
    reap,
)

Warm = Callable[[Ticket], bool]
Rehearse = Callable[[Ticket], None]

BREATH_S = 0.002  # of quiet after a job, before a spare is born: who waits for the job's end comes first
BUSY_S = 0.05  # the same while jobs run
LOOKS, LOOK_S = 10, 60e-6  # at a child that has handed in its receipt, until its death has to be awaited
SPARE_S = 60.0  # without a new job, after which spares are let go

ENTRY = "coldplate.workers.run_job:run_job"
WARM = "coldplate.workers.devices:warm"
REHEARSAL = "coldplate.workers.rehearsal:rehearse"


class Zygote:
    """Forks, kills and reaps; talks to the pool over `channel` until that closes.

    Args:
        entry: What a child does with its ticket.
        warm: Loads what a ticket needs and all children shall inherit; whether that was anything new.
        rehearse: What a spare child does while it waits: as much as it can of a job like the last one.
        spares: Children that wait for tickets, while jobs come.
        kept: What jobs leave for the next ones of their owner.
    """

    def __init__(
        self,
        channel: socket.socket,
        entry: Entry,
        *,
        warm: Warm | None = None,
        rehearse: Rehearse | None = None,
        spares: int = 0,
        kept: Kept | None = None,
    ):
        self._channel = channel
        self._entry = entry
        self._warm = warm
        self._rehearse = rehearse
        self._spares = 0 if rehearse is None else spares
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._kept = Kept(room=0) if kept is None else kept
        self._unread = b""
        self._last: Ticket | None = None  # until no job has come for a while
        self._last_at = self._quiet_since = 0.0

    def serve(self) -> None:
        """Carry out orders until the pool is gone; then nothing of ours is left alive."""
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key for key, _ in self._selector.select(self._pause())]
            if any(key.fileobj is woken for key in ready):
                woken.recv(4096)
                self._reap()
            for child in [key.data for key in ready if key.data is not None]:
                self._hear(child)
            if any(key.fileobj is self._channel for key in ready) and not self._obey():
                break
            if ready:
                self._quiet_since = time.monotonic()
            elif self._until_spares() == 0:
                self._have_spares()
            self._end_leases()
        self._end_all()

    # --- orders -------------------------------------------------------------------------------

    def _obey(self) -> bool:
        """Carry out what has arrived; False when the pool has closed its end."""
        try:
            data = self._channel.recv(1 << 16)
        except ConnectionError:
            return False
        *lines, self._unread = (self._unread + data).split(b"\n")
        for order in map(read_order, lines):
            if isinstance(order, Kill):
                self._kill(order)
            elif isinstance(order, Renew):
                self._renew(order)
            else:
                self._start(order.ticket)
        return bool(data)

    def _start(self, ticket: Ticket) -> None:
        if self._warm is not None and self._warm(ticket):
            settle()
            self._dismiss_spares()  # they were born without it
        self._last, self._last_at = ticket, time.monotonic()
        try:
            child = self._hand_over(ticket)
        except OSError as error:
            self._tell(Lost(ticket.job, ticket.fence, f"The job's process could not be started: {error}"))
            return
        self._tell(Started(ticket.job, ticket.fence, child.pid))

    def _hand_over(self, ticket: Ticket) -> Child:
        """Give a ticket to a spare child, or to a newborn."""
        for child in self._waiting():
            with contextlib.suppress(OSError):  # it is dead, and not reaped yet
                child.take(ticket, found=self._kept.lend(whose(ticket)))
                break
        else:
            child = give_birth(self._entry)
            self._children[child.pid] = child
            child.take(ticket, found=self._kept.lend(whose(ticket)))
        self._selector.register(child.receipt, selectors.EVENT_READ, child)
        return child

    def _kill(self, order: Kill) -> None:
        for child in self._children.values():
            ticket = child.ticket
            if ticket and (ticket.job, ticket.fence) == (order.job, order.fence) and child.exit is None:
                child.killed = True
                kill(child.pid)  # its group follows when it is reaped: a newborn leads none yet

    def _renew(self, order: Renew) -> None:
        for child in self._children.values():
            if child.ticket and (child.ticket.job, child.ticket.fence) == (order.job, order.fence):
                child.until = order.until

    def _end_leases(self) -> None:
        """Kill whose lease is over: somebody else may be about to do its work."""
        now = time.monotonic()
        for child in self._leased():
            if child.until is not None and child.until <= now:
                child.until = None
                kill(child.pid)

    def _leased(self) -> list[Child]:
        return [child for child in self._children.values() if child.until is not None and child.exit is None]

    def _tell(self, news: News) -> None:
        with contextlib.suppress(ConnectionError):  # a pool that is gone is noticed by the loop
            self._channel.sendall(line(news))

    # --- spares -------------------------------------------------------------------------------

    def _waiting(self) -> list[Child]:
        children = self._children.values()
        return [c for c in children if c.ticket is None and c.exit is None and not c.killed]

    def _pause(self) -> float | None:
        """Seconds until there is something to do, if nothing happens before."""
        pauses = [child.until - time.monotonic() for child in self._leased() if child.until is not None]
        if (spares := self._until_spares()) is not None:
            pauses.append(spares)
        return max(0.0, min(pauses)) if pauses else None

    def _until_spares(self) -> float | None:
        """Seconds until there is something to do about spares."""
        if self._last is None or self._spares == 0:
            return None
        if len(self._waiting()) < self._spares:
            running = any(child.ticket is not None for child in self._children.values())
            due = self._quiet_since + (BUSY_S if running else BREATH_S)
        else:
            due = self._last_at + SPARE_S
        return max(0.0, due - time.monotonic())

    def _have_spares(self) -> None:
        """Raise a spare; or dismiss all, when no job has come for long."""
        now = time.monotonic()
        if self._last is None:
            return
        if now >= self._last_at + SPARE_S:
            self._last = None
            self._dismiss_spares()
        elif self._rehearse is not None and len(self._waiting()) < self._spares:
            with contextlib.suppress(OSError):  # then there is none
                child = give_birth(self._entry, partial(self._rehearse, self._last))
                child.rehearses = self._last
                self._children[child.pid] = child
            self._quiet_since = now

    def _dismiss_spares(self) -> None:
        for child in self._waiting():
            child.killed = True
            kill(child.pid)

    # --- death --------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Reap who died, kill what they left behind, report whose group is empty."""
        for pid, code, usage in reap():
            child = self._children.get(pid)
            if child is not None:
                kill_group(pid)
                child.exit, child.cpu_s = code, usage.ru_utime + usage.ru_stime
        strays = self._strays()
        for pid in strays:
            kill(pid)
        if not strays:
            self._report_ended()

    def _strays(self) -> list[int]:
        """Orphans that left their job's process group, and so escaped its end."""
        return [pid for pid in own_children() if pid not in self._children and not self._in_a_group(pid)]

    def _in_a_group(self, pid: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            return os.getpgid(pid) in self._children
        return True

    def _report_ended(self) -> None:
        for child in list(self._children.values()):
            if child.exit is not None and group_is_empty(child.pid):
                del self._children[child.pid]
                self._bury(child)

    def _hear(self, child: Child) -> None:
        """A child has handed in its receipt: tell it as soon as the child can do nothing any more.

        To take down its memory takes the kernel longer than many a job, and nobody need wait for that.
        """
        if child.pid not in self._children or child.told:
            return  # it was reaped a moment ago
        self._selector.unregister(child.receipt)
        child.listen()
        if child.ticket is None or child.killed or child.handed_in() is None:
            return
        for _ in range(LOOKS):
            time.sleep(
                LOOK_S
            )  # first: who looks at a process that has not left its memory yet may inherit it
            # Orphans that it has left are ours by now, and are killed when it is reaped.
            if has_run_its_last(child.pid) and set(own_children()) <= self._children.keys():
                self._tell(last_words(child, child.ticket))
                child.told = True
                self._keep_offers(child, child.ticket)
                break

    def _keep_offers(self, child: Child, ticket: Ticket) -> None:
        """Keep what a child has left, now that it can write no more."""
        if ticket.owner is not None:
            self._kept.take(whose(ticket), child.offers)

    def _bury(self, child: Child) -> None:
        ticket, entered = child.ticket, child.entered
        ended = None if ticket is None else last_words(child, ticket)
        if ticket is not None and not child.told and ended and ended.receipt is not None:
            self._keep_offers(child, ticket)
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.receipt)
        child.close()
        if child.told:
            return
        if ticket is not None and child.spare and not child.killed and not entered:
            self._start(ticket)  # it had died before its ticket came: the job is not to blame
        elif ended is not None:
            self._tell(ended)
        elif not child.killed and child.rehearses is self._last:
            self._last = None  # no other spare before the next job: this one's fate may be theirs

    def _end_all(self) -> None:
        for child in self._children.values():
            if child.exit is None:
                kill(child.pid)
        while self._children:
            self._reap()
            time.sleep(0.002)


def whose(ticket: Ticket) -> tuple[object, ...]:
    """To whom belongs what a job leaves: its owner's next jobs on the same backend, as described now."""
    key = devices.key_of(ticket.backend, devices.path_of(ticket))
    return ticket.owner, *(key or ())


# --- the beginning ------------------------------------------------------------------------------


def settle() -> None:
    """Keep the garbage collector off what is loaded: it would write to, and so copy, shared pages."""
    gc.collect()
    gc.freeze()


def main(arguments: list[str]) -> None:
    """Import, say that we are ready or why not, then serve until the pool is gone."""
    args = parse(arguments)
    if args.failpoints is not None:
        failpoints.enable(args.failpoints)
    isolation = sandbox.isolate()  # first: it needs a process with one thread
    sandbox.die_with(args.parent)
    sandbox.adopt_orphans()
    with socket.socket(fileno=args.channel) as channel:
        try:
            preload(args.preload)
            zygote = Zygote(
                channel,
                find_entry(args.entry),
                warm=partial(find_entry(args.warm), room=args.room // 2) if args.warm else None,
                rehearse=find_entry(args.rehearsal) if args.rehearsal else None,
                spares=args.spares,
                kept=Kept(room=args.room // 2),
            )
        except BaseException as error:
            channel.sendall(line(Broken(f"The lab could not be imported: {type(error).__name__}: {error}")))
            raise
        settle()
        channel.sendall(line(Ready(isolation)))
        zygote.serve()


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the pool asks for."""
    parser = argparse.ArgumentParser(prog="coldplate.workers.zygote")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket to the pool")
    parser.add_argument("--parent", type=int, required=True, help="process id of the pool's process")
    parser.add_argument("--entry", default=ENTRY, help="module:function that a child runs")
    parser.add_argument(
        "--warm", default=WARM, help="module:function that loads what children inherit; or none"
    )
    parser.add_argument("--rehearsal", default=REHEARSAL, help="module:function of a spare child; or none")
    parser.add_argument("--room", type=int, required=True, help="bytes of warm backends and kept programs")
    parser.add_argument("--spares", type=int, required=True, help="children that wait for tickets")
    parser.add_argument("--preload", nargs="*", default=PRELOAD, help="modules to import first")
    parser.add_argument("--failpoints", type=Path, help="directory of failpoints, in tests")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
