"""The outermost layer: one tree of paths, no NUL, safe headers, and an answer to every surprise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coldplate.api.render import refusal
from coldplate.api.render_legacy import refusal as old_refusal
from coldplate.api.sending import HangUp
from coldplate.errors import BadRequest, ColdplateError, InternalError, NotOffered

log = logging.getLogger(__name__)

BASE = "/api/v1"
ALIASES = ("/experimental/", "/v1/")  # other bases that clients are pointed at; the same routes
# The runtime of clients before 2025; those of the cloud channel ask for it without any prefix.
OLD = "/runtime"
OLD_ROOTS = frozenset({"backends", "jobs", "programs", "sessions", "stream", "facade", "instance", "usage"})
OLD_PLACES = (OLD, "/polling/", "/api/users/", "/api/version", "/api/Network")


def canonical(path: str) -> str:
    """The path under the one base that has routes.

    >>> canonical("/experimental/jobs"), canonical("/identity/token"), canonical("/jobs/")
    ('/api/v1/jobs', '/identity/token', '/runtime/jobs')
    """
    root = path.split("/", 2)[1:2]
    if OLD_ROOTS.issuperset(root):
        return OLD + path.rstrip("/")
    if root == [OLD.removeprefix("/")]:
        return path.rstrip("/")
    for alias in ALIASES:
        if path.startswith(alias):
            return f"{BASE}/{path.removeprefix(alias)}"
    return path


class Guard:
    """What holds for every request, whatever its route."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and let nothing but an answer out."""
        scope = dict(scope, path=canonical(scope["path"])) if "path" in scope else scope
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                await refusal(BadRequest("The URL has a NUL character."))(scope, receive, watched)
            else:
                await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            answer = surprise(scope, error)
            if started:
                raise  # the server closes the connection: a reader must not take half an answer for a whole
            await answer(scope, receive, watched)


def surprise(scope: Scope, error: Exception) -> Response:
    """An error nobody foresaw: the log has it under the trace id that the client is told."""
    trace = str(uuid4())
    log.error("%s %r failed, trace %s", scope["method"], scope["path"], trace, exc_info=error)
    return refusal(InternalError("The server failed to answer."), trace=trace)


def told(path: str, error: ColdplateError, *, status: int | None = None) -> Response:
    """The answer that tells an error, as the clients of a path read it."""
    if path.startswith(OLD_PLACES):
        return old_refusal(error, status=status)
    return refusal(error, status=status)


class OutcomeUnknown(Exception):
    """Something broke while a job or session was being stored: it may exist, so no status may be sent."""


async def tell_refusal(request: Request, error: ColdplateError) -> Response:
    """An error with a name."""
    return told(request.scope["path"], error)


async def tell_invalid(request: Request, error: RequestValidationError) -> Response:
    """A path or query parameter of another type."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return told(request.scope["path"], BadRequest(f"{place}: {first['msg']}."))


async def tell_http(request: Request, error: HTTPException) -> Response:
    """An unknown path (404) or a verb it doesn't know (405)."""
    known = NotOffered(f"{request.scope['method']} {request.scope['path']} is not part of this server.")
    answer = told(request.scope["path"], known, status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def tell_nothing(request: Request, error: OutcomeUnknown) -> Response:
    """The outcome is unknown: log it and close the connection."""
    surprise(request.scope, error)
    return HangUp()


TELLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    ColdplateError: tell_refusal,
    RequestValidationError: tell_invalid,
    HTTPException: tell_http,
    OutcomeUnknown: tell_nothing,
}
