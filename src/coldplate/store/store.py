"""Store: what is remembered; one method per read or write, each a transaction of its own.

The SQL is in the files beside this one, a file per noun. This one says what is atomic, and who hears of it;
`transactions.py`, how.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from coldplate.domain.analytics import Done
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.key import KeyRecord
from coldplate.domain.query import FinalState, JobFilter, Workload, WorkloadFilter
from coldplate.domain.reservation import Reservation
from coldplate.domain.session import Session, SessionId, SessionState
from coldplate.domain.snapshot import Snapshot
from coldplate.domain.uploads import Upload
from coldplate.domain.user import Role, User
from coldplate.store import (
    analytics,
    audit,
    backends,
    jobs,
    people,
    queue,
    reservations,
    sessions,
    turns,
    uploads,
    workloads,
)
from coldplate.store.transactions import Transactions

SERVER = "server"  # whose attempts are the server's of the data directory


class Store(Transactions):
    """Synchronous; safe to use from many threads; times are aware, and come back in UTC.

    Every write raises `Unavailable`, with nothing changed, while the database can't take it.
    """

    # --- people ---------------------------------------------------------------------------------

    def add_instance(self, instance: Instance) -> None:
        """Remember an instance."""
        self._write(people.add_instance, instance)

    def instances(self, account: str | None = None) -> list[Instance]:
        """The instances of an account, or all; by name."""
        return self._read(people.instances, account)

    def instance(self, id: InstanceId) -> Instance | None:
        """An instance by its CRN."""
        return self._read(people.find_instance, id)

    def replace_instance(self, instance: Instance) -> bool:
        """Change what may change of an instance; whether there is one with its CRN."""
        return self._write(people.replace_instance, instance)

    def add_user(self, user: User) -> bool:
        """Remember a user, with the roles; False when the account has one of this name."""
        try:
            self._write(people.add_user, user)
        except IntegrityError:
            return False
        return True

    def users(self, account: str | None = None) -> list[User]:
        """The users of an account, or all; by name."""
        return self._read(people.users, account)

    def user(self, account: str, name: str) -> User | None:
        """A user of an account."""
        return self._read(people.find_user, account, name)

    def set_role(self, account: str, user: str, where: str, role: Role | None) -> bool:
        """Give a user a role in an instance or `EVERYWHERE`; None takes it away. False: no such user."""
        try:
            self._write(people.set_role, account, user, where, role)
        except IntegrityError:
            return False
        return True

    def remove_user(self, account: str, user: str, now: datetime) -> bool:
        """Forget a user, and revoke the keys; whether there was one. Jobs and usage stay."""
        return self._write(people.remove_user, account, user, now)

    def add_key(self, key: KeyRecord) -> None:
        """Remember a key."""
        self._write(people.add_key, key)

    def key(self, id: str) -> KeyRecord | None:
        """A key by its id."""
        return self._read(people.find_key, id=id)

    def key_by_hash(self, digest: str) -> KeyRecord | None:
        """A key by its digest."""
        return self._read(people.find_key, digest=digest)

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first."""
        return self._read(people.keys)

    def revoke_key(self, id: str, now: datetime) -> bool:
        """Revoke a key; whether there was one to revoke."""
        return self._write(people.revoke_key, id, now)

    def note_use(self, key: str, now: datetime) -> None:
        """A key was used. Costs nothing: who only reads need not wait for a write."""
        self._used[key] = now

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A secret of the service, made at its first use."""
        return self._write(people.find_or_make_secret, name, make)

    # --- uploaded programs ----------------------------------------------------------------------

    def add_upload(self, new: Upload) -> bool:
        """Remember a program; False when its account has one of that name."""
        return self._write(uploads.add, new)

    def uploads(self, account: str, user: str) -> list[Upload]:
        """Programs of a user, and the public ones of the account; by name."""
        return self._read(uploads.visible, account, user)

    def put_upload(self, new: Upload) -> None:
        """Write a program anew."""
        self._write(uploads.change, new)

    def delete_upload(self, id: str) -> None:
        """Forget a program."""
        self._write(uploads.forget, id)

    # --- backends -------------------------------------------------------------------------------

    def put_backends(self, records: Sequence[BackendRecord], now: datetime) -> None:
        """Replace all backends, in this order; calibrations that are new are kept with their date."""
        self._write(backends.put, records, now)

    def backends(self) -> list[BackendRecord]:
        """All backends, in the order of the catalog."""
        return self._read(self._records.every)

    def backend(self, name: str) -> BackendRecord | None:
        """A backend by name."""
        return self._read(self._records.find, name)

    def properties_before(self, name: str, when: datetime | None) -> Mapping[str, Any] | None:
        """The newest calibration strictly before a moment; before the first, the first."""
        return self._read(backends.properties_before, name, when)

    def set_status(self, backend: str, status: str | None, reason: str | None) -> None:
        """Say what a backend is (online, paused, offline), or (None) leave that to the catalog again."""
        self._write(reservations.set_status, backend, status, reason)

    def add_reservation(self, reservation: Reservation) -> None:
        """Remember a reservation."""
        self._write(reservations.add, reservation)

    def remove_reservation(self, id: str) -> bool:
        """Forget a reservation; whether there was one."""
        return self._write(reservations.remove, id)

    def reservations(self, now: datetime) -> list[Reservation]:
        """Reservations that are open now or later, by their beginning."""
        return self._read(reservations.current, now)

    # --- jobs -----------------------------------------------------------------------------------

    def add_job(self, job: Job, *, fingerprint: str, now: datetime) -> Job:
        """Accept a job, or give the one that the same undelivered POST has already made."""
        stored = self._write(jobs.add, job, fingerprint=fingerprint, now=now)
        if stored.id == job.id:
            self._tell(job.id)
        return stored

    def mark_delivered(self, id: str) -> None:
        """The client has the answer of the POST that made this job or session: a repeat is a new wish.

        It costs nothing, so that it can be said before the client can send the next one.
        """
        self._delivered.add(id)

    def job(self, id: JobId, instance: InstanceId | None = None) -> Job | None:
        """A job, if it is of this instance."""
        return self._read(jobs.find, id, instance)

    def jobs(self, f: JobFilter) -> tuple[list[Job], int]:
        """A page of jobs, and the exact number of all that match."""
        return self._read(jobs.page, f)

    def has_jobs(self, session: SessionId, state: JobState) -> bool:
        """Whether a session has jobs in a state."""
        return self._read(jobs.any_of_session, session, state)

    def tags(self, instance: InstanceId, search: str) -> list[str]:
        """Tags of the instance's jobs that contain a text, in alphabetical order."""
        return self._read(jobs.tags, instance, search)

    def all_job_ids(self) -> set[str]:
        """Ids of all jobs: files of others belong to none."""
        return self._read(jobs.ids)

    def audited(self) -> tuple[list[Job], list[str]]:
        """All jobs, without their tags; and what is wrong with the tables, one sentence each."""
        return self._read(audit.audited)

    def start(
        self, id: JobId, *, lane: int, now: datetime, lease_s: float, worker: str = SERVER
    ) -> Job | None:
        """Queued to running in a lane of its backend; None when it isn't queued, or the lane is taken.

        A power cut may undo it, and ends whatever runs then: to count it for good, `flush` once it runs.
        """
        try:
            job = self._note(jobs.start, id, lane=lane, now=now, lease_s=lease_s, worker=worker)
        except IntegrityError:
            return None
        return self._told(job)

    def flush(self) -> None:
        """Have on disk what need not have been there at once."""
        self._database.flush()

    def restart(
        self, id: JobId, *, fence: int, now: datetime, lease_s: float, worker: str = SERVER
    ) -> Job | None:
        """Another attempt of a job whose worker was lost; outwardly it stays running, in its lane.

        None when the fence is stale.
        """
        return self._told(self._write(jobs.restart, id, fence=fence, now=now, lease_s=lease_s, worker=worker))

    def ask_for_device(self, id: JobId, fence: int, *, seconds: float | None, now: datetime) -> bool:
        """A running job wants its device: whether it drives it from now on, or has to wait."""
        granted = self._note(turns.ask, id, fence, seconds=seconds, now=now)
        if granted is False:
            self._tell(id)
        return bool(granted)

    def take_device(self, id: JobId, fence: int, *, now: datetime) -> bool:
        """Have a job that starts drive its device at once; False when somebody else drives or wants it."""
        return self._note(turns.take, id, fence, now=now)

    def grant_device(self, id: JobId, fence: int, *, now: datetime) -> bool:
        """Let a job that has asked drive its device; False when another does, or it doesn't ask any more."""
        try:
            return self._note(turns.grant, id, fence, now=now)
        except IntegrityError:
            return False

    def leave_device(self, id: JobId, fence: int, *, now: datetime) -> None:
        """A job has left its device, by its own word."""
        if self._note(turns.leave, id, fence, now=now):
            self._tell(id)

    def beat(self, id: JobId, fence: int, *, now: datetime, lease_s: float) -> bool | None:
        """Renew a lease; whether a cancel was asked for, or None when the fence is stale."""
        return self._note(jobs.beat, id, fence, now=now, lease_s=lease_s)

    def finish(self, id: JobId, fence: int, end: FinalState, *, now: datetime) -> bool:
        """End a running job, with its charge; False when the fence is stale, and then nothing is written.

        Also when a cancel was asked for meanwhile, and this is not the end that follows from it.
        """
        ended = self._write(jobs.finish, id, fence, end, now=now)
        if ended:
            self._tell(id)
        return ended

    def end_queued(self, id: JobId, end: FinalState, *, now: datetime) -> bool:
        """End a job that has not started; False when it has."""
        ended = self._write(jobs.end_queued, id, end, now=now)
        if ended:
            self._tell(id)
        return ended

    def end_some_queued(self, session: SessionId, end: FinalState, *, now: datetime) -> list[Job]:
        """End the oldest queued jobs of a session, as many as one transaction should; those as they were."""
        ended = self._write(jobs.end_some_queued, session, end, now=now)
        for job in ended:
            self._tell(job.id)
        return ended

    def request_cancel(self, id: JobId, now: datetime) -> JobState:
        """Cancel: a queued job ends here, a running one is marked; gives the state afterwards.

        Raises:
            UnknownJob: It was deleted.
        """
        state, ended = self._write(_cancel, id, now)
        if ended:
            self._tell(id)
        return state

    def set_tags(self, id: JobId, tags: Sequence[str]) -> None:
        """Replace all tags of a job."""
        self._write(jobs.set_tags, id, tags)

    def mark_results_read(self, id: JobId, now: datetime) -> None:
        """Remember when a job's results were first read."""
        self._write(jobs.mark_results_read, id, now)

    def delete_job(self, id: JobId) -> None:
        """Forget a job that has ended; what it was charged stays."""
        if self._write(jobs.forget, id):
            self._tell(id)

    # --- sessions -------------------------------------------------------------------------------

    def add_session(self, session: Session, *, fingerprint: str, now: datetime) -> Session:
        """Remember a session, or give the one that the same undelivered POST has already made."""
        stored = self._write(sessions.add, session, fingerprint=fingerprint, now=now)
        if stored.id == session.id:
            self._tell(session.id)
        return stored

    def session(self, id: SessionId, instance: InstanceId | None = None) -> Session | None:
        """A session, if it is of this instance."""
        return self._read(sessions.find, id, instance)

    def update_session(self, session: Session, *, expect: SessionState, now: datetime | None = None) -> bool:
        """Write a session that was read in state `expect`; a new state goes into its history.

        False when it was written by somebody else meanwhile, or when it would be the second dedicated session
        that owns its backend. What jobs write into a session (last started and completed) is left alone.
        """
        at = now or session.closed or session.activated or session.created
        try:
            changed = self._write(sessions.change, session, expect=expect, at=at)
        except IntegrityError:
            return False
        if changed:
            self._tell(session.id)
        return changed

    # --- the queue, usage and workloads ---------------------------------------------------------

    def snapshot(
        self, now: datetime, *, alive: set[tuple[str, int]], free_slots: int, whole: bool = True
    ) -> Snapshot:
        """The queue at one instant; not `whole`: without what can't start now, whatever the rules say.

        Args:
            alive: The attempts (job, fence) that this server watches over.
        """
        known = self._records, self._shares, self._lines
        return self._read(queue.snapshot, *known, now=now, alive=alive, free_slots=free_slots, whole=whole)

    def used_s(self, instance: InstanceId, since: datetime) -> float:
        """Quantum seconds that an instance was charged since a moment."""
        return self._read(queue.used_s, instance, since)

    def charged_s(self, session: SessionId) -> float:
        """Quantum seconds that a session was charged, itself or by its jobs."""
        return self._read(queue.charged_s, session)

    def ahead(self, job: Job) -> int:
        """Jobs of the same instance that wait for the same backend and were accepted before."""
        return self._read(queue.ahead, job)

    def typical_s(self) -> dict[str, float]:
        """How long jobs took lately on each backend, seconds."""
        return self._read(queue.typical_s)

    def queue_lengths(self) -> dict[str, int]:
        """Jobs that have not ended, by backend."""
        return self._read(queue.lengths)

    def done(self, instances: Collection[InstanceId], *, start: datetime, end: datetime) -> list[Done]:
        """Jobs and sessions of some instances that ended in an interval."""
        return self._read(analytics.done, instances, start=start, end=end)

    def workloads(self, f: WorkloadFilter) -> tuple[list[Workload], int]:
        """A page of workloads, and the exact number of all that match."""
        return self._read(workloads.page, f)

    def _told(self, job: Job | None) -> Job | None:
        if job is not None:
            self._tell(job.id)
        return job


def _cancel(connection: Connection, id: JobId, now: datetime) -> tuple[JobState, bool]:
    """The state afterwards, and whether this was the job's end."""
    if jobs.end_queued(connection, id, FinalState(JobState.CANCELLED), now=now):
        return JobState.CANCELLED, True
    return jobs.mark_cancelled(connection, id), False
