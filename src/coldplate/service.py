"""Every verb a user has. START READING HERE.

All are scoped by the asker's instance: what belongs to another is as unknown as what never was. Nothing
here knows HTTP, and nothing here opens a job's params beyond the names of their options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from coldplate.accounting import Accounting
from coldplate.auth import Auth, Principal
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain import submission
from coldplate.domain.backend import BackendRecord, check_calibration
from coldplate.domain.instance import Instance
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.query import FinalState, JobFilter, Workload, WorkloadFilter
from coldplate.domain.reservation import as_is
from coldplate.domain.session import Mode, Session, SessionId, SessionState, Ttls, settle
from coldplate.domain.submission import Submission
from coldplate.domain.usage import UsageReport
from coldplate.domain.user import Role
from coldplate.errors import (
    BadRequest,
    InvalidCredentials,
    InvalidCrn,
    JobNotCancellable,
    JobNotFinished,
    NotAuthorized,
    RanTooLong,
    SessionClosed,
    SessionNotInPlan,
    Unavailable,
    UnknownBackend,
    UnknownJob,
    UnknownSession,
)
from coldplate.failpoints import passing
from coldplate.ids import could_be_id, new_id
from coldplate.outlook import Outlook
from coldplate.scheduler.endings import end_waiting, settled
from coldplate.scheduler.sessions import CANCELLED, CLOSED_EARLY, closed
from coldplate.settings import Settings
from coldplate.shelf import Shelf
from coldplate.store.store import Store

RACES = 20  # compare-and-sets that may be lost before we give up; each loss means that another won


class Service:
    """The verbs. Each takes who asks first, and raises a `ColdplateError` when the answer is no.

    Args:
        clock: The time, UTC.
        stop: Kills a running attempt (job, fence) at once; without it, it ends at its next heart-beat.
    """

    def __init__(
        self,
        *,
        store: Store,
        blobs: LocalBlobs,
        auth: Auth,
        settings: Settings,
        changes: Changes,
        clock: Callable[[], datetime],
        stop: Callable[[str, int], None] = lambda job, fence: None,
    ):
        self._store, self._auth, self._settings = store, auth, settings
        self._changes, self._clock, self._stop = changes, clock, stop
        self._shelf, self.accounting = Shelf(blobs), Accounting(store, clock)
        self.outlook = Outlook(store, settings, clock)

    # --- identity -----------------------------------------------------------------------------

    def login(self, api_key: str) -> dict[str, Any]:
        """An access token for an API key, in the fields of the official token service."""
        return self._auth.token(api_key)

    def identify(self, *, token: str | None, api_key: str | None, crn: str | None) -> Principal:
        """Who asks, and for which instance when a CRN is given."""
        if token is not None:
            principal = self._auth.from_token(token)
        elif api_key is not None:
            principal = self._auth.from_key(api_key)
        else:
            raise InvalidCredentials("The request carries neither a token nor an API key.")
        return principal if crn is None else self._auth.scope(principal, crn)

    def instances(self, who: Principal) -> list[Instance]:
        """The instances that the asker has a role in."""
        return [i for i in self._store.instances(account=who.account) if who.role_in(i) is not None]

    # --- jobs: in -----------------------------------------------------------------------------

    def submit(
        self, who: Principal, s: Submission, params: bytes, *, fingerprint: str, caller: str | None = None
    ) -> Job:
        """Accept a job: durable before it is told. A POST that a client repeats gives the job it made first.

        Args:
            params: The job's inputs, as they were sent.
            fingerprint: What a repeated POST has in common with the first.
            caller: How the client names itself.
        """
        return self.keep(self.draft(who, s, params, caller=caller), params, fingerprint=fingerprint)

    def draft(self, who: Principal, s: Submission, params: bytes, *, caller: str | None = None) -> Job:
        """The job that a submission asks for, if it may have it; nothing is stored."""
        instance = scope(who, Role.WRITER)
        submission.check(s)
        backend = self.backend(who, s.backend)
        submission.check_inputs(s, params)
        if s.calibration_id is not None:
            check_calibration(backend, s.calibration_id)
        session = None if s.session_id is None else self._session_for(who, s.session_id, backend)
        self.accounting.check_limit(instance)
        now = self._clock()
        return Job(
            id=JobId(new_id()),
            instance=instance.id,
            user=who.user,
            program=s.program_id,
            backend=backend.name,
            created=now,
            session=None if session is None else session.id,
            tags=tuple(s.tags or ()),
            private=bool(s.private),
            log_level=submission.log_level(s),
            runtime=s.runtime,
            calibration=s.calibration_id,
            caller=caller,
            cost_s=submission.cost_s(
                s, most_s=min(self._settings.max_execution_s, instance.rules.max_execution_s)
            ),
        )

    def keep(self, job: Job, params: bytes, *, fingerprint: str, code: bytes | None = None) -> Job:
        """Store a draft, params first: a job without its params can't exist, the reverse is swept up."""
        if code is not None:
            self._shelf.put_code(job, code)
        size, sha256 = self._shelf.put_params(job, params)
        passing("T2-params-stored", job=job.id)
        job = replace(job, params_size=size, params_sha256=sha256)
        stored = self._store.add_job(job, fingerprint=fingerprint, now=job.created)
        passing("T3-job-committed", job=stored.id)
        if stored.id != job.id:
            self._shelf.take_params(job)
        return stored

    def _session_for(self, who: Principal, id: str, backend: BackendRecord) -> Session:
        session = self.session(who, id)
        if session.backend != backend.name:
            raise BadRequest(f"Session {id} is for backend {session.backend}, not {backend.name}.")
        if session.state is SessionState.CLOSED or not session.accepting_jobs:
            raise SessionClosed(f"Session {id} accepts no more jobs.")
        return session

    def delivered(self, job_or_session_id: str) -> None:
        """The answer that told the id was sent whole: the same POST from now on means another one."""
        passing("T4-answer-sent", job=job_or_session_id)
        self._store.mark_delivered(job_or_session_id)

    # --- jobs: out ----------------------------------------------------------------------------

    def job(self, who: Principal, id: str, role: Role = Role.READER) -> Job:
        """One job, for somebody who has a role."""
        instance = scope(who, role)
        job = self._store.job(JobId(id), instance.id) if could_be_id(id) else None
        if job is None:
            raise UnknownJob(f"Job {id!r} not found.")
        return job

    def jobs(self, who: Principal, f: JobFilter) -> tuple[list[Job], int]:
        """A page of the instance's jobs, and how many match in all."""
        return self._store.jobs(replace(f, instance=scope(who).id))

    def params(self, who: Principal, job: Job) -> bytes | None:
        """What was sent for a job, byte for byte; None for a private job, and for others before it completed.

        Clients' decoders import and call what an input names. Only a job that completed has had its params
        read by ours, which takes none of that; until then they are shown to nobody but their user.
        """
        unread = job.user != who.user and job.state is not JobState.COMPLETED
        return None if job.private or unread else self._shelf.params(job)

    def results(self, who: Principal, id: str) -> Path | None:
        """The file that the job wrote; None unless it completed, and once a private one was read.

        Raises:
            ResultDamaged: The file is not what the job wrote.
        """
        job = self.job(who, id)
        if job.state is not JobState.COMPLETED:
            return None
        if job.private and self._grace_is_over(job):
            self._shelf.take_result(job)
            return None
        return self._shelf.result(job)

    def _grace_is_over(self, job: Job) -> bool:
        grace = timedelta(seconds=self._settings.private_grace_s)
        return job.results_read is not None and job.results_read + grace <= self._clock()

    def artifacts(self, who: Principal, id: str) -> Path | None:
        """The file of what a job kept beside its result; None: nothing, or it was taken away."""
        job = self.job(who, id)
        return None if self.results(who, id) is None else self._shelf.artifacts(job)

    def results_sent(self, who: Principal, id: str) -> None:
        """The whole result was sent: a private one is gone soon. The first reading starts the clock."""
        job = self._store.job(JobId(id), scope(who).id)  # None: its owner has deleted it meanwhile
        if job is not None and job.private and job.results_read is None:
            self._store.mark_results_read(job.id, self._clock())

    def interim(self, job: Job) -> list[bytes]:
        """What a job has told before its end, a JSON value each."""
        return self._shelf.interim(job)

    def log(self, who: Principal, id: str) -> str:
        """What the job's program logged; empty until the job has ended."""
        job = self.job(who, id)
        return self._shelf.log(job) if job.state.final else ""

    def set_tags(self, who: Principal, id: str, tags: Sequence[str]) -> None:
        """Replace the tags of a job."""
        submission.check_tags(tags)
        self._store.set_tags(self.job(who, id, Role.WRITER).id, tuple(tags))

    def tags(self, who: Principal, search: str) -> list[str]:
        """Tags of the instance's jobs that contain a text."""
        return self._store.tags(scope(who).id, search)

    # --- jobs: ends ---------------------------------------------------------------------------

    def cancel(self, who: Principal, id: str) -> None:
        """End a job: a queued one at once, a running one by killing it. Again is no error.

        Raises:
            JobNotCancellable: It has ended by itself.
        """
        job = self.job(who, id, Role.WRITER)
        state = self._store.request_cancel(job.id, self._clock())
        job = self.job(who, id)
        if state is JobState.RUNNING:
            self._stop(job.id, job.fence)
        elif state is JobState.CANCELLED and job.reason_code != RanTooLong.code:
            if job.private:
                self._shelf.take_params(job)
        else:
            raise JobNotCancellable(f"Job {id} has already ended: {state}.")

    def delete(self, who: Principal, id: str) -> None:
        """Delete a job and all its files; one that is queued is cancelled first. Others' only as a manager.

        Raises:
            JobNotFinished: It is running.
        """
        job = self.job(who, id, Role.WRITER)
        if job.user != who.user:
            scope(who, Role.MANAGER)
        if job.state is JobState.QUEUED:
            now = self._clock()
            self._store.end_queued(job.id, FinalState(JobState.CANCELLED), now=now)
            job = self.job(who, id)
        if not job.state.final:
            raise JobNotFinished(f"Job {id} is running.")
        self._store.delete_job(job.id)
        self._shelf.take_all(job)

    # --- sessions -----------------------------------------------------------------------------

    def open_session(
        self, who: Principal, mode: Mode, backend: str, wish: Ttls, *, fingerprint: str
    ) -> Session:
        """Open a session or batch on a backend; a maximum time beyond the plan's is cut to it."""
        instance, record = scope(who, Role.WRITER), self.backend(who, backend)
        if mode is Mode.DEDICATED and not instance.rules.dedicated_sessions:
            raise SessionNotInPlan("The plan of this instance has no dedicated sessions.")
        ttls = settle(wish, most_s=instance.rules.max_ttl_s)
        self.accounting.check_limit(instance)
        now = self._clock()
        session = Session(
            id=SessionId(new_id()),
            instance=instance.id,
            user=who.user,
            mode=mode,
            backend=record.name,
            created=now,
            max_ttl_s=ttls.max_s,
            interactive_ttl_s=ttls.interactive_s,
            active_ttl_s=ttls.active_s,
            history=((SessionState.OPEN, now),),
        )
        return self._store.add_session(session, fingerprint=fingerprint, now=now)

    def session(self, who: Principal, id: str) -> Session:
        """One session or batch."""
        instance = scope(who)
        session = self._store.session(SessionId(id), instance.id) if could_be_id(id) else None
        if session is None:
            raise UnknownSession(f"Session {id!r} not found.")
        return session

    def close_session(self, who: Principal, id: str, accepting: bool) -> None:
        """Accept no more jobs (or again); those in the queue still run. Without any it is closed at once."""
        self._change(who, id, lambda session: replace(session, accepting_jobs=accepting))
        if not accepting:
            self._close_if_done(who, id, reason=CLOSED_EARLY)

    def cancel_session(self, who: Principal, id: str) -> None:
        """Accept no more jobs, end those in the queue; running ones finish before the session is closed."""
        self._change(who, id, lambda session: replace(session, accepting_jobs=False, state_reason=CANCELLED))
        reason = "The session was cancelled while the job was queued."
        while end_waiting(self._store, self._shelf, SessionId(id), reason=reason, now=self._clock()):
            pass
        self._close_if_done(who, id, reason=CANCELLED)

    def _close_if_done(self, who: Principal, id: str, *, reason: str) -> None:
        """Close without waiting for the scheduler, so that the session reads as closed from now on."""
        if not any(self._store.has_jobs(SessionId(id), s) for s in (JobState.QUEUED, JobState.RUNNING)):
            now = self._clock()
            self._change(who, id, lambda session: closed(settled(self._store, session), now, reason=reason))

    def _change(self, who: Principal, id: str, change: Callable[[Session], Session]) -> None:
        """Change a session, whoever else is changing it; a closed one stays as it is."""
        scope(who, Role.WRITER)
        for _ in range(RACES):
            session = self.session(who, id)
            if session.state is SessionState.CLOSED:
                return
            if self._store.update_session(change(session), expect=session.state):
                return
        raise Unavailable(f"Session {id} is being changed by others.")

    # --- backends -----------------------------------------------------------------------------

    def backends(self, who: Principal, *, mocks: bool) -> list[tuple[BackendRecord, int]]:
        """The backends of the instance, each with the length of its queue; mock twins only when wanted."""
        instance, queues, now = scope(who), self._store.queue_lengths(), self._clock()
        reserved = self._store.reservations(now)
        records = (as_is(r, reserved, now) for r in self._store.backends() if may_use(instance, r))
        return [(r, queues.get(r.name, 0)) for r in records if mocks or r.mock_of is None]

    def backend(self, who: Principal, name: str) -> BackendRecord:
        """One backend."""
        instance, record = scope(who), self._store.backend(name)
        if record is None or not may_use(instance, record):
            raise UnknownBackend(f"Backend {name!r} not found.")
        now = self._clock()
        return as_is(record, self._store.reservations(now), now)

    def queue_length(self, name: str) -> int:
        """Jobs of a backend that have not ended: what `least_busy` compares."""
        return self._store.queue_lengths().get(name, 0)

    def properties(
        self, who: Principal, name: str, *, updated_before: datetime | None, calibration: str | None
    ) -> Mapping[str, Any] | None:
        """What was calibrated: now, or before a moment; None when nothing is (ideal simulators)."""
        record = self.backend(who, name)
        if calibration is not None:
            check_calibration(record, calibration)
        if updated_before is None:
            return record.properties
        return self._store.properties_before(name, updated_before)

    # --- usage --------------------------------------------------------------------------------

    def usage(self, who: Principal) -> UsageReport:
        """What the instance has used in the window that ends now."""
        return self.accounting.report(scope(who))

    def workloads(self, who: Principal, f: WorkloadFilter) -> tuple[list[Workload], int]:
        """A page of jobs outside sessions, sessions and batches, and how many match in all."""
        return self._store.workloads(replace(f, instance=scope(who).id))


def scope(who: Principal, needed: Role = Role.READER) -> Instance:
    """The instance that the asker acts for, in a role that includes the needed one."""
    if who.instance is None:
        raise InvalidCrn("This needs the CRN of an instance.")
    role = who.role_in(who.instance)
    if role is None or not role.includes(needed):
        raise NotAuthorized(
            f"This needs the role {needed}; {who.user} is {role or 'nobody'} in the instance."
        )
    return who.instance


def may_use(instance: Instance, backend: BackendRecord) -> bool:
    """Whether the instance has the backend; a mock twin goes with its device."""
    return instance.may_use(backend.mock_of or backend.name)
