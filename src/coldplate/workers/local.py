"""LocalPool: jobs on this machine, each in a process of its own, forked from one warm zygote."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from coldplate.workers import sandbox
from coldplate.workers.messages import (
    Broken,
    Ended,
    Kill,
    Lost,
    Order,
    Ready,
    Renew,
    Start,
    Started,
    line,
    read_news,
)
from coldplate.workers.pool import Key, Receipt, Ticket
from coldplate.workers.supervise import Attempt, Beat, Ordered, Rests
from coldplate.workers.turnstile import Asks, Leaves, Turnstile

Done = Callable[[Receipt], None]

RETRY_S = 5.0  # between two attempts to start a zygote that could not work
CLOSE_S = 5.0  # how long `close` waits for each thing that has to end

log = logging.getLogger(__name__)


class LocalPool:
    """A Pool of `slots` job processes on this machine.

    The zygote is started at once, by a thread that lives as long as the pool does: the kernel kills
    the zygote when that thread ends. Tickets that come before it is ready wait for it; nobody else does.

    Args:
        slots: Job processes at the same time.
        threads: Threads of one job process; the same as in the tickets' limits.
        spares: Job processes that wait for tickets while jobs come, so that a job need not wait for a fork.
        warm_bytes: Memory for what is kept for the next job: loaded backends, compiled programs; half each.
        beat: Renews the lease of (job, fence); called every third of `lease_s`.
        asks: Told (job, fence, quantum seconds) of a process that wants its device; whether it may go now.
        leaves: Told (job, fence) of one that has left it.
        lease_s: The lease of a running job, seconds.
        home: Directory of the socket where processes ask for their device; None: a temporary one.
        options: More arguments of the zygote: `--entry`, `--preload`.
    """

    def __init__(
        self,
        *,
        slots: int = 2,
        threads: int = 1,
        spares: int = 1,
        warm_bytes: int = 128 << 20,
        beat: Beat | None = None,
        asks: Asks = lambda job, fence, seconds: True,
        leaves: Leaves = lambda job, fence: None,
        lease_s: float = 30.0,
        home: Path | None = None,
        options: Sequence[str] = (),
    ):
        self.slots = slots
        self.error: str | None = None  # why no zygote can work; None: one can, or is about to
        self.isolation: dict[str, str] = {}  # how jobs are shut in, by feature; empty until ready
        self._threads = threads
        self._beat = beat
        self._lease_s, self._beat_s = lease_s, lease_s / 3
        self._options = ("--spares", str(spares), "--room", str(warm_bytes), *options)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._watched: dict[Key, Attempt] = {}  # until `done` has returned
        self._living: set[Key] = set()  # until the processes are proven dead
        self._resting: set[Key] = set()  # wait for their device
        self._unsent: dict[Key, Attempt] = {}  # wait for the zygote
        self._channel: socket.socket | None = None  # to a zygote that is ready
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._turnstile = Turnstile(home, asks=asks, leaves=leaves, waits=self._note_rest)
        self._keeper = threading.Thread(target=self._keep, name="coldplate-zygote", daemon=True)
        self._keeper.start()

    # --- Pool ---------------------------------------------------------------------------------

    def start(self, ticket: Ticket, done: Done) -> None:
        """Begin; `done` is called once, from a thread of the attempt, after its processes are proven dead."""
        if ticket.exclusive:
            ticket = self._turnstile.expect(ticket)
        attempt = Attempt(ticket, killer=self, beat=self._beat, beat_s=self._beat_s)
        key = (ticket.job, ticket.fence)
        with self._lock:
            self._watched[key] = attempt
            self._living.add(key)
            if self._closing:
                attempt.tell(Lost(*key, "The service is being stopped."))
            elif self._channel is None:
                self._unsent[key] = attempt
            else:
                self._hand_over(attempt)
        name = f"coldplate-job-{ticket.job}"
        threading.Thread(target=self._see_through, args=(attempt, done), name=name, daemon=True).start()

    def stop(self, job: str, fence: int) -> None:
        """Kill an attempt for its user; it ends as Cancelled, whatever it had got to. Unknown: nothing."""
        with self._lock:
            attempt = self._watched.get((job, fence))
        if attempt is not None:
            attempt.stop("cancel")

    def grant(self, job: str, fence: int) -> None:
        """Let an attempt drive its device, for which its process has asked. Unknown: nothing."""
        self._turnstile.grant(job, fence)

    def alive(self) -> set[Key]:
        """The attempts whose `done` has not returned yet."""
        with self._lock:
            return set(self._watched)

    def capacity(self) -> int:
        """Processes that could start now, or as soon as the zygote is warm; 0 when it can't work.

        One that waits for its device takes no place: the device must not wait for a process to be prepared.
        """
        with self._lock:
            if self._closing or self.error is not None:
                return 0
            return max(0, self.slots - len(self._living - self._resting))

    def close(self) -> None:
        """Kill everything and wait; the attempts that had not ended are lost, and may run again."""
        with self._lock:
            self._closing = True
            attempts = list(self._watched.values())
            self._changed.notify_all()
        for attempt in attempts:
            attempt.stop("close")
        with self._changed:
            obeyed = self._changed.wait_for(lambda: not self._watched, CLOSE_S)
            if obeyed and self._channel is not None:
                with contextlib.suppress(OSError):
                    self._channel.shutdown(socket.SHUT_WR)  # it ends by itself
            else:
                self.replace_zygote()
        self._keeper.join(CLOSE_S)
        self.replace_zygote()
        self._keeper.join(CLOSE_S)
        with self._changed:
            self._changed.wait_for(lambda: not self._watched, CLOSE_S)
        self._turnstile.close()

    # --- the zygote, as doors see it ------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether a job would start at once."""
        return self._channel is not None

    def warm(self, timeout_s: float = 60.0) -> bool:
        """Wait until the zygote is ready, or can't work (then `error` says why); whether it is ready."""
        with self._changed:
            self._changed.wait_for(lambda: self.ready or self.error is not None or self._closing, timeout_s)
            return self.ready

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the zygote, for `coldplate doctor`."""
        process = self._process
        return None if process is None else process.pid

    # --- one attempt ----------------------------------------------------------------------------

    def _see_through(self, attempt: Attempt, done: Done) -> None:
        key = (attempt.ticket.job, attempt.ticket.fence)
        receipt = attempt.watch()
        with self._lock:
            self._resting.discard(key)
            self._living.discard(key)  # before `done`, whose commit makes the scheduler ask for capacity
        self._turnstile.forget(attempt.ticket)
        try:
            done(receipt)
        finally:
            with self._changed:
                del self._watched[key]
                self._changed.notify_all()

    def _note_rest(self, key: Key, rests: bool) -> None:
        """A process begins or ends to wait for its device."""
        with self._lock:
            attempt = self._watched.get(key)
            (self._resting.add if rests and key in self._living else self._resting.discard)(key)
        if attempt is not None:
            attempt.tell(Rests(rests))

    def kill(self, ticket: Ticket) -> None:
        """SIGKILL the attempt's processes; one that was not sent yet ends here."""
        key = (ticket.job, ticket.fence)
        with self._lock:
            waiting = self._unsent.pop(key, None)
            if waiting is not None:
                waiting.tell(Lost(*key, "It had not started."))
            else:
                self._send(Kill(*key))

    def renew(self, ticket: Ticket, asked_at: float) -> None:
        """Let the attempt's processes live until its new lease ends, if they would die with the old one."""
        if ticket.until is not None:
            with self._lock:
                self._send(Renew(ticket.job, ticket.fence, asked_at + self._lease_s))

    def replace_zygote(self) -> None:
        """End a zygote that does not answer. Takes no lock: a send to it may be holding that."""
        process = self._process
        if process is not None:
            process.kill()

    def _hand_over(self, attempt: Attempt) -> None:
        self._send(Start(attempt.ticket))
        attempt.tell(Ordered())

    def _send(self, order: Order) -> None:
        if self._channel is not None:
            with contextlib.suppress(OSError):  # the keeper sees a dead zygote, and tells its attempts
                self._channel.sendall(line(order))

    # --- the keeper's thread --------------------------------------------------------------------

    def _keep(self) -> None:
        """Have a zygote, until the pool is closed."""
        while not self._closing:
            came_up = self._live_one_life()
            with self._changed:
                if not came_up:
                    self._changed.wait_for(lambda: self._closing, RETRY_S)

    def _live_one_life(self) -> bool:
        """Start a zygote, pass its news on until it is dead, tell its attempts; whether it was ever ready."""
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs:
                    process = self._spawn(theirs)
            except OSError as error:
                self._bury(f"The zygote could not be started: {error}")
                return False
            came_up = self._listen(ours)
            process.kill()
            code = process.wait()
            self._bury(None if came_up else f"The zygote ended with exit code {code} before it was ready.")
        return came_up

    def _spawn(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "coldplate.workers.zygote"]
        command += ["--channel", str(channel.fileno()), "--parent", str(os.getpid()), *self._options]
        process = subprocess.Popen(
            command,
            pass_fds=[channel.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=sandbox.environment(os.environ, threads=self._threads),
            start_new_session=True,  # a Ctrl-C in the terminal is for the server alone
        )
        with self._lock:
            self._process = process
            if self._closing:
                process.kill()
        return process

    def _listen(self, channel: socket.socket) -> bool:
        """Pass news on until the zygote closes its end; whether it was ever ready."""
        came_up = False
        with channel.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for text in lines:
                news = read_news(text)
                if isinstance(news, Ready):
                    came_up = True
                    self._open(channel, news)
                elif isinstance(news, Broken):
                    self._refuse(news.reason)
                else:
                    self._pass_on(news)
        return came_up

    def _open(self, channel: socket.socket, news: Ready) -> None:
        with self._changed:
            self._channel, self.isolation, self.error = channel, news.isolation, None
            waiting = list(self._unsent.values())
            self._unsent.clear()
            for attempt in waiting:
                self._hand_over(attempt)
            self._changed.notify_all()

    def _pass_on(self, news: Started | Ended | Lost) -> None:
        with self._lock:
            attempt = self._watched.get((news.job, news.fence))
        if attempt is not None:
            attempt.tell(news)

    def _refuse(self, reason: str) -> None:
        log.error("%s", reason)
        with self._changed:
            self.error = reason
            self._changed.notify_all()

    def _bury(self, error: str | None) -> None:
        """The zygote is dead: tell its attempts, who prove that nothing of theirs is alive."""
        if not self._closing and self.error is None:  # a broken one has told why
            log.error("%s", error or "The zygote was lost; a new one is started.")
        with self._changed:
            self._channel = None
            self.error = self.error or error
            lost = list(self._watched.values())
            self._unsent.clear()
            self._changed.notify_all()
        for attempt in lost:
            ticket = attempt.ticket
            attempt.tell(Lost(ticket.job, ticket.fence, "The worker process was lost."))
