"""REST of clients before 2025: sessions."""

from __future__ import annotations

from functools import partial

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response

from coldplate.api import render
from coldplate.api.bodies import parse, read_small
from coldplate.api.identify import Credentials
from coldplate.api.legacy import Asker, asked_by
from coldplate.api.sending import Receipted
from coldplate.api.submitting import fingerprint, storing
from coldplate.api.turns import Turn, Turns
from coldplate.domain.session import Mode, Session, Ttls
from coldplate.errors import BadRequest, UnknownSession
from coldplate.legacy import Legacy
from coldplate.service import Service


class OldSession(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /sessions`."""

    mode: Mode | None = None
    backend: str | None = None
    instance: str | None = None  # hub/group/project, or the CRN
    max_ttl: int | None = None  # seconds


SESSION = msgspec.json.Decoder(OldSession)


class OldSessions:
    """Routes of sessions. Clients of 2023 begin them with a job, later ones make them first."""

    def __init__(self, service: Service, legacy: Legacy):
        self.service, self.legacy, self.turns = service, legacy, Turns()

    async def create(self, request: Request, asker: Asker) -> Response:
        """Open a session or a batch."""
        body = await read_small(request)
        session, turn = await in_thread(self._open, asker, body)
        content = msgspec.json.encode(render.session_object(session))
        return Receipted(content, sent=partial(self.service.delivered, session.id), over=turn.end)

    def _open(self, asker: Credentials, body: bytes) -> tuple[Session, Turn]:
        wish = parse(SESSION, body)
        named = wish.instance if wish.instance and "/" in wish.instance and ":" not in wish.instance else None
        who = self.legacy.acting(asked_by(self.service, asker), named)
        if wish.backend is None:
            raise BadRequest("A session needs a backend.")
        turn = self.turns.take(fingerprint("session", who, body))
        with storing(turn) as mark:
            session = self.service.open_session(
                who, wish.mode or Mode.DEDICATED, wish.backend, Ttls(wish.max_ttl), fingerprint=mark
            )
        return session, turn

    async def change(self, id: str, request: Request, asker: Asker) -> Response:
        """Accept no more jobs; those in the queue still run. An unknown session is as good as closed."""
        await read_small(request)
        await in_thread(self._close, id, asker)
        return render.nothing()

    def _close(self, id: str, asker: Credentials) -> None:
        who = self.legacy.at_session(asked_by(self.service, asker), id)
        if who is not None:
            self.service.close_session(who, id, False)

    def cancel(self, id: str, asker: Asker) -> Response:
        """Close at once: jobs in the queue end, a running one finishes."""
        who = self.legacy.at_session(asked_by(self.service, asker), id)
        if who is not None:
            self.service.cancel_session(who, id)
        return render.nothing()

    def read(self, id: str, asker: Asker) -> Response:
        """One session."""
        who = self.legacy.at_session(asked_by(self.service, asker), id)
        if who is None:
            raise UnknownSession(f"Session {id!r:.60} not found.")
        return render.reply(render.session_object(self.service.session(who, id)))
