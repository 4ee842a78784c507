"""Bodies are limited before they are buffered, and only JSON passes for JSON."""

from __future__ import annotations

import asyncio
import mmap

import msgspec
import pytest
from fastapi import Request

from coldplate.api.bodies import SMALL, parse, read_large, read_small
from coldplate.errors import BadRequest, PayloadTooLarge, Unavailable


class Envelope(msgspec.Struct):
    """Shaped like a submission: one text, some texts, a number and a part that stays closed."""

    name: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    tags: list[str] = []
    cost: int | None = None


DECODER = msgspec.json.Decoder(Envelope)


def request(*chunks: bytes, length: int | None = None) -> Request:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    waiting = list(chunks)

    async def receive() -> dict[str, object]:
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def read(limit: int, *chunks: bytes, length: int | None = None, directory=None) -> bytes | mmap.mmap:
    return asyncio.run(read_large(request(*chunks, length=length), limit=limit, directory=directory))


def test_body_of_exactly_the_limit_is_read():
    assert bytes(read(6, b"abc", b"def", length=6)) == b"abcdef"


@pytest.mark.parametrize(
    ("chunks", "length"),
    [
        pytest.param((b"never asked for",), 7, id="declared"),
        pytest.param((b"abc", b"defg", b"never asked for"), None, id="chunked"),
        pytest.param((b"abc", b"defg", b"never asked for"), 3, id="declared-too-short"),
    ],
)
def test_body_above_the_limit_is_refused_before_the_rest_is_read(chunks, length):
    asked = request(*chunks, length=length)
    with pytest.raises(PayloadTooLarge, match="limit of 6 bytes"):
        asyncio.run(read_small(asked, limit=6))
    last = asyncio.run(asked.receive())
    assert last["body"] == b"never asked for"


def test_large_body_waits_in_a_file_that_has_no_name(tmp_path):
    chunks = [bytes([i]) * (SMALL // 3) for i in range(10)]
    body = read(64 << 20, *chunks, directory=tmp_path)
    assert isinstance(body, mmap.mmap)
    assert body[:] == b"".join(chunks)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_reason_to_try_again(tmp_path):
    with pytest.raises(Unavailable, match="disk"):
        read(64 << 20, bytes(SMALL), bytes(SMALL), directory=tmp_path / "nowhere")


def test_envelope_leaves_the_params_closed():
    envelope = parse(DECODER, b'{"name": "sampler", "params": {"x": [1,  2]}, "unknown": 0}')
    assert (envelope.name, bytes(envelope.params)) == ("sampler", b'{"x": [1,  2]}')


@pytest.mark.parametrize("separate", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="field-missing"),
        pytest.param(b'{"name": 1}', id="wrong-type"),
        pytest.param(b'{"name": "a"} x', id="trailing"),
        pytest.param(b'\xef\xbb\xbf{"name": "a"}', id="byte-order-mark"),
        pytest.param(b'{"name": "a", "params": {"x": NaN}}', id="nan"),
        pytest.param(b'{"name": "a", "params": {"x": -Infinity}}', id="infinity"),
        pytest.param(b'{"name": "a", "cost": ' + b"9" * 5000 + b"}", id="huge-integer"),
        pytest.param(b'{"name": "a", "cost": 1e999}', id="huge-float"),
        pytest.param(b'{"name": "a\\u0000"}', id="nul"),
        pytest.param(b'{"name": "a", "tags": ["b", "\\u0000"]}', id="nul-in-list"),
        pytest.param(b'{"name": "\\ud800"}', id="lone-surrogate"),
        pytest.param(b'{"name": "a", "params": ["\\udfff"]}', id="lone-surrogate-in-params"),
        pytest.param(b'{"name": "\xff"}', id="not-utf8"),
        pytest.param(b'{"name": "a", "params": ["\xc3"]}', id="not-utf8-in-params"),
        pytest.param(b'{"name": "a", "params": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", id="deep-params"),
        pytest.param(b'{"name": "a", "more": ' + b'{"a":' * 10**5 + b"1" + b"}" * 10**5 + b"}", id="deep"),
    ],
)
def test_what_is_not_the_expected_json_is_refused(body, separate):
    if separate and body:
        mapped = mmap.mmap(-1, len(body))
        mapped[:] = body
        body = mapped
    with pytest.raises(BadRequest):
        parse(DECODER, body)


def test_text_may_hold_pairs_of_surrogates_and_all_of_unicode():
    assert parse(DECODER, b'{"name": "\\ud83d\\ude00", "tags": ["\xc3\xa9"]}').tags == ["é"]


def test_character_split_over_two_pieces_is_still_a_character():
    filling = b'{"name": "' + b"x" * (SMALL - 11)
    assert parse(DECODER, filling + "é".encode() + b'"}').name.endswith("xé")
