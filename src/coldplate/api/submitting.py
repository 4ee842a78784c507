"""How a POST that makes something is taken in, whichever client sends it: once, never with a false status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response

from coldplate.api.bodies import Buffer, read_large
from coldplate.api.guard import OutcomeUnknown
from coldplate.api.identify import instance_of
from coldplate.api.sending import Receipted
from coldplate.api.turns import Turn, Turns
from coldplate.auth import Principal
from coldplate.domain.job import Job
from coldplate.errors import ColdplateError
from coldplate.failpoints import passing
from coldplate.service import Service
from coldplate.settings import Settings

LARGE_AT_ONCE = 4  # bodies that wait in files, and are copied to memory at the same time


def fingerprint(kind: str, asker: Principal, body: Buffer) -> str:
    """What makes a repeated POST the same POST: who asks, for which instance, with which bytes."""
    digest = hashlib.sha256("\n".join((kind, asker.account, instance_of(asker).id)).encode())
    digest.update(body)
    return digest.hexdigest()


@contextmanager
def storing(turn: Turn) -> Iterator[str]:
    """Around a write that creates something: a surprise inside must not become a status.

    Gives the fingerprint; when the write fails, the turn is over, else when the answer was sent.
    """
    try:
        yield turn.fingerprint
    except Exception as error:
        turn.end()
        if isinstance(error, ColdplateError):
            raise
        raise OutcomeUnknown from error


@dataclass(frozen=True)
class Accepted:
    """A job that was stored, and what its client is told."""

    job: Job
    turn: Turn
    answer: Mapping[str, object]


class Desk:
    """Where jobs are handed in."""

    def __init__(self, service: Service, settings: Settings):
        self.turns, self._service = Turns(), service
        self._max_body, self._large = settings.max_body, CapacityLimiter(LARGE_AT_ONCE)
        self._spool = settings.data if settings.data.is_dir() else None

    async def take(self, request: Request, submit: Callable[[Buffer], Accepted]) -> Response:
        """Read a body, have it submitted in a thread, and tell the client; its id is known when it was sent.

        Args:
            submit: Stores the job that the body asks for, with one of our turns.
        """
        body = await read_large(request, limit=self._max_body, directory=self._spool)
        passing("T1-body-received")
        act = partial(submit, body)
        done = await (in_thread(act) if isinstance(body, bytes) else run_sync(act, limiter=self._large))
        delivered = partial(self._service.delivered, done.job.id)
        return Receipted(msgspec.json.encode(done.answer), sent=delivered, over=done.turn.end)
