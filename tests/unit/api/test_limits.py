"""One connection can't cost more than its share: deadlines, sizes, and answers that are never guessed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from coldplate.api import limits
from coldplate.api.limits import GuardedHttp

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the path and the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message.get("more_body", False)
    await answer(send, f"{scope['path']} {length}".encode())


async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers before it has read the body."""
    await answer(send, b"no")


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    config = uvicorn.Config(app, http=GuardedHttp, ws="none", lifespan="off", log_config=None, port=0)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    writers = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        await server.shutdown()


async def talk(connect: Callable[[], Awaitable[Streams]], sent: bytes) -> bytes:
    """Everything the server answers until it closes."""
    reader, writer = await connect()
    writer.write(sent)
    return await asyncio.wait_for(reader.read(), 20)


def run(app: App, sent: bytes) -> bytes:
    async def once() -> bytes:
        async with serving(app) as connect:
            return await talk(connect, sent)

    return uvloop.run(once())


def refusal(text: bytes) -> tuple[int, str]:
    """Status and message of an answer in the official error shape."""
    head, body = text.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)["errors"][0]["message"]


CLOSE = b"Connection: close\r\n\r\n"
LONG = b"a" * 70_000


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/api/v1/jobs?limit=1", b"/api/v1/jobs"),
        (b"http://quantum.qc.internal/api/v1/jobs?limit=1", b"/api/v1/jobs"),
        (b"http://iam.qc.internal:99/identity/token", b"/identity/token"),
        (b"http://u:p@host/v1/backends", b"/v1/backends"),
    ],
)
def test_absolute_form_targets_of_a_proxied_client_are_routed_by_their_path(target, path):
    text = run(echo, b"GET " + target + b" HTTP/1.1\r\nHost: anything\r\n" + CLOSE)
    assert text.endswith(b"\r\n\r\n" + path + b" 0")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"NOT HTTP\r\n\r\n", 400, id="not-http"),
        pytest.param(b"GET http://host HTTP/1.1\r\nHost: x\r\n" + CLOSE, 400, id="proxied-without-path"),
        pytest.param(b"CONNECT iam.example:443 HTTP/1.1\r\nHost: x\r\n" + CLOSE, 400, id="connect"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + LONG + b"\r\n" + CLOSE, 431, id="long-header"),
        pytest.param(b"GET /" + LONG + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE, 431, id="long-url"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431, id="header-without-end"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="two-lengths",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: a\x00b\r\n" + CLOSE, 400, id="nul-in-header"),
    ],
)
def test_bad_requests_are_refused_in_the_official_shape_and_closed(sent, status):
    assert refusal(run(echo, sent))[0] == status


def test_header_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "HEADER_S", 0.05)
    assert refusal(run(echo, b"GET / HTTP/1.1\r\nHost: x\r\n")) == (
        408,
        "The header was not complete after 0.05 s.",
    )


def test_silent_connection_is_closed(monkeypatch):
    monkeypatch.setattr(limits, "HEADER_S", 0.05)
    assert refusal(run(echo, b""))[0] == 408


def test_blank_lines_between_requests_do_not_keep_a_connection(monkeypatch):
    monkeypatch.setattr(limits, "HEADER_S", 0.05)

    async def idle() -> bytes:
        async with serving(echo) as connect:
            reader, writer = await connect()
            writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"/a 0")
            writer.write(b"\r\n\r\n")
            return await reader.read()

    assert refusal(uvloop.run(idle()))[0] == 408


def test_slow_body_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.05)
    status, message = refusal(run(echo, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"))
    assert (status, message) == (408, "The body came slower than 1024 bytes per second.")


def test_slow_body_after_its_answer_gets_no_second_answer(monkeypatch):
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.05)
    text = run(hasty, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
    assert text.count(b"HTTP/1.1") == 1


def test_body_that_takes_its_time_at_the_allowed_rate_is_read(monkeypatch):
    monkeypatch.setattr(limits, "BODY_GRACE_S", 0.02)

    async def trickle() -> bytes:
        async with serving(echo) as connect:
            reader, writer = await connect()
            writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\nConnection: close\r\n\r\n")
            for _ in range(8):
                writer.write(b"x" * 1000)
                await asyncio.sleep(0.01)
            return await reader.read()

    assert uvloop.run(trickle()).endswith(b"/a 8000")


def test_connection_is_used_again_after_a_body_that_nobody_read():
    async def twice() -> bytes:
        async with serving(hasty) as connect:
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
            writer.write(b"x" * 300_000)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return await reader.read()

    assert uvloop.run(twice()).count(b"HTTP/1.1 200") == 2


def test_reader_that_never_reads_is_dropped(monkeypatch):
    monkeypatch.setattr(limits, "STALL_S", 0.05)
    dropped = asyncio.Event()

    async def torrent(scope: Scope, receive: Receive, send: Send) -> None:
        size = 64 << 20
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(size >> 20):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        dropped.set()

    async def never_read() -> None:
        async with serving(torrent) as connect:
            _, writer = await connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            writer.transport.pause_reading()
            await asyncio.wait_for(dropped.wait(), 20)

    uvloop.run(never_read())


def test_endless_body_that_nobody_reads_is_cut_off(monkeypatch):
    monkeypatch.setattr(limits, "DRAIN_BYTES", 1 << 20)

    async def once() -> None:
        async with serving(hasty) as connect:
            _, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            with pytest.raises(ConnectionError):
                for _ in range(200):
                    writer.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
                    await writer.drain()

    uvloop.run(once())
