"""Request bodies: limited before they are buffered, large ones in a file, JSON by msgspec."""

from __future__ import annotations

import codecs
import mmap
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from coldplate.errors import BadRequest, PayloadTooLarge, Unavailable

Buffer = bytes | mmap.mmap
Envelope = TypeVar("Envelope", bound=msgspec.Struct)

SMALL = 1 << 20  # bodies up to this size stay in memory; it is also the limit of all bodies but a job's


async def read_small(request: Request, *, limit: int = SMALL) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises:
        PayloadTooLarge: The body is larger, by its declared length or by count.
    """
    body = bytearray()
    async for chunk in _limited(request, limit):
        body += chunk
    return bytes(body)


async def read_large(request: Request, *, limit: int, directory: Path | None) -> Buffer:
    """The whole body; above 1 MiB it waits in an unnamed file, so that uploads need no memory.

    Raises:
        PayloadTooLarge: The body is larger than `limit`, by its declared length or by count.
        Unavailable: There is no room for it.
    """
    with tempfile.SpooledTemporaryFile(max_size=SMALL, dir=str(directory) if directory else None) as file:
        pending = bytearray()
        async for chunk in _limited(request, limit):
            pending += chunk
            if len(pending) > SMALL:
                await _store(file, pending)
                pending = bytearray()
        if not file.tell():
            return bytes(pending)
        await _store(file, pending)
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file's closing


async def _store(file: tempfile.SpooledTemporaryFile[bytes], data: bytearray) -> None:
    try:
        await run_in_threadpool(file.write, data)
        await run_in_threadpool(file.flush)
    except OSError as error:
        raise Unavailable("The upload can't be stored: the disk may be full.") from error


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's chunks; a declared length is believed only when it is too large."""
    too_large = PayloadTooLarge(f"The body is larger than the limit of {limit} bytes.")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large
        yield chunk


def parse(decoder: msgspec.json.Decoder[Envelope], body: Buffer) -> Envelope:
    """The envelope in a JSON body, whatever its content type says.

    Raises:
        BadRequest: It isn't JSON (NaN and lone surrogates aren't), is nested too deep, lacks a field or
            has one of another type, or has a NUL in a text.
    """
    try:
        _check_utf8(body)
        envelope = decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not the JSON that belongs here: {error}.") from error
    for name in envelope.__struct_fields__:
        value = getattr(envelope, name)
        if any("\0" in text for text in _texts(value)):
            raise BadRequest(f"The text of {name} has a NUL character.")
    return envelope


def _check_utf8(body: Buffer) -> None:
    """Skipped values (a job's params) are not read by the decoder, but are returned as JSON later."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for start in range(0, len(view), SMALL):
        decoder.decode(view[start : start + SMALL])
    decoder.decode(b"", final=True)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return (item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
