"""Stand-ins for the cloud around the runtime: access tokens, global search, global catalog, instances."""

from __future__ import annotations

from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response

from coldplate.api import render
from coldplate.api.bodies import parse, read_small
from coldplate.api.identify import Asker, Credentials, anyone
from coldplate.api.queries import cursor, cursor_start, page_size
from coldplate.domain.instance import Instance
from coldplate.errors import BadRequest, InvalidCredentials, NotOffered, UnknownInstance
from coldplate.service import Service

FORM = 64 << 10  # bytes of a token request
SERVICE = "service_name:quantum-computing"  # the one query that runtime clients send
PAGE = 100


class Search(msgspec.Struct):
    """Body of a search; `fields` may be left out, all are answered."""

    query: str = SERVICE
    search_cursor: str | None = None


SEARCH = msgspec.json.Decoder(Search)


class Cloud:
    """Routes around the runtime. They need no instance, only a valid token or key."""

    def __init__(self, service: Service):
        self.service = service

    async def token(self, request: Request) -> Response:
        """An access token for an API key (a form, as OAuth has it)."""
        body = await read_small(request, limit=FORM)
        try:
            form = parse_qs(body.decode(), max_num_fields=20, strict_parsing=False)
        except ValueError as error:
            raise BadRequest("The body is not a form.") from error
        keys = form.get("apikey", [])
        if len(keys) != 1:
            raise BadRequest("The form has no single apikey.")
        try:
            answer = render.reply(await in_thread(self.service.login, keys[0]))
        except InvalidCredentials as error:
            answer = unknown_key(error)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def search(self, request: Request, asker: Asker, limit: int = PAGE) -> Response:
        """The caller's instances, in pages: without a cursor in the answer it was the last page."""
        body = await read_small(request)
        wish = parse(SEARCH, body) if body else Search()
        if SERVICE not in wish.query:
            raise BadRequest(f"Only the query {SERVICE!r} is offered.")
        start = cursor_start(wish.search_cursor)
        size = page_size(limit, most=PAGE, default=PAGE)
        instances = await in_thread(self._instances, asker)
        items = [render.search_item(instance) for instance in instances[start : start + size]]
        more = {"search_cursor": cursor(start + size)} if start + size < len(instances) else {}
        return render.reply({"items": items, "limit": size} | more)

    def plan(self, plan: str, asker: Asker) -> Response:
        """A plan in the global catalog: its name and pricing."""
        for instance in self._instances(asker):
            if instance.plan == plan:
                return render.reply(render.catalog_entry(instance))
        raise NotOffered(f"There is no plan {plan!r}.")

    def resources(self, asker: Asker, name: str | None = None) -> Response:
        """The caller's instances, all or those of one name."""
        found = [i for i in self._instances(asker) if name in (None, i.name)]
        resources = [render.resource_object(instance) for instance in found]
        return render.reply({"rows_count": len(resources), "next_url": None, "resources": resources})

    def resource(self, crn: str, asker: Asker) -> Response:
        """One of the caller's instances."""
        for instance in self._instances(asker):
            if instance.id == crn:
                return render.reply(render.resource_object(instance))
        raise UnknownInstance(f"There is no instance {crn!r}.")

    def _instances(self, asker: Credentials) -> list[Instance]:
        return self.service.instances(anyone(self.service, asker))


def unknown_key(error: InvalidCredentials) -> Response:
    """The token service's own error shape, next to the usual one."""
    trace = str(uuid4())
    told = {
        "errorCode": "BXNIM0415E",
        "errorMessage": "Provided API key could not be found.",
        "context": {"requestId": trace},
    }
    return render.reply(told | render.error_object(error, trace), status=400)
