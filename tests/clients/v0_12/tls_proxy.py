"""A proxy that ends TLS, as stands before many a server: a process of its own, in the standard library alone.

    python tls_proxy.py CHAIN KEY UPSTREAM_PORT [--own-host]

It prints its port. Each connection is for one request, or for one websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys


def handed_on(head: bytes, *, own_host: str | None) -> bytes:
    """The head of a request with what proxies add; a connection that is not upgraded ends with its answer."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    upgraded = any(name.lower() == "upgrade" for name, _ in headers)
    dropped = {"x-forwarded-proto", "x-forwarded-host"} | (set() if upgraded else {"connection"})
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    kept.append(("X-Forwarded-Proto", "https"))
    if not upgraded:
        kept.append(("Connection", "close"))
    if own_host is not None:  # as proxies do that are not told to keep it
        (host,) = (value for name, value in kept if name.lower() == "host")
        kept = [(name, own_host if name.lower() == "host" else value) for name, value in kept]
        kept.append(("X-Forwarded-Host", host))
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in kept), "\r\n"]).encode("latin-1")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on bytes until there are no more."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


async def main(chain: str, key: str, upstream: str, *options: str) -> None:
    """Serve until killed."""
    own_host = f"127.0.0.1:{upstream}" if "--own-host" in options else None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            from_server, to_server = await asyncio.open_connection("127.0.0.1", int(upstream))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        to_server.write(handed_on(head, own_host=own_host))
        there = asyncio.create_task(pump(reader, to_server))
        await pump(from_server, writer)
        there.cancel()
        to_server.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
