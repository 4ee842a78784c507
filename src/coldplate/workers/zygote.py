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
import pkgutil
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import import_module

from coldplate.workers import sandbox
from coldplate.workers.child import Child, Entry, be_born, last_words
from coldplate.workers.messages import (
    Broken,
    Kill,
    Lost,
    News,
    Ready,
    Start,
    Started,
    line,
    read_order,
)
from coldplate.workers.pool import Ticket
from coldplate.workers.processes import (
    group_is_empty,
    kill,
    kill_group,
    machine_oom_kills,
    own_children,
    reap,
)

ENTRY = "coldplate.workers.run_job:run_job"
PRELOAD = (
    "qiskit.circuit",
    "qiskit.primitives",
    "qiskit.qpy",
    "qiskit.quantum_info",
    "qiskit.transpiler",
    "qiskit_aer",
    "samplomatic",
    "stim",
    "coldplate.workers.run_job",
    "coldplate.circuits.*",
    "coldplate.noise.*",
    "coldplate.mitigation.*",
    "coldplate.engine.*",
    "coldplate.wire.*",
    "coldplate.backends.*",
    "coldplate.programs.*",
)


class Zygote:
    """Forks, kills and reaps; talks to the pool over `channel` until that closes."""

    def __init__(self, channel: socket.socket, entry: Entry):
        self._channel = channel
        self._entry = entry
        self._children: dict[int, Child] = {}
        self._unread = b""

    def serve(self) -> None:
        """Carry out orders until the pool is gone; then nothing of ours is left alive."""
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    woken.recv(4096)
                    self._reap()
                if self._channel in ready and not self._obey():
                    break
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
            else:
                self._start(order)
        return bool(data)

    def _start(self, order: Start) -> None:
        ticket = order.ticket
        try:
            child = self._fork(ticket)
        except OSError as error:
            self._tell(Lost(ticket.job, ticket.fence, f"The job's process could not be started: {error}"))
            return
        self._children[child.pid] = child
        self._tell(Started(ticket.job, ticket.fence, child.pid))

    def _kill(self, order: Kill) -> None:
        for child in self._children.values():
            if (child.ticket.job, child.ticket.fence) == (order.job, order.fence) and child.exit is None:
                kill(child.pid)  # its group follows when it is reaped: a newborn leads none yet

    def _tell(self, news: News) -> None:
        with contextlib.suppress(ConnectionError):  # a pool that is gone is noticed by the loop
            self._channel.sendall(line(news))

    # --- birth --------------------------------------------------------------------------------

    def _fork(self, ticket: Ticket) -> Child:
        with contextlib.ExitStack() as undo:
            receipt, theirs = os.pipe()
            undo.callback(os.close, receipt)
            undo.callback(os.close, theirs)
            os.set_blocking(receipt, False)
            with tempfile.TemporaryFile(buffering=0) as file:
                stderr = os.dup(file.fileno())
            undo.callback(os.close, stderr)
            oom_kills, zygote = machine_oom_kills(), os.getpid()
            pid = os.fork()
            if pid == 0:
                be_born(ticket, self._entry, zygote=zygote, receipt=theirs, stderr=stderr)
            undo.pop_all()
        os.close(theirs)
        with contextlib.suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        return Child(ticket, pid, receipt, stderr, oom_kills)

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
                self._tell(last_words(child, child.exit))
                os.close(child.receipt)
                os.close(child.stderr)

    def _end_all(self) -> None:
        for child in self._children.values():
            if child.exit is None:
                kill(child.pid)
        while self._children:
            self._reap()
            time.sleep(0.002)


# --- the beginning ------------------------------------------------------------------------------


def preload(names: Iterable[str]) -> None:
    """Import modules; `package.*` is the package and every module in it."""
    for name in names:
        package = import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
                import_module(module.name)


def find_entry(name: str) -> Entry:
    """The function `module:function`."""
    module, _, function = name.partition(":")
    entry: Entry = getattr(import_module(module), function)
    return entry


def main(arguments: list[str]) -> None:
    """Import, say that we are ready or why not, then serve until the pool is gone."""
    parser = argparse.ArgumentParser(prog="coldplate.workers.zygote")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket to the pool")
    parser.add_argument("--parent", type=int, required=True, help="process id of the pool's process")
    parser.add_argument("--entry", default=ENTRY, help="module:function that a child runs")
    parser.add_argument("--preload", nargs="*", default=PRELOAD, help="modules to import first")
    args = parser.parse_args(arguments)
    isolation = sandbox.isolate()  # first: it needs a process with one thread
    sandbox.die_with(args.parent)
    sandbox.adopt_orphans()
    with socket.socket(fileno=args.channel) as channel:
        try:
            preload(args.preload)
            entry = find_entry(args.entry)
        except BaseException as error:
            channel.sendall(line(Broken(f"The lab could not be imported: {type(error).__name__}: {error}")))
            raise
        gc.collect()
        gc.freeze()  # the collector would write to, and so copy, pages that all children share
        channel.sendall(line(Ready(isolation)))
        Zygote(channel, entry).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
