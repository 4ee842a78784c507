"""An answer is only called sent when the client was there to the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from coldplate.api.sending import CHUNK, FileAnswer, HangUp, Receipted

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}


class Client:
    """A server's two ends of one exchange; the client leaves after so many bytes of the body."""

    def __init__(self, *, leaves_after: int | None = None):
        self.leaves_after, self.body, self.bodies = leaves_after, b"", 0
        self.headers: dict[bytes, bytes] = {}
        self.asked = 0

    @property
    def left(self) -> bool:
        return self.leaves_after is not None and len(self.body) >= self.leaves_after

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self.left:
            return {"type": "http.disconnect"}
        if self.asked == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.Future()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        elif not self.left:
            self.body += message.get("body", b"")
            self.bodies += bool(message.get("body"))

    def get(self, answer: Response) -> None:
        asyncio.run(answer(dict(SCOPE), self.receive, self.send))


class Sent:
    """Counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def file_answer(path: Path, content: bytes, sent: Sent) -> FileAnswer:
    path.write_bytes(content)
    return FileAnswer(path.open("rb"), size=len(content), sent=sent)


@pytest.mark.parametrize(("leaves_after", "times"), [(None, 1), (0, 0)])
def test_small_answer_is_sent_when_the_client_is_still_there(leaves_after, times):
    sent = Sent()
    Client(leaves_after=leaves_after).get(Receipted(b"{}", sent=sent))
    assert sent.count == times


def test_file_is_sent_whole_in_large_chunks_with_its_length(tmp_path):
    sent, client, content = Sent(), Client(), bytes(range(256)) * (3 * CHUNK // 256) + b"end"
    client.get(file_answer(tmp_path / "file", content, sent))
    assert client.body == content
    assert client.headers[b"content-length"] == str(len(content)).encode()
    assert b"content-encoding" not in client.headers
    assert client.bodies == 4
    assert sent.count == 1


@pytest.mark.parametrize("tenths", range(10))
def test_file_cut_by_the_client_is_not_sent(tmp_path, tenths):
    sent, content = Sent(), bytes(10 * CHUNK)
    Client(leaves_after=tenths * CHUNK).get(file_answer(tmp_path / "file", content, sent))
    assert sent.count == 0


def test_file_deleted_while_it_is_sent_arrives_whole(tmp_path):
    answer, client = file_answer(tmp_path / "file", b"x" * 10, Sent()), Client()
    (tmp_path / "file").unlink()
    client.get(answer)
    assert client.body == b"x" * 10
    assert answer.file.closed


def test_hanging_up_sends_nothing():
    client = Client()

    def hang_up() -> None:
        client.leaves_after = 0

    asyncio.run(HangUp()({**SCOPE, "state": {"hang_up": hang_up}}, client.receive, client.send))
    assert client.left
    assert client.headers == {}


def test_server_without_a_way_to_hang_up_is_told():
    with pytest.raises(RuntimeError, match="close a connection"):
        Client().get(HangUp())
