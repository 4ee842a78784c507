"""Where processes of jobs ask for their device, wait for their turn, and say that they have left it.

A process connects when its program is ready, says who it is, and waits until it is let through. Meanwhile
it takes no process slot and its time limit rests. One that says that it has left its device frees it; of one
that dies, the end of its attempt does: it is then proven dead.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from coldplate.workers.pool import Key, Ticket

T = TypeVar("T")
Asks = Callable[[str, int, float | None], bool]  # job, fence, quantum seconds: whether it may go at once
Leaves = Callable[[str, int], None]

GO, GONE = b"+", b"-"
MAX_PATH = 100  # bytes: what every system takes for a socket
MAX_LINE = 256  # bytes: a key and a number
LINE_S = 5.0  # how long a process may take to say who it is
RETRY_S = 0.5  # between two attempts to pass something on

log = logging.getLogger(__name__)


class Turnstile:
    """Lets processes through to their devices; who is next is decided elsewhere.

    Args:
        home: Directory for the socket; None, or one whose path is too long for a socket: a temporary one.
        asks: Told of each process that wants its device.
        leaves: Told of each that has left it.
        waits: Told (attempt, whether it waits) whenever a process begins or ends to wait.
    """

    def __init__(
        self, home: Path | None = None, *, asks: Asks, leaves: Leaves, waits: Callable[[Key, bool], None]
    ):
        self._asks, self._leaves, self._waits = asks, leaves, waits
        name = f"turnstile-{os.getpid()}-{secrets.token_hex(4)}"
        self._temporary = home is None or len(os.fsencode(home / name)) > MAX_PATH
        if home is None or self._temporary:
            home = Path(tempfile.mkdtemp(prefix="coldplate-"))
        remove_abandoned(home)
        self._path = home / name
        self._lock = threading.Lock()
        self._expected: dict[str, Key] = {}  # by a secret that only the attempt's process is given
        self._waiting: dict[Key, socket.socket] = {}
        self._closing = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="coldplate-turnstile", daemon=True).start()

    def expect(self, ticket: Ticket) -> Ticket:
        """The ticket with what its process needs to ask for its device."""
        secret = secrets.token_urlsafe(16)
        with self._lock:
            self._expected[secret] = (ticket.job, ticket.fence)
        return replace(ticket, turnstile=str(self._path), turnstile_key=secret)

    def forget(self, ticket: Ticket) -> None:
        """The attempt has ended."""
        with self._lock:
            self._expected.pop(ticket.turnstile_key or "", None)

    def grant(self, job: str, fence: int) -> None:
        """Let a process through; one that doesn't wait any more has died."""
        with self._lock:
            connection = self._waiting.pop((job, fence), None)
        if connection is not None:
            self._waits((job, fence), False)
            with contextlib.suppress(OSError):
                connection.sendall(GO)

    def close(self) -> None:
        """Listen to nobody any more; again is no error."""
        if self._closing.is_set():
            return
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._path.unlink(missing_ok=True)
        if self._temporary:
            self._path.parent.rmdir()

    # --- its threads --------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """See one process through: it asks, waits, goes, and leaves or dies."""
        with connection:
            asked = self._introduction(connection)
            if asked is None:
                return
            key, seconds = asked
            with self._lock:
                self._waiting[key] = connection
            if self._insist(lambda: self._asks(*key, seconds)):
                self.grant(*key)
            else:
                self._have_wait(key)
            if receive(connection) == GONE:
                self._insist(lambda: self._leaves(*key))
            with self._lock:
                died_waiting = self._waiting.pop(key, None) is not None
            if died_waiting:
                self._waits(key, False)

    def _have_wait(self, key: Key) -> None:
        with self._lock:  # a grant may be on its way, and has to be told afterwards
            if key in self._waiting:
                self._waits(key, True)

    def _introduction(self, connection: socket.socket) -> tuple[Key, float | None] | None:
        """Who asks and for how long, when it is one of ours."""
        connection.settimeout(LINE_S)
        secret, _, seconds = receive(connection, MAX_LINE).decode("ascii", "replace").strip().partition(" ")
        connection.settimeout(None)
        with self._lock:
            key = self._expected.get(secret)
        try:
            return None if key is None else (key, float(seconds) if seconds else None)
        except ValueError:
            return None

    def _insist(self, act: Callable[[], T]) -> T | None:
        """Pass something on, also through trouble that passes: a process waits for the answer."""
        while not self._closing.is_set():
            try:
                return act()
            except Exception:
                log.exception("Who asks for a device could not be passed on; it is tried again.")
            self._closing.wait(RETRY_S)
        return None


def remove_abandoned(home: Path) -> None:
    """Remove the sockets of servers that were killed."""
    for path in home.glob("turnstile-*"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)


def receive(connection: socket.socket, most: int = 1) -> bytes:
    """What the other side says; nothing when it is gone."""
    try:
        return connection.recv(most)
    except OSError:
        return b""
