"""The scheduler's thread: look, plan, carry out, wait; the only file here that does anything."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.job import Job
from coldplate.domain.plan import AtLimit
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.domain.submission import PROGRAMS
from coldplate.errors import Unavailable
from coldplate.failpoints import passing
from coldplate.scheduler import endings
from coldplate.scheduler.decisions import (
    Activate,
    CloseSession,
    Deactivate,
    Decision,
    Fail,
    Grant,
    Requeue,
    Start,
    StopSession,
)
from coldplate.scheduler.leases import Leases
from coldplate.scheduler.policy import next_timer, plan
from coldplate.scheduler.sessions import AT_LIMIT, activated, closed, deactivated
from coldplate.scheduler.sweep import sweep
from coldplate.settings import Settings
from coldplate.shelf import Shelf
from coldplate.store.store import SERVER, Store
from coldplate.workers.pool import Limits, Pool, Receipt, Ticket

SWEEP_S = 24 * 3600.0  # between two sweeps
FIRST_SWEEP_S = 60.0  # after the start, when there is better to do
LOOK_S = 1.0  # between two looks when nothing was committed; clocks may jump, events may be missed
REST, MOST_REST_S = 3.0, 0.05  # after a look: times as long as it took, but no longer than this
FINISH_PAUSES_S = (0.1, 0.5, 2.0, 5.0)  # after each attempt to store the end of a job
LAST_PAUSE_S = 5.0  # after all others

log = logging.getLogger(__name__)


class Loop:
    """Keeps plan and world together. Decisions are carried out by compare-and-set: a stale one does nothing.

    Args:
        pool: Where jobs run. It is this server's own: what it doesn't watch over is dead.
        clock: The time, UTC.
        worker: Whose attempts are ours. Those of another scheduler are lost only when their lease is over.
    """

    def __init__(
        self,
        *,
        store: Store,
        pool: Pool,
        blobs: LocalBlobs,
        settings: Settings,
        changes: Changes,
        clock: Callable[[], datetime],
        worker: str = SERVER,
    ):
        self._store, self._pool, self._blobs, self._worker = store, pool, blobs, worker
        self._leases = Leases(worker, settings.lease_s)
        self._shelf = Shelf(blobs)
        self._settings, self._changes, self._clock = settings, changes, clock
        self._ours: set[tuple[str, int]] = set()  # attempts we started and that aren't known to be dead
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coldplate-scheduler", daemon=True)
        self._sweeper = threading.Thread(target=self._sweep, name="coldplate-sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._sweeper.start()

    def stop(self) -> None:
        """Start no more jobs. Close the pool next, the store last: what the pool loses stays Running."""
        self._stopping.set()
        self._changes.any.set()
        for thread in (self._thread, self._sweeper):
            if thread.is_alive():
                thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changes.any.clear()  # first: a change during the pass must cause another one
            pause_s, began = LOOK_S, time.monotonic()
            try:
                pause_s = self.look()
            except Exception:
                log.exception("A pass of the scheduler failed; it is repeated.")
            if pause_s > 0:
                # In a storm of changes it rests longer than it works: requests need the processor, too.
                self._stopping.wait(min(REST * (time.monotonic() - began), MOST_REST_S))
                self._changes.any.wait(pause_s)

    def _sweep(self) -> None:
        pause_s = FIRST_SWEEP_S
        while not self._stopping.wait(pause_s):
            pause_s = SWEEP_S
            grace = timedelta(seconds=self._settings.private_grace_s)
            try:
                removed = sweep(self._store, self._blobs, now=self._clock(), grace=grace)
                log.info("The sweep removed %d files.", len(removed))
            except Exception:
                log.exception("The sweep failed; it is repeated tomorrow.")

    def look(self) -> float:
        """One pass: plan, and carry it out. Gives the seconds to wait for a change before the next."""
        now = self._clock()
        # The pool is asked before the store: an attempt that ends in between is then no longer in the store.
        alive = self._pool.alive() & self._ours
        free_slots = self._pool.capacity()
        snapshot = self._store.snapshot(now, alive=alive, free_slots=free_slots, whole=False)
        snapshot = self._leases.judged(snapshot, now, ours=self._ours)
        decisions = plan(snapshot, now, max_attempts=self._settings.max_attempts)
        if any([self._try(decision) for decision in decisions]):
            return 0.0  # the world has changed
        timer = next_timer(snapshot, now)
        return LOOK_S if timer is None else min(LOOK_S, (timer - now).total_seconds())

    # --- decisions --------------------------------------------------------------------------------

    def _try(self, decision: Decision) -> bool:
        """Carry a decision out; whether that changed anything. One that fails keeps no other back."""
        try:
            return self._carry_out(decision)
        except Unavailable as error:
            log.warning("%r has to wait: %s", decision, error.message)
            return False
        except Exception:
            log.exception("%r failed; it is decided again.", decision)
            return False

    def _carry_out(self, decision: Decision) -> bool:
        now = self._clock()
        match decision:
            case Start():
                return self._start(decision, now)
            case Grant():
                return self._grant(decision, now)
            case Requeue():
                return self._requeue(decision, now)
            case Fail():
                return self._fail(decision, now)
            case Activate():
                return self._change(decision.session, lambda session: activated(session, now), now=now)
            case Deactivate():
                return self._change(
                    decision.session,
                    lambda session: deactivated(session, now, reason=decision.reason),
                    now=now,
                )
            case StopSession():
                return self._stop_session(decision, now)
            case CloseSession():
                reason = decision.reason
                return self._change(
                    decision.session, lambda session: closed(session, now, reason=reason), now=now
                )

    def _start(self, decision: Start, now: datetime) -> bool:
        lease_s, until = self._settings.lease_s, self._lease_end()
        job = self._store.start(
            decision.job, lane=decision.lane, now=now, lease_s=lease_s, worker=self._worker
        )
        if job is None or not self._launch(job, until):
            return False
        # While its process begins. A start that the disk has not kept would not count as an attempt,
        # and a job that takes the machine down with it would run for ever.
        self._store.flush()
        return True

    def _grant(self, decision: Grant, now: datetime) -> bool:
        granted = self._store.grant_device(decision.job, decision.fence, now=now)
        if granted:
            self._pool.grant(decision.job, decision.fence)
        return granted

    def _requeue(self, decision: Requeue, now: datetime) -> bool:
        lease_s, until = self._settings.lease_s, self._lease_end()
        job = self._store.restart(
            decision.job, fence=decision.fence, now=now, lease_s=lease_s, worker=self._worker
        )
        if job is None:
            return False
        if job.cancel_requested:  # while nobody ran it
            return self._finish(Receipt(job.id, job.fence, "Cancelled"))
        log.warning("Job %s runs again: its worker was lost.", job.id)
        return self._launch(job, until)

    def _lease_end(self) -> float | None:
        """When a lease that is taken from now on ends, monotonic; None: nobody else would use it."""
        return time.monotonic() + self._settings.lease_s if self._settings.shared else None

    def _launch(self, job: Job, until: float | None) -> bool:
        attempt = (job.id, job.fence)
        passing("T5-claim-committed", job=job.id, fence=job.fence)
        self._ours.add(attempt)
        self._pool.start(self._ticket(job, until), self.done)
        current = self._store.job(job.id)
        if current is not None and current.cancel_requested:
            self._pool.stop(*attempt)  # the cancel came before the pool knew the attempt
        return True

    def _fail(self, decision: Fail, now: datetime) -> bool:
        cause, reason = decision.cause, decision.reason
        if decision.fence is not None:
            receipt = Receipt(decision.job, decision.fence, "Failed", cause.code, reason, cause.solution)
            return self._finish(receipt)
        job = self._store.job(decision.job)
        if job is None:
            return False
        return endings.fail_queued(self._store, self._shelf, job, cause=cause, reason=reason, now=now)

    def _finish(self, receipt: Receipt) -> bool:
        return endings.finish(self._store, self._shelf, receipt, now=self._clock())

    def _stop_session(self, decision: StopSession, now: datetime) -> bool:
        def stopped(session: Session) -> Session:
            return replace(session, accepting_jobs=False, state_reason=decision.reason)

        changed = self._change(decision.session, stopped, now=now)
        limit = "its instance's usage limit" if decision.reason == AT_LIMIT else "its maximum time"
        reason = f"The session reached {limit} while the job was queued."
        endings.end_waiting(self._store, self._shelf, decision.session, reason=reason, now=now)
        return changed

    def _change(self, id: SessionId, change: Callable[[Session], Session], *, now: datetime) -> bool:
        session = self._store.session(id)
        if session is None or session.state is SessionState.CLOSED:
            return False
        changed = change(endings.settled(self._store, session))
        return self._store.update_session(changed, expect=session.state, now=now)

    # --- attempts ---------------------------------------------------------------------------------

    def _ticket(self, job: Job, until: float | None) -> Ticket:
        settings, uploaded = self._settings, job.program not in PROGRAMS
        wall_s = min(job.cost_s, settings.max_execution_s)
        session = self._store.session(job.session) if job.session else None
        backend = self._store.backend(job.backend)
        in_session = session is not None and session.mode is Mode.DEDICATED
        exclusive = backend is not None and backend.exclusive
        # In a session, whose device nobody else may use, it need not ask for what is free.
        driving = exclusive and in_session and self._store.take_device(job.id, job.fence, now=self._clock())
        return Ticket(
            job=job.id,
            fence=job.fence,
            program=job.program,
            backend=job.backend,
            params_key=job.params_key,
            result_key=job.attempt_key("result"),
            log_key=job.attempt_key("log"),
            code_key=job.code_key if uploaded and settings.run_uploads else None,
            interim_key=job.attempt_key("interim"),
            blobs_root=str(self._blobs.root),
            catalog=None if settings.catalog is None else str(settings.catalog),
            log_level=job.log_level,
            in_session=in_session,
            calibration=job.calibration,
            owner=None if job.private or uploaded else job.instance,
            until=until,
            exclusive=exclusive,
            driving=driving,
            device_s=self._quantum_limit_s(job),
            limits=Limits(
                memory_bytes=settings.memory_per_job,
                cpu_s=wall_s * settings.threads_per_job,
                wall_s=wall_s,
                threads=settings.threads_per_job,
            ),
        )

    def _quantum_limit_s(self, job: Job) -> float:
        """Quantum seconds that a job may use: what it asked for, and what its instance's limit leaves it."""
        instance = self._store.instance(job.instance)
        if instance is None or instance.most_s is None or instance.rules.at_limit is not AtLimit.STOP:
            return job.cost_s
        left_s = instance.most_s - self._store.used_s(instance.id, instance.rules.since(self._clock()))
        return max(0.0, min(job.cost_s, left_s))

    def done(self, receipt: Receipt) -> None:
        """An attempt has ended; called by the pool, from any thread, after its processes are proven dead."""
        # A lost one is found unwatched by the next pass, and decided upon there.
        if receipt.lost or self._finish_stubbornly(receipt):
            self._ours.discard((receipt.job, receipt.fence))
            passing("T11-lane-freed", job=receipt.job, fence=receipt.fence)
        self._changes.any.set()  # a process is free

    def _finish_stubbornly(self, receipt: Receipt) -> bool:
        """Store the end of a job, whatever it takes; False when it can't be stored.

        While the store is not available (full disk, locked) it is tried until we stop: the work is done,
        and its receipt is all that is needed. Otherwise the job runs again when its lease is over.
        """
        pauses = itertools.chain(FINISH_PAUSES_S, itertools.repeat(LAST_PAUSE_S))
        for attempt, pause_s in enumerate(pauses, 1):
            try:
                self._finish(receipt)
                return True
            except Unavailable as error:
                log.warning("The end of job %s has to wait: %s", receipt.job, error.message)
                passes = True
            except Exception:
                log.exception("The end of job %s could not be stored.", receipt.job)
                passes = False
            if self._stopping.is_set() or (attempt > len(FINISH_PAUSES_S) and not passes):
                break
            self._stopping.wait(pause_s)
        return False
