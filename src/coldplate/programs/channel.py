"""What an uploaded program and the job that runs it say to each other: JSON values, each after its length."""

from __future__ import annotations

import json
import socket
from typing import Any

from coldplate.errors import LimitExceeded
from coldplate.wire.params import check_structure

LENGTH = 8  # bytes
MAX_MESSAGE = 256 << 20


class Channel:
    """One end of a stream."""

    def __init__(self, stream: socket.socket):
        self._stream = stream

    def say(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            OSError: Nobody listens any more.
        """
        data = json.dumps(message).encode("ascii")
        self._stream.sendall(len(data).to_bytes(LENGTH, "big") + data)

    def hear(self) -> dict[str, Any] | None:
        """The next message, whoever wrote it; None: there will be no more.

        Raises:
            BadInput, LimitExceeded: It nests too deep, or is too long.
            ValueError: It is not a JSON object.
        """
        head = self._take(LENGTH)
        if len(head) < LENGTH:
            return None
        length = int.from_bytes(head, "big")
        if length > MAX_MESSAGE:
            raise LimitExceeded(f"A message of the program has {length} bytes, more than {MAX_MESSAGE}.")
        data = self._take(length)
        if len(data) < length:
            return None
        check_structure(data)
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError("A message is not a JSON object.")
        return message

    def _take(self, size: int) -> bytes:
        """So many bytes, or all that come before the end."""
        found = bytearray()
        while len(found) < size and (more := self._stream.recv(min(size - len(found), 1 << 20))):
            found += more
        return bytes(found)
