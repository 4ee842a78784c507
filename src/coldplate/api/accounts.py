"""REST of current clients: instances, usage, workloads, tags and accounts."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import Response

from coldplate.api import render
from coldplate.api.bodies import parse, read_small
from coldplate.api.identify import Asker, Credentials, anyone, instance_of, who
from coldplate.api.queries import cursor, cursor_start, moment, page_size, tag_filter
from coldplate.domain.query import WorkloadFilter
from coldplate.domain.user import EVERYWHERE, Role
from coldplate.errors import BadRequest, NotAuthorized, NotOffered
from coldplate.service import Service

API_VERSIONS = ({"version": "2026-04-15", "status": "live"},)
WORKLOADS = 50  # in one page, at most

Status = Literal["pending", "in_progress", "completed", "canceled", "failed"]


class Configuration(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `PUT /instances/configuration`."""

    instance_limit: int | None


CONFIGURATION = msgspec.json.Decoder(Configuration)


class Accounts:
    """Routes of instances and what is charged to them."""

    def __init__(self, service: Service):
        self.service = service

    def instance(self, asker: Asker) -> Response:
        """The instance of the Service-CRN header."""
        return render.reply(render.instance_object(instance_of(who(self.service, asker))))

    def usage(self, asker: Asker) -> Response:
        """Quantum seconds used in the window that ends now."""
        principal = who(self.service, asker)
        return render.reply(render.usage_object(instance_of(principal), self.service.usage(principal)))

    def configuration(self, asker: Asker) -> Response:
        """The usage limit, seconds per window (null if there is none), and how high it may be set."""
        return render.reply(render.configuration_object(instance_of(who(self.service, asker))))

    async def set_configuration(self, request: Request, asker: Asker) -> Response:
        """Give the instance another usage limit, or none; for managers of the whole account."""
        wish = parse(CONFIGURATION, await read_small(request))
        await in_thread(self._set_configuration, asker, wish.instance_limit)
        return render.nothing()

    def _set_configuration(self, asker: Credentials, limit_s: int | None) -> None:
        principal = who(self.service, asker)
        if principal.roles.get(EVERYWHERE) is not Role.MANAGER:
            raise NotAuthorized("Limits are set by managers of the whole account.")
        if limit_s is not None and limit_s < 1:
            raise BadRequest(f"instance_limit is {limit_s} s, less than 1 s.")
        self.service.accounting.set_limit(instance_of(principal), limit_s)

    def account(self, id: str, asker: Asker, plan_id: str | None = None) -> Response:
        """The plans of the caller's account."""
        principal = anyone(self.service, asker)
        if id != principal.account:
            raise NotAuthorized(f"The credentials are not of account {id!r}.")
        instances = [i for i in self.service.instances(principal) if plan_id in (None, i.plan_id)]
        return render.reply(render.account_object(instances))

    def tags(self, asker: Asker, search: str, type: Literal["job"] = "job") -> Response:
        """Tags of jobs that contain a text of 3 to 100 characters."""
        if not 3 <= len(search) <= 100:
            raise BadRequest(f"search has {len(search)} characters, not 3 to 100.")
        return render.reply({"tags": self.service.tags(who(self.service, asker), search)})

    def workloads(
        self,
        request: Request,
        asker: Asker,
        limit: int = 10,
        sort: Literal["createdAt", "-createdAt"] = "createdAt",
        next: str | None = None,
        previous: str | None = None,
        user: str | None = None,
        backend: str | None = None,
        search: str | None = None,
        status: Annotated[list[Status] | None, Query()] = None,
        mode: Literal["job", "session", "batch"] | None = None,
        tags: Annotated[list[str] | None, Query()] = None,
        created_after: str | None = None,
        created_before: str | None = None,
    ) -> Response:
        """Jobs outside sessions, sessions and batches, oldest first; `next.href` leads on."""
        principal = who(self.service, asker)
        size = page_size(limit, most=WORKLOADS, default=10)
        start = cursor_start(next or previous)
        wanted = WorkloadFilter(
            instance=instance_of(principal).id,
            limit=size,
            offset=start,
            descending=sort == "-createdAt",
            user=principal.user if user == "me" else user,
            backend=backend,
            search=search,
            status=tuple(status or ()),
            mode=mode,
            tags=tag_filter(tags),
            created_after=moment(created_after, name="created_after"),
            created_before=moment(created_before, name="created_before"),
        )
        found, total = self.service.workloads(principal, wanted)
        page = {"workloads": [render.workload_object(w) for w in found], "total_count": total, "limit": size}
        if start + size < total:
            page["next"] = {"href": page_link(request, "next", start + size)}
        if start:
            page["previous"] = {"href": page_link(request, "previous", max(start - size, 0))}
        return render.reply(page)


def page_link(request: Request, name: str, start: int) -> str:
    """The path of another page of the same list."""
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in ("next", "previous")]
    return f"{request.scope['path']}?{urlencode([*kept, (name, cursor(start))])}"


async def versions() -> Response:
    """The versions of the API: the header that names one changes nothing yet."""
    return render.reply({"versions": API_VERSIONS})


async def not_offered(request: Request) -> Response:
    """A published route that this server has not: interim results, transpiled circuits."""
    raise NotOffered(f"{request.scope['method']} {request.scope['path']} is not offered by this server.")
