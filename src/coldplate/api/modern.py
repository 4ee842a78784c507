"""REST of current clients: jobs and sessions. Routes hold no rules; `service` has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool as in_thread
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from coldplate.api import render
from coldplate.api.bodies import Buffer, parse, read_small
from coldplate.api.held import held
from coldplate.api.identify import Asker, Credentials, instance_of, who
from coldplate.api.queries import LAST, PAGE, moment, page_size, tag_filter
from coldplate.api.sending import FileAnswer, Receipted
from coldplate.api.submitting import Accepted, Desk, fingerprint, storing
from coldplate.api.turns import Turn, Turns
from coldplate.auth import Principal
from coldplate.changes import Changes
from coldplate.domain.job import Job, JobState
from coldplate.domain.query import JobFilter
from coldplate.domain.session import Mode, Session, Ttls
from coldplate.domain.submission import Submission
from coldplate.errors import BadRequest, UnknownJob
from coldplate.failpoints import passing
from coldplate.outlook import Prospect
from coldplate.service import Service
from coldplate.settings import Settings


class Tags(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `PUT /jobs/{id}/tags`: all the tags the job has from now on."""

    tags: list[str]


class NewSession(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /sessions`."""

    mode: Mode
    backend: str | None = None
    backend_name: str | None = None  # the published name of the same field
    instance: str | None = None  # repeats the Service-CRN header
    max_ttl: int | None = None  # seconds
    active_ttl: int | None = None
    interactive_ttl: int | None = None


class SessionChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `PATCH /sessions/{id}`."""

    accepting_jobs: bool


SUBMISSION = msgspec.json.Decoder(Submission)
TAGS = msgspec.json.Decoder(Tags)
NEW_SESSION = msgspec.json.Decoder(NewSession)
SESSION_CHANGE = msgspec.json.Decoder(SessionChange)


def mock_twin(service: Service, asker: Principal, backend: str) -> str:
    """The twin of a backend that prepares jobs and runs nothing; a twin's is itself.

    Raises:
        UnknownBackend: The instance has no such backend.
    """
    name = service.backend(asker, backend).name
    twins = (record for record, _ in service.backends(asker, mocks=True) if record.mock_of == name)
    return next((record.name for record in twins), name)


class Jobs:
    """Routes of jobs."""

    def __init__(self, service: Service, settings: Settings, changes: Changes):
        self.service, self.changes, self.desk = service, changes, Desk(service, settings)

    async def create(self, request: Request, asker: Asker, dry_run: bool = False) -> Response:
        """Run a program: the answer has the new job's id. A dry run goes to the backend's mock twin."""
        principal = await in_thread(who, self.service, asker)  # only those we know may upload
        return await self.desk.take(request, partial(self._submit, principal, asker, dry=dry_run))

    def _submit(self, principal: Principal, asker: Credentials, body: Buffer, *, dry: bool) -> Accepted:
        submission = parse(SUBMISSION, body)
        if dry:
            twin = mock_twin(self.service, principal, submission.backend)
            submission = msgspec.structs.replace(submission, backend=twin)
        params = bytes(submission.params)
        turn = self.desk.turns.take(fingerprint("dry run" if dry else "job", principal, body))
        with storing(turn) as mark:
            job = self.service.submit(principal, submission, params, fingerprint=mark, caller=asker.caller)
        answer = {
            "id": job.id,
            "backend": job.backend,
            "session_id": job.session,
            "private": job.private,
            "calibration_id": job.calibration,
        }
        return Accepted(job, turn, answer)

    def list(
        self,
        asker: Asker,
        limit: int = PAGE,
        offset: Annotated[int, Query(ge=0, le=LAST)] = 0,
        sort: Literal["ASC", "DESC"] = "DESC",
        pending: bool | None = None,
        program: str | None = None,
        backend: str | None = None,
        session_id: str | None = None,
        tags: Annotated[list[str] | None, Query()] = None,
        created_after: str | None = None,
        created_before: str | None = None,
        exclude_params: bool = True,
    ) -> Response:
        """Jobs of the instance, newest first; `tags` are ANDed."""
        principal = who(self.service, asker)
        size = page_size(limit, most=PAGE, default=PAGE)
        wanted = JobFilter(
            instance=instance_of(principal).id,
            limit=size,
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
        jobs, total = self.service.jobs(principal, wanted)
        # A client that skips past the end would ask for ever if `count` were smaller than `offset`.
        page = {"count": max(total, offset), "limit": size, "offset": offset}
        if exclude_params:
            return render.reply({"jobs": [render.job_object(job) for job in jobs]} | page)
        return StreamingResponse(self._with_params(principal, jobs, page), media_type="application/json")

    def _with_params(self, reader: Principal, jobs: Sequence[Job], page: dict[str, int]) -> Iterator[bytes]:
        """The page of jobs, one at a time: together their params may be gigabytes."""
        yield b'{"jobs":['
        for number, job in enumerate(jobs):
            yield (b"," if number else b"") + render.job_bytes(job, self.service.params(reader, job))
        yield b"]," + msgspec.json.encode(page)[1:]

    async def read(self, id: str, asker: Asker, exclude_params: bool = False) -> Response:
        """One job; without its params, the answer is held until the job ends or half a second passed."""
        if exclude_params:
            job = await held(self.changes, id, partial(in_thread, self._read, id, asker))
            return render.reply(render.job_object(job))
        return await in_thread(self._read_whole, id, asker)

    def _read(self, id: str, asker: Credentials) -> Job:
        return self.service.job(who(self.service, asker), id)

    def _read_whole(self, id: str, asker: Credentials) -> Response:
        principal = who(self.service, asker)
        job = self.service.job(principal, id)
        body = render.job_bytes(job, self.service.params(principal, job))
        return Response(body, media_type="application/json")

    def delete(self, id: str, asker: Asker) -> Response:
        """Delete a job that has ended, with its params and results."""
        self.service.delete(who(self.service, asker), id)
        return render.nothing()

    def cancel(self, id: str, asker: Asker) -> Response:
        """Cancel a job that has not ended."""
        self.service.cancel(who(self.service, asker), id)
        return render.nothing()

    def results(self, id: str, asker: Asker) -> Response:
        """The very bytes the job wrote; 204 while there are none. A failed job answers with its reason."""
        principal = who(self.service, asker)
        path = self.service.results(principal, id)
        if path is None:
            reason = self.service.job(principal, id).reason
            return PlainTextResponse(reason) if reason else render.nothing()
        try:
            file = path.open("rb")
        except FileNotFoundError as error:  # deleted meanwhile
            raise UnknownJob(f"Job {id} was deleted.") from error
        passing("T12-result-read", job=id)
        size = os.fstat(file.fileno()).st_size
        return FileAnswer(file, size=size, sent=partial(self.service.results_sent, principal, id))

    def artifacts(self, id: str, asker: Asker) -> Response:
        """What the job kept beside its result, as a ZIP file; 204 while there is nothing."""
        path = self.service.artifacts(who(self.service, asker), id)
        return render.nothing() if path is None else FileResponse(path, media_type="application/zip")

    def logs(self, id: str, asker: Asker) -> Response:
        """What the job's program logged."""
        return PlainTextResponse(self.service.log(who(self.service, asker), id))

    def metrics(self, id: str, asker: Asker) -> Response:
        """When the job was created, started and ended, and what it used; while it waits, where it stands."""
        principal = who(self.service, asker)
        job = self.service.job(principal, id)
        prospect = self._prospect(principal, job) if job.state is JobState.QUEUED else None
        return render.reply(render.metrics_object(job, prospect))

    def why(self, id: str, asker: Asker) -> Response:
        """Why the job does not run yet, in one sentence, and when it may (not in the official API)."""
        principal = who(self.service, asker)
        prospect = self._prospect(principal, self.service.job(principal, id))
        return render.reply(render.prospect_object(prospect))

    def _prospect(self, principal: Principal, job: Job) -> Prospect:
        return self.service.outlook.of(job, self.service.instances(principal))

    async def set_tags(self, id: str, request: Request, asker: Asker) -> Response:
        """Replace the job's tags."""
        tags = parse(TAGS, await read_small(request)).tags
        await in_thread(self._set_tags, id, asker, tags)
        return render.nothing()

    def _set_tags(self, id: str, asker: Credentials, tags: Sequence[str]) -> None:
        self.service.set_tags(who(self.service, asker), id, tags)


class Sessions:
    """Routes of sessions and batches."""

    def __init__(self, service: Service):
        self.service, self.turns = service, Turns()

    async def create(self, request: Request, asker: Asker) -> Response:
        """Open a session or a batch."""
        body = await read_small(request)
        session, turn = await in_thread(self._open, asker, body)
        content = msgspec.json.encode(render.session_object(session))
        return Receipted(content, sent=partial(self.service.delivered, session.id), over=turn.end)

    def _open(self, asker: Credentials, body: bytes) -> tuple[Session, Turn]:
        principal = who(self.service, asker)
        wish = parse(NEW_SESSION, body)
        backend = wish.backend or wish.backend_name
        if backend is None:
            raise BadRequest("A session needs a backend.")
        if wish.instance not in (None, asker.crn):
            raise BadRequest("The instance in the body is not the one of the Service-CRN header.")
        turn = self.turns.take(fingerprint("session", principal, body))
        with storing(turn) as mark:
            ttls = Ttls(wish.max_ttl, wish.active_ttl, wish.interactive_ttl)
            session = self.service.open_session(principal, wish.mode, backend, ttls, fingerprint=mark)
        return session, turn

    def read(self, id: str, asker: Asker) -> Response:
        """One session."""
        return render.reply(render.session_object(self.service.session(who(self.service, asker), id)))

    async def change(self, id: str, request: Request, asker: Asker) -> Response:
        """Accept jobs, or no more; those in the queue still run."""
        change = parse(SESSION_CHANGE, await read_small(request))
        await in_thread(self._change, id, asker, change.accepting_jobs)
        return render.nothing()

    def _change(self, id: str, asker: Credentials, accepting: bool) -> None:
        self.service.close_session(who(self.service, asker), id, accepting)

    def cancel(self, id: str, asker: Asker) -> Response:
        """Close at once: jobs in the queue end, a running one finishes."""
        self.service.cancel_session(who(self.service, asker), id)
        return render.nothing()
