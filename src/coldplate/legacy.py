"""The verbs that only clients before 2025 have: log in, name instances as hub/group/project, begin a session
with its first job, find a job whatever its instance.

All rules of jobs and sessions are `service`'s; here is what those clients may leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import msgspec

from coldplate.auth import Auth, Principal
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.provider import providers
from coldplate.domain.query import JobFilter
from coldplate.domain.session import Mode, SessionId, Ttls
from coldplate.domain.submission import MAX_COST_S, Submission, UploadedSubmission
from coldplate.domain.uploads import Upload
from coldplate.errors import BadRequest, SessionClosed, UnknownBackend, UnknownInstance, UnknownJob
from coldplate.ids import could_be_id
from coldplate.service import Service
from coldplate.store.store import Store
from coldplate.uploads import Uploads

LOGIN_TTL = timedelta(days=14)  # these clients log in once, and never again while they live
INTERACTIVE_S = 300  # a session of theirs without jobs keeps its priority so long, as documented
STRATEGIES = (None, "default")


@dataclass(frozen=True)
class FirstJob:
    """A wish to begin a session with the job that is submitted.

    Attributes:
        max_s: Its longest time, seconds; None: the plan's.
    """

    max_s: int | None = None


class OldSubmission(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A request to run a program, as clients before 2025 write it."""

    program_id: str
    params: msgspec.Raw
    backend: str | None = None
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    session_id: str | None = None
    start_session: bool | None = None
    session_time: int | None = None  # seconds
    tags: list[str] | None = None
    log_level: str | None = None
    cost: int | None = None  # maximum execution time, seconds
    runtime: str | None = None  # "image:tag"; echoed
    private: bool | None = None
    calibration_id: str | None = None
    channel_strategy: str | None = None

    @property
    def provider(self) -> str | None:
        """The instance that is named."""
        return f"{self.hub}/{self.group}/{self.project}" if self.hub else None

    @property
    def first_job(self) -> FirstJob | None:
        """Whether a session shall begin."""
        return FirstJob(self.session_time) if self.start_session and not self.session_id else None

    def to_submission(self, backend: str, upload: Upload | None) -> Submission:
        """The same request as the service takes it.

        Args:
            upload: The program, if a user uploaded it.

        Raises:
            BadRequest: It asks for a strategy that this server doesn't have.
        """
        if self.channel_strategy not in STRATEGIES:
            raise BadRequest(f"channel_strategy {self.channel_strategy!r:.40} is not offered by this server.")
        kind = Submission if upload is None else partial(UploadedSubmission, upload=upload)
        return kind(
            program_id=self.program_id,
            backend=backend,
            params=self.params,
            session_id=self.session_id,
            tags=self.tags,
            log_level=self.log_level,
            cost=None if self.cost is None else min(self.cost, MAX_COST_S),
            private=self.private,
            runtime=self.runtime,
            calibration_id=self.calibration_id,
        )


class Legacy:
    """The verbs; each takes who asks first.

    Args:
        clock: The time, UTC.
    """

    def __init__(
        self, *, service: Service, store: Store, auth: Auth, clock: Callable[[], datetime], uploads: Uploads
    ):
        self._service, self._store, self._auth, self._clock = service, store, auth, clock
        self.uploads = uploads

    # --- who ------------------------------------------------------------------------------------

    def login(self, api_key: str) -> str:
        """An access token for an API key; it lasts as long as such a client may live."""
        token: str = self._auth.token(api_key, ttl_s=int(LOGIN_TTL.total_seconds()))["access_token"]
        return token

    def instances(self, who: Principal) -> dict[str, Instance]:
        """The asker's instances by their old names."""
        return providers(self._service.instances(who))

    def acting(self, who: Principal, provider: str | None) -> Principal:
        """The asker for the instance that is named, or the first one there is.

        Raises:
            UnknownInstance: There is none of this name.
        """
        if who.instance is not None:
            return who
        known = self.instances(who)
        name = provider if provider is not None else next(iter(known), "")
        if name not in known:
            raise UnknownInstance(f"There is no instance {name!r:.100}.")
        return self._auth.scope(who, known[name].id)

    def at_job(self, who: Principal, id: str) -> Principal:
        """The asker for the instance of a job."""
        job = self._store.job(JobId(id)) if could_be_id(id) else None
        if job is None:
            raise UnknownJob(f"Job {id!r:.60} not found.")
        return self._within(who, job.instance, UnknownJob(f"Job {id!r} not found."))

    def at_session(self, who: Principal, id: str) -> Principal | None:
        """The asker for the instance of a session; None when there is no such session."""
        session = self._store.session(SessionId(id)) if could_be_id(id) else None
        if session is None:
            return None
        try:
            return self._within(who, session.instance, UnknownInstance(""))
        except UnknownInstance:
            return None

    def at_backend(self, who: Principal, name: str) -> Principal:
        """The asker for an instance that has a backend."""
        if who.instance is not None:
            return who
        for instance in self.instances(who).values():
            scoped = self._auth.scope(who, instance.id)
            if any(record.name == name for record in self.backends(scoped)):
                return scoped
        raise UnknownBackend(f"Backend {name!r:.60} not found.")

    def _within(self, who: Principal, instance: str, unknown: Exception) -> Principal:
        if who.instance is not None:
            if who.instance.id != instance:
                raise unknown
            return who
        if all(mine.id != instance for mine in self._service.instances(who)):
            raise unknown
        return self._auth.scope(who, instance)

    # --- jobs -----------------------------------------------------------------------------------

    def submit(
        self, who: Principal, asked: OldSubmission, params: bytes, *, fingerprint: str, caller: str | None
    ) -> Job:
        """Accept a job, with the session that it begins; see `Service.submit`.

        A job for a session that has ended is accepted, too, and has failed: these clients expect that.
        """
        who = self.acting(who, asked.provider)
        upload = self.uploads.to_run(who, asked.program_id)
        submission = asked.to_submission(asked.backend or self._least_busy(who), upload)
        try:
            job = self._service.draft(who, submission, params, caller=caller)
        except SessionClosed as error:
            job = self._too_late(who, submission, params, caller=caller, error=error)
        if asked.first_job is not None:
            job = self._with_session(who, job, asked.first_job, fingerprint=fingerprint)
        code = None if upload is None else self.uploads.code(who, upload)
        return self._service.keep(job, params, fingerprint=fingerprint, code=code)

    def warning(self, who: Principal, job: Job) -> str | None:
        """What to tell whoever submitted a job that may need more than its instance has left; None: nothing.

        It may, if jobs on its backend took longer of late than what is left.
        """
        report = self._service.usage(who)
        if report.limit_s is None or self._service.backend(who, job.backend).simulator:
            return None
        left_s = report.limit_s - report.consumed_s
        if left_s > self._store.typical_s().get(job.backend, 0.0):
            return None
        return (
            f"The instance has used {report.consumed_s} of its {report.limit_s} quantum seconds: "
            "this job may need more than are left."
        )

    def _with_session(self, who: Principal, job: Job, wish: FirstJob, *, fingerprint: str) -> Job:
        """A session whose id is that of its first job; a repeated POST finds the one that it made.

        It is a batch: its jobs come before others' while it is active, but it doesn't hold an idle backend.
        These clients don't say when they leave a session, so that a backend would wait for nobody.
        """
        session = self._service.open_session(
            who,
            Mode.BATCH,
            job.backend,
            Ttls(wish.max_s, interactive_s=INTERACTIVE_S),
            fingerprint=f"{fingerprint}:session",
        )
        return replace(job, id=JobId(session.id), session=session.id)

    def _too_late(
        self,
        who: Principal,
        submission: Submission,
        params: bytes,
        *,
        caller: str | None,
        error: SessionClosed,
    ) -> Job:
        """A job that has failed before it began."""
        alone = msgspec.structs.replace(submission, session_id=None)
        return replace(
            self._service.draft(who, alone, params, caller=caller),
            session=SessionId(submission.session_id or ""),
            state=JobState.FAILED,
            reason=error.message,
            reason_code=error.code,
            reason_solution=error.solution,
            ended=self._clock(),
            usage_s=0.0,
        )

    def jobs(self, who: Principal, f: JobFilter, provider: str | None) -> tuple[list[Job], int]:
        """A page of jobs of one instance, or of all that the asker has, and how many match in all."""
        if who.instance is None and provider is None:
            mine = tuple(instance.id for instance in self.instances(who).values())
            return self._store.jobs(replace(f, instances=mine))
        return self._service.jobs(self.acting(who, provider), f)

    # --- backends -------------------------------------------------------------------------------

    def backends(self, who: Principal) -> list[BackendRecord]:
        """The backends of an instance; their twins for dry runs are not for these clients."""
        return [record for record, _ in self._service.backends(who, mocks=False)]

    def _least_busy(self, who: Principal) -> str:
        waiting = {
            record.name: queue
            for record, queue in self._service.backends(who, mocks=False)
            if record.runs and not record.simulator
        }
        if not waiting:
            raise UnknownBackend("The instance has no device that runs jobs now; name a backend.")
        return min(waiting, key=lambda name: waiting[name])
