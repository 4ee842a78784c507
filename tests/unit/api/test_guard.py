"""Whatever happens inside, the outside sees one error shape and no detail."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from coldplate.api.guard import TELLERS, Guard
from coldplate.errors import Unavailable, UnknownJob


async def path(request: Request) -> Response:
    return PlainTextResponse(request.scope["path"])


async def refused() -> Response:
    raise UnknownJob("Job 'x' is unknown.")


async def unavailable() -> Response:
    raise Unavailable("Busy.")


async def broken() -> Response:
    raise KeyError("secret detail")


async def broken_midway() -> Response:
    def chunks():
        yield b"half"
        raise KeyError("secret detail")

    return StreamingResponse(chunks())


async def numbers(n: int) -> Response:
    return PlainTextResponse(str(n))


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(exception_handlers=TELLERS, redirect_slashes=False)
    for route in (refused, unavailable, broken, broken_midway, numbers):
        app.add_api_route(f"/{route.__name__}", route, response_class=Response)
    app.add_api_route("/api/v1/{rest:path}", path, response_class=Response)
    app.add_middleware(Guard)
    return app


def get(app: FastAPI, url: str, verb: str = "GET") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
            return await client.request(verb, url, headers={"host": "[not a host"})

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("/api/v1/jobs/x", "/api/v1/jobs/x"),
        ("/v1/jobs/x", "/api/v1/jobs/x"),
        ("/experimental/jobs/x", "/api/v1/jobs/x"),
        ("/experimental/v1/jobs", "/api/v1/v1/jobs"),
        ("/api/v1//jobs", "/api/v1//jobs"),
    ],
)
def test_every_base_leads_to_the_same_routes_and_nothing_else_is_rewritten(app, asked, served):
    assert get(app, asked).text == served


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/refused", 404, 1291),
        ("/unavailable", 503, 3246),
        ("/numbers?n=one", 400, 1002),
        ("/numbers", 400, 1002),
        ("/nowhere", 404, 4040),
        ("/api/v1/a%00b", 400, 1002),
        ("/numbers?n=1%00", 400, 1002),
        ("/broken", 500, 1000),
    ],
)
def test_every_refusal_has_the_official_shape(app, url, status, code):
    answer = get(app, url)
    body = answer.json()
    (error,) = body["errors"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"code", "message", "solution", "more_info"}
    assert "://" not in error["more_info"]
    assert UUID(body["trace"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/json"


def test_wrong_verb_is_told_the_right_one(app):
    answer = get(app, "/numbers?n=1", "PATCH")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_busy_says_when_to_try_again(app):
    assert get(app, "/unavailable").headers["retry-after"] == "1"


def test_surprise_is_in_the_log_under_its_trace_and_nowhere_else(app, caplog):
    with caplog.at_level(logging.ERROR):
        answer = get(app, "/broken")
    assert "secret" not in answer.text
    assert answer.json()["trace"] in caplog.text
    assert "secret detail" in caplog.text


def test_surprise_in_the_middle_of_an_answer_breaks_it_off(app, caplog):
    with pytest.raises(KeyError):
        get(app, "/broken_midway")
