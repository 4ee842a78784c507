"""A network that can't be relied on, between clients and server: late, cut or lost, by a seed.

A POST that creates something is never cut after the server had it: a server that has sent its answer whole
must take the same POST for another wish, so nobody but the client may lose it.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator

from torture.journal import Journal

FAULTS = ("late", "cut request", "cut answer", "lost answer")
CREATING = tuple(
    f"POST {path} ".encode()
    for path in ("/api/v1/jobs", "/api/v1/sessions", "/runtime/jobs", "/runtime/sessions")
)
CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a port that may have nobody behind it."""

    def __init__(self, target: int, journal: Journal, seed: int):
        self.target, self.journal, self.random = target, journal, random.Random(seed)
        self.rate = 0.0  # of connections that meet a fault
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            fault = self.random.choice(FAULTS) if self.random.random() < self.rate else ""
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str) -> None:
        with client:
            try:
                with socket.create_connection(("127.0.0.1", self.target), timeout=5) as server:
                    server.settimeout(None)
                    first = client.recv(CHUNK)
                    if first.startswith(CREATING) and "answer" in fault:
                        fault = "late"
                    if fault:
                        self.journal.write("fault", kind=fault, line=first[:60].decode("latin1"))
                    self._pass_on(client, server, first, fault)
            except OSError:  # a server that died takes its connections with it
                reset(client)

    def _pass_on(self, client: socket.socket, server: socket.socket, first: bytes, fault: str) -> None:
        if fault == "late":
            time.sleep(self.random.uniform(0.05, 0.8))
        if fault == "cut request":
            server.sendall(first[: self.random.randrange(len(first) or 1)])
            return reset(client)
        server.sendall(first)
        answers = relay(client, server)
        if fault not in ("cut answer", "lost answer"):
            for answer in answers:
                client.sendall(answer)
            return None
        answer = next(answers, b"")
        if fault == "cut answer":
            client.sendall(answer[: self.random.randrange(len(answer) or 1)])
        return reset(client)


def relay(client: socket.socket, server: socket.socket) -> Iterator[bytes]:
    """What a server answers, until it hangs up; what the client says is passed on meanwhile.

    One thread for both ways: what another one reads from can't be closed.

    Raises:
        OSError: One of them is gone.
    """
    poll = select.poll()
    for end in (client, server):
        poll.register(end, select.POLLIN)
    while True:
        ready = {number for number, _ in poll.poll()}
        if client.fileno() in ready:
            if said := client.recv(CHUNK):
                server.sendall(said)
            else:
                poll.unregister(client)
                server.shutdown(socket.SHUT_WR)
        if server.fileno() in ready:
            if not (answer := server.recv(CHUNK)):
                return
            yield answer


def reset(client: socket.socket) -> None:
    """Hang up in the rudest way."""
    try:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    except OSError:
        return
