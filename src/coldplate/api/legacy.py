"""REST of clients before 2025 (0.12 to 0.40): log in, backends by name, jobs with old names of instances.

The paths are those of the old services: the sign-on side under `/api`, the runtime under `/runtime` or, for
clients of the cloud channel, under nothing at all. Routes hold no rules; `service` and `legacy` have them.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.requests import HTTPConnection
from starlette.responses import Response

from coldplate.api import render
from coldplate.api import render_legacy as show
from coldplate.api.bodies import Buffer, parse, read_small
from coldplate.api.identify import Credentials, instance_of, read_credentials
from coldplate.api.modern import TAGS
from coldplate.api.queries import LAST, PAGE, moment, page_size, tag_filter
from coldplate.api.sending import FileAnswer
from coldplate.api.submitting import Accepted, Desk, fingerprint, storing
from coldplate.auth import Principal
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import Job, JobState
from coldplate.domain.provider import providers
from coldplate.domain.query import JobFilter
from coldplate.errors import UnknownJob
from coldplate.legacy import Legacy, OldSubmission
from coldplate.service import Service
from coldplate.settings import Settings

CLOSING_S = 0.2  # a client is told of its cancel so much later than its stream is closed
OLD_PAGE = 20  # jobs in one page when a client doesn't say
CLIENT = re.compile(r"qiskit_ibm_runtime-(\d+)\.(\d+)")
WITH_SAMPLER_RESULTS = (0, 24)  # the first client that knows the type of a sampler's result
HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
POLLING = "/polling"  # an address for clients that must not stream; see `Login.me`


class NewLogin(msgspec.Struct):
    """Body of `POST /users/loginWithToken`."""

    api_token: str = msgspec.field(name="apiToken")


SUBMISSION = msgspec.json.Decoder(OldSubmission)
LOGIN = msgspec.json.Decoder(NewLogin)


async def read_old_credentials(request: HTTPConnection) -> Credentials:
    """`X-Access-Token`, or what current clients send."""
    tokens = request.headers.getlist("x-access-token")
    if len(tokens) == 1 and "authorization" not in request.headers:
        return Credentials(token=tokens[0], caller=request.headers.get("x-qx-client-application"))
    return await read_credentials(request)


Asker = Annotated[Credentials, Depends(read_old_credentials)]


def asked_by(service: Service, asker: Credentials) -> Principal:
    """Who asks; for an instance when a CRN is given."""
    return service.identify(token=asker.token, api_key=asker.api_key, crn=asker.crn or None)


def release(asker: Credentials) -> tuple[int, int]:
    """The release of the client that asks, as far as it says; else the newest."""
    found = CLIENT.search(asker.caller or "")
    return (int(found[1]), int(found[2])) if found else (9999, 0)


class Login:
    """Routes of the sign-on side."""

    def __init__(self, service: Service, legacy: Legacy):
        self.service, self.legacy = service, legacy

    async def version(self) -> Response:
        """What a client looks for before it logs in."""
        return render.reply({"api-auth": "0.1", "api-runtime": "0.1"})

    async def login(self, request: Request) -> Response:
        """An access token for an API key."""
        key = parse(LOGIN, await read_small(request)).api_token
        answer = render.reply({"id": await in_thread(self.legacy.login, key)})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def me(self, request: Request, asker: Asker) -> Response:
        """Where everything is: where this request came in, because clients go where they are told.

        Clients open a stream wherever the address begins with `https`, in small letters. Those that came
        through the polling address are told it in capitals: they ask again and again instead.
        """
        asked_by(self.service, asker)
        scheme, _, host = str(request.base_url).rstrip("/").partition("://")
        if first(request, "x-forwarded-proto").lower() == "https":
            scheme = "https"
        if HOST.fullmatch(asked := first(request, "x-forwarded-host")):
            host = asked
        polling = request.scope["path"].startswith(POLLING)
        shown = scheme.upper() if polling else scheme
        prefix = POLLING if polling else ""
        return render.reply(
            show.user_object(f"{scheme}://{host}{prefix}/api", runtime=f"{shown}://{host}/runtime")
        )

    def archive(self, asker: Asker) -> Response:
        """Jobs from before the runtime, which the provider of 2023 can ask for: there are none."""
        asked_by(self.service, asker)
        return render.reply({"items": [], "meta": {"count": 0}})

    def network(self, asker: Asker) -> Response:
        """The asker's instances."""
        return render.reply(show.network(self.legacy.instances(asked_by(self.service, asker))))


def first(request: Request, header: str) -> str:
    """What the first of several proxies says; whoever lies here misleads nobody but itself."""
    return request.headers.get(header, "").partition(",")[0].strip()


class OldBackends:
    """Routes of backends."""

    def __init__(self, service: Service, legacy: Legacy):
        self.service, self.legacy = service, legacy

    def list(
        self, asker: Asker, provider: str | None = None, channel_strategy: str | None = None
    ) -> Response:
        """Names of backends; none for a strategy that this server doesn't have."""
        who = self.legacy.acting(asked_by(self.service, asker), provider)
        offered = channel_strategy in (None, "default")
        found = self.legacy.backends(who) if offered else []
        return render.reply({"devices": [record.name for record in found]})

    def configuration(self, name: str, asker: Asker) -> Response:
        """What a backend is."""
        return render.reply(show.configuration(self.service.backend(self._at(asker, name), name)))

    def properties(self, name: str, asker: Asker, updated_before: str | None = None) -> Response:
        """What was calibrated; an empty object for ideal simulators."""
        before = moment(updated_before, name="updated_before")
        who = self._at(asker, name)
        found = self.service.properties(who, name, updated_before=before, calibration=None)
        return render.reply(show.properties(found))

    def defaults(self, name: str, asker: Asker) -> Response:
        """Pulse defaults: there are none."""
        self._at(asker, name)
        return render.reply({})

    def status(self, name: str, asker: Asker) -> Response:
        """Whether a backend runs jobs, and how many wait; asked before every submission."""
        record = self.service.backend(self._at(asker, name), name)
        return render.reply(render.status_object(record, self.service.queue_length(name)))

    def instance(self, asker: Asker) -> Response:
        """The instance that the asker acts for."""
        who = self.legacy.acting(asked_by(self.service, asker), None)
        return render.reply(render.instance_object(instance_of(who)))

    def usage(self, asker: Asker) -> Response:
        """Quantum seconds of each of the asker's instances in the window that ends now."""
        asking = asked_by(self.service, asker)
        rows = []
        for name in self.legacy.instances(asking):
            report = self.service.usage(self.legacy.acting(asking, name))
            quota = report.limit_s
            remaining = None if quota is None else max(0, quota - report.consumed_s)
            row = {"instance": name, "quota": quota, "usage": report.consumed_s, "pendingJobs": 0}
            rows.append(row | {"maxPendingJobs": None, "usageRemaining": remaining})
        return render.reply({"byInstance": rows})

    def _at(self, asker: Credentials, name: str) -> Principal:
        return self.legacy.at_backend(asked_by(self.service, asker), name)


class OldJobs:
    """Routes of jobs."""

    def __init__(
        self,
        service: Service,
        legacy: Legacy,
        settings: Settings,
        *,
        end_streams: Callable[[str], Awaitable[None]],
    ):
        self.service, self.legacy, self.desk = service, legacy, Desk(service, settings)
        self.end_streams = end_streams

    # --- in -------------------------------------------------------------------------------------

    async def create(self, request: Request, asker: Asker) -> Response:
        """Run a program, and begin a session when asked to; whatever the content type says."""
        principal = await in_thread(asked_by, self.service, asker)
        return await self.desk.take(request, partial(self._submit, principal, asker))

    def _submit(self, principal: Principal, asker: Credentials, body: Buffer) -> Accepted:
        asked = parse(SUBMISSION, body)
        principal = self.legacy.acting(principal, asked.provider)
        params = bytes(asked.params)
        turn = self.desk.turns.take(fingerprint("job", principal, body))
        with storing(turn) as mark:
            job = self.legacy.submit(principal, asked, params, fingerprint=mark, caller=asker.caller)
            warning = self.legacy.warning(principal, job)
        messages = [] if warning is None else [{"data": warning}]
        told = {"id": job.id, "backend": job.backend, "session_id": job.session, "messages": messages}
        return Accepted(job, turn, told)

    # --- out ------------------------------------------------------------------------------------

    def list(
        self,
        asker: Asker,
        limit: int = OLD_PAGE,
        offset: Annotated[int, Query(ge=0, le=LAST)] = 0,
        sort: Literal["ASC", "DESC"] = "DESC",
        pending: bool | None = None,
        program: str | None = None,
        backend: str | None = None,
        session_id: str | None = None,
        tags: Annotated[list[str] | None, Query()] = None,
        created_after: str | None = None,
        created_before: str | None = None,
        provider: str | None = None,
    ) -> Response:
        """Jobs, newest first, without params; `count` is exactly how many there are."""
        wanted = JobFilter(
            instance=InstanceId(""),
            limit=page_size(limit, most=PAGE, default=OLD_PAGE),
            offset=offset,
            ascending=sort == "ASC",
            pending=pending,
            program=program,
            backend=backend,
            session=session_id,
            tags=tag_filter(tags),
            created_after=moment(created_after, name="created_after"),
            created_before=moment(created_before, name="created_before"),
        )
        who = asked_by(self.service, asker)
        jobs, total = self.legacy.jobs(who, wanted, provider)
        names = self._names(who)
        page = [show.job_object(job, names.get(job.instance)) for job in jobs]
        # A client that skips past the end would ask for ever if `count` were smaller than `offset`.
        return render.reply({"jobs": page, "count": max(total, offset)})

    def read(self, id: str, asker: Asker, exclude_params: bool = False) -> Response:
        """One job; with its params where they can do no harm."""
        who, job = self._job(id, asker)
        value = show.job_object(job, self._names(who).get(job.instance))
        params = None if exclude_params else self.service.params(who, job)
        if params is not None:
            value["params"] = msgspec.Raw(params)
        return render.reply(value)

    def results(self, id: str, asker: Asker) -> Response:
        """The very bytes the job wrote; nothing while there are none, and for a job that failed."""
        who, _ = self._job(id, asker)
        path = self.service.results(who, id)
        if path is None:
            return show.text("")
        if release(asker) < WITH_SAMPLER_RESULTS:
            return show.text(show.older_result(path.read_bytes()))
        try:
            file = path.open("rb")
        except FileNotFoundError as error:  # deleted meanwhile
            raise UnknownJob(f"Job {id} was deleted.") from error
        size = os.fstat(file.fileno()).st_size
        return FileAnswer(file, size=size, sent=partial(self.service.results_sent, who, id))

    def interim(self, id: str, asker: Asker) -> Response:
        """What the job has told before its end."""
        _, job = self._job(id, asker)
        return show.text(b"[" + b",".join(self.service.interim(job)) + b"]")

    def logs(self, id: str, asker: Asker) -> Response:
        """What the job's program logged."""
        who, _ = self._job(id, asker)
        return show.text(self.service.log(who, id))

    def metrics(self, id: str, asker: Asker) -> Response:
        """When the job was created, started and ended, what it used, and when it may start."""
        who, job = self._job(id, asker)
        waits = job.state is JobState.QUEUED
        prospect = self.service.outlook.of(job, self.service.instances(who)) if waits else None
        return render.reply(render.metrics_object(job, prospect))

    def kind(self, id: str, asker: Asker) -> Response:
        """What kind of job it is: the provider of 2023 asks."""
        self._job(id, asker)
        return render.reply({"type": "RUNTIME"})

    # --- ends -----------------------------------------------------------------------------------

    async def cancel(self, id: str, asker: Asker) -> Response:
        """Cancel a job that has not ended; its streams are closed first, or a client would wait for ever."""
        await in_thread(self._cancel, id, asker)
        await self.end_streams(id)
        await asyncio.sleep(CLOSING_S)
        return render.nothing()

    def _cancel(self, id: str, asker: Credentials) -> None:
        who, _ = self._job(id, asker)
        self.service.cancel(who, id)

    def delete(self, id: str, asker: Asker) -> Response:
        """Delete a job that has ended, with its params and results."""
        who, _ = self._job(id, asker)
        self.service.delete(who, id)
        return render.nothing()

    async def set_tags(self, id: str, request: Request, asker: Asker) -> Response:
        """Replace the job's tags."""
        tags = parse(TAGS, await read_small(request)).tags
        await in_thread(self._set_tags, id, asker, tags)
        return render.nothing()

    def _set_tags(self, id: str, asker: Credentials, tags: Sequence[str]) -> None:
        who, _ = self._job(id, asker)
        self.service.set_tags(who, id, tags)

    # --- how ------------------------------------------------------------------------------------

    def _job(self, id: str, asker: Credentials) -> tuple[Principal, Job]:
        who = self.legacy.at_job(asked_by(self.service, asker), id)
        return who, self.service.job(who, id)

    def _names(self, who: Principal) -> dict[str, str]:
        """Old names of the asker's instances; clients of the cloud channel know none."""
        found = providers(self.service.instances(who))
        return {instance.id: name for name, instance in found.items()}
