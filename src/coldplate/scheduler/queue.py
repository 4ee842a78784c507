"""Queue: chooses which waiting job starts next, one at a time, until no lane or process is free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from coldplate.domain.instance import InstanceId
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.domain.snapshot import Share, Snapshot, Waiting
from coldplate.scheduler.decisions import Start
from coldplate.scheduler.fairshare import ratios

Place = tuple[float, int, int, int]  # where a backend's next job stands among those of all backends


class Queue:
    """What waits and what is taken; `starts` takes more.

    Args:
        snapshot: The state of everything.
        released: Sessions that have just lost their backend.
        barred: Sessions whose queued jobs will not run.
    """

    def __init__(self, snapshot: Snapshot, *, released: Collection[SessionId], barred: Collection[SessionId]):
        self._shares = {share.instance: share for share in snapshot.shares}
        self._batches: dict[SessionId, Session] = {}
        self._dedicated: dict[SessionId, Session] = {}
        for session in snapshot.sessions:
            (self._batches if session.mode is Mode.BATCH else self._dedicated)[session.id] = session
        self._released = released

        taken = {(attempt.backend, attempt.lane) for attempt in snapshot.running}
        self._free = {
            backend.name: [lane for lane in range(backend.lanes) if (backend.name, lane) not in taken]
            for backend in snapshot.backends
            if backend.runs
        }
        self._waiting: dict[str, list[Waiting]] = defaultdict(list)  # by backend, oldest first
        startable = {None, *self._batches, *self._dedicated} - set(barred)
        # The order of acceptance, which a clock that jumps can't change.
        self._number = {job.id: number for number, job in enumerate(snapshot.waiting)}
        for job in snapshot.waiting:
            if job.session in startable and self._free.get(job.backend):
                self._waiting[job.backend].append(job)
        self._running: dict[str, list[SessionId | None]] = defaultdict(list)  # sessions of jobs, by backend
        self._in_flight: Counter[InstanceId] = Counter()
        for attempt in snapshot.running:
            self._running[attempt.backend].append(attempt.session)
            self._in_flight[attempt.instance] += 1

    def starts(self, slots: int) -> list[Start]:
        """The jobs that start now, at most `slots`.

        Processes are shared by all backends: they go to the instance that was served least, inside it to
        the job with the most priority on its backend, then to the backend that runs least.
        """
        chosen: list[Start] = []
        while len(chosen) < slots:
            fair = self._ratios()
            heads = [(self._place(job, fair), job) for b in self._free if (job := self._next_on(b, fair))]
            if not heads:
                break
            job = min(heads, key=lambda head: head[0])[1]
            chosen.append(Start(job.id, self._free[job.backend].pop(0)))
            self._waiting[job.backend].remove(job)
            self._running[job.backend].append(job.session)
            self._in_flight[job.instance] += 1
        return chosen

    def _ratios(self) -> dict[InstanceId, float]:
        unknown = {job.instance for jobs in self._waiting.values() for job in jobs} - set(self._shares)
        shares = [*self._shares.values(), *(Share(i, 0.0, None) for i in sorted(unknown))]
        return ratios(shares, self._in_flight)

    def _place(self, job: Waiting, fair: dict[InstanceId, float]) -> Place:
        return (fair[job.instance], self._rank(job), len(self._running[job.backend]), self._number[job.id])

    def _rank(self, job: Waiting) -> int:
        """0 in the dedicated session that owns the backend, 1 in an active batch, 2 otherwise."""
        if job.session is not None and job.session == self._owner(job.backend):
            return 0
        return 1 if self._in_active_batch(job) else 2

    def _next_on(self, backend: str, fair: dict[InstanceId, float]) -> Waiting | None:
        """The job that starts next on a backend; None while none may."""
        jobs = self._waiting[backend]
        if not jobs or not self._free[backend]:
            return None
        owner = self._owner(backend)
        if owner is not None:
            return next((job for job in jobs if job.session == owner), None)
        batched = [job for job in jobs if self._in_active_batch(job)]
        first = min(batched or jobs, key=lambda job: fair[job.instance])  # equal: the oldest
        # A dedicated session gets an empty backend: nothing more starts until it has drained.
        waits = first.session in self._dedicated and self._running[backend]
        return None if waits else first

    def _owner(self, backend: str) -> SessionId | None:
        """The dedicated session that has a backend to itself."""
        for session in self._dedicated.values():
            active = session.state is SessionState.ACTIVE and session.id not in self._released
            if session.backend == backend and (active or session.id in self._running[backend]):
                return session.id
        return None

    def _in_active_batch(self, job: Waiting) -> bool:
        """Whether the job may jump the line: the first job of its batch has started."""
        batch = self._batches.get(job.session) if job.session else None
        if batch is None or batch.id in self._released:
            return False
        return batch.state is SessionState.ACTIVE or batch.id in self._running[job.backend]
