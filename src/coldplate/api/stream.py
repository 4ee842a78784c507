"""The websocket on which clients before 2025 follow a job: its interim results, then its final one.

The first message of every connection is an acknowledgement, which clients drop. A stream that is over is
closed with 1000, when the job's end can already be read. websocket-client 1.9 takes that for an error and
connects again, and every message makes it more patient: such a client gets its acknowledgement and nothing
else, so that it gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from hashlib import sha256

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.websockets import WebSocketDisconnect, WebSocketState

from coldplate.api.identify import Credentials
from coldplate.api.legacy import asked_by, read_old_credentials
from coldplate.api.render_legacy import refusal
from coldplate.auth import Principal
from coldplate.changes import Changes
from coldplate.domain.job import Job, JobState
from coldplate.errors import ColdplateError
from coldplate.legacy import Legacy
from coldplate.service import Service

ACKNOWLEDGED = "ACK"
LOOK_S = 0.1  # between two looks for interim results while a job runs
REPLAY_S = 10.0  # a stream that was closed this recently isn't told again
NORMAL = 1000
AT_ONCE = 1000  # streams that are remembered


class Streams:
    """All streams of this server."""

    def __init__(self, service: Service, legacy: Legacy, changes: Changes):
        self.service, self.legacy, self.changes = service, legacy, changes
        self._closing: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._told: dict[str, float] = {}  # (who, job) -> when its stream was over

    async def follow(self, socket: WebSocket, id: str) -> None:
        """Tell a job's news until it has ended or the client has gone."""
        try:
            asker = await read_old_credentials(socket)
            who, job = await in_thread(self._job, asker, id)
        except ColdplateError as error:
            await socket.send_denial_response(refusal(error))
            return
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(ACKNOWLEDGED)
            mark = sha256(f"{asker.token or asker.api_key}\n{id}".encode()).hexdigest()
            if time.monotonic() - self._told.get(mark, -REPLAY_S) >= REPLAY_S:
                await self._tell(socket, who, job)
            self._remember(mark)  # also after a repeat: its pauses grow to 8 s
            if socket.application_state is WebSocketState.CONNECTED:
                await socket.close(NORMAL)

    async def end(self, id: str) -> None:
        """Close the streams of a job that its user cancels, before the client can close them itself."""
        for event in self._closing.pop(id, ()):
            event.set()

    def _job(self, asker: Credentials, id: str) -> tuple[Principal, Job]:
        who = self.legacy.at_job(asked_by(self.service, asker), id)
        return who, self.service.job(who, id)

    def _remember(self, mark: str) -> None:
        if len(self._told) >= AT_ONCE:
            self._told.clear()
        self._told[mark] = time.monotonic()

    async def _tell(self, socket: WebSocket, who: Principal, job: Job) -> None:
        waiter = self.changes.subscribe(job.id)
        closing = asyncio.Event()
        self._closing[job.id].add(closing)
        gone = asyncio.create_task(until_gone(socket))
        try:
            job = await self._interim(socket, who, job, gone=gone, closing=closing, changed=waiter[1])
            if job.state is JobState.COMPLETED and not gone.done():
                await socket.send_text(await in_thread(self._result, who, job))
        finally:
            gone.cancel()
            self.changes.unsubscribe(job.id, waiter)
            self._closing[job.id].discard(closing)
            if not self._closing[job.id]:
                del self._closing[job.id]

    async def _interim(
        self,
        socket: WebSocket,
        who: Principal,
        job: Job,
        *,
        gone: asyncio.Task[None],
        closing: asyncio.Event,
        changed: asyncio.Event,
    ) -> Job:
        """Tell each interim result once; gives the job as it is at the end."""
        told = 0
        while True:
            changed.clear()
            job = await in_thread(self.service.job, who, job.id)
            messages = await in_thread(self.service.interim, job)
            for message in messages[told:]:
                await socket.send_text(message.decode())
            told = len(messages)
            if job.state.final or gone.done() or closing.is_set():
                return job
            await first_of(changed, closing, timeout_s=LOOK_S if job.state is JobState.RUNNING else 1.0)

    def _result(self, who: Principal, job: Job) -> str:
        path = self.service.results(who, job.id)
        text = "" if path is None else path.read_text("utf-8")
        self.service.results_sent(who, job.id)
        return text


async def first_of(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of the events is set, or no longer than that."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


async def until_gone(socket: WebSocket) -> None:
    """Wait until the client has closed; it has nothing to say."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_bytes()
