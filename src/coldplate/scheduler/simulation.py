"""The queue in virtual time: the server's own plan, jobs that only take time, and a clock that jumps."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.plan import WINDOW
from coldplate.domain.reservation import Reservation
from coldplate.domain.session import Mode, Session, SessionState
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting, usual_s
from coldplate.scheduler.decisions import (
    Activate,
    CloseSession,
    Deactivate,
    Decision,
    Fail,
    Grant,
    Start,
    StopSession,
)
from coldplate.scheduler.loads import Life, Load, Place
from coldplate.scheduler.policy import next_timer, plan
from coldplate.scheduler.sessions import activated, closed, deactivated

NO_LEASE = timedelta(days=3650)
MANY = 1 << 30  # processes, when nobody counts them


class Simulation:
    """Submit loads and sessions, then `run`.

    Args:
        now: When it begins.
        shares: What instances have used and may use; those it doesn't name have used nothing.
        slots: Job processes; None: as many as there are lanes.
        usual_s: How long jobs usually run, by backend; else what the simulation has seen so far.
    """

    def __init__(
        self,
        backends: Iterable[BackendRecord],
        shares: Iterable[Share],
        now: datetime,
        *,
        reservations: Iterable[Reservation] = (),
        slots: int | None = None,
        usual_s: Mapping[str, float] | None = None,
    ):
        self.now, self.slots, self._usual_s = now, slots, usual_s or {}
        self.places = {record.name: Place(record) for record in backends}
        self.lives: dict[JobId, Life] = {}
        self.charges: list[tuple[datetime, InstanceId, str, float]] = []  # when, to whom, where, seconds
        shares = list(shares)
        self._shares = {share.instance: share for share in shares}
        self._used: dict[InstanceId, float] = defaultdict(float)
        self._used.update({share.instance: share.used_s for share in shares})
        self._reservations = tuple(reservations)
        self._events: list[tuple[datetime, int, Callable[[], str]]] = []
        self._expiring: list[tuple[datetime, InstanceId, float]] = []  # charges that leave the window
        self._count = itertools.count()
        self.interrupted: set[tuple[str, InstanceId]] = set()  # had nothing to wait for, once
        self._numbers: dict[JobId, int] = {}
        self._fences = itertools.count(1)

    # --- what happens ---------------------------------------------------------------------------

    def submit(self, load: Load) -> None:
        """A job comes, at its time."""
        self._at(load.at, lambda: self._arrive(load))

    def open(self, session: Session) -> None:
        """A session is opened, at its time, before any job of it comes."""
        self._at(session.created, lambda: self.adopt(session))

    def close(self, session: Session, at: datetime) -> None:
        """A session takes no more jobs."""
        self._at(at, lambda: self._refuse(session))

    def adopt(self, session: Session) -> str:
        """A session is there, whatever its state."""
        self.places[session.backend].sessions[session.id] = session
        return session.backend

    def queue(self, load: Load) -> None:
        """A job is queued already, behind those that were queued before."""
        self._arrive(load)

    def resume(self, load: Load, attempt: Running) -> None:
        """A job runs already; the load is what is left of it."""
        place, life = self.places[load.backend], Life(load, started=self.now)
        self.lives[load.id] = life
        place.running[load.id] = attempt
        if not place.record.exclusive:
            self._after(load.device_s, lambda: self._end(load))
        elif attempt.driving:
            life.driven = self.now
            self._after(load.device_s, lambda: self._leave(load))
        elif attempt.asked is None:
            self._after(0.0, lambda: self._ready(load))

    def _refuse(self, session: Session) -> str:
        sessions = self.places[session.backend].sessions
        if session.id in sessions:
            sessions[session.id] = replace(sessions[session.id], accepting_jobs=False)
        return session.backend

    def _arrive(self, load: Load) -> str:
        self._numbers[load.id] = next(self._count)
        self.lives[load.id] = Life(load)
        lines = self.places[load.backend].lines
        lines.setdefault((load.instance, load.session), deque()).append(load)
        return load.backend

    def _ready(self, load: Load) -> str:
        self._change(load, asked=self.now, estimated_s=load.device_s)
        return load.backend

    def _leave(self, load: Load) -> str:
        self._change(load, driving=False)
        self.places[load.backend].busy_s += load.device_s
        self._after(load.finish_s, lambda: self._end(load))
        return load.backend

    def _end(self, load: Load) -> str:
        place = self.places[load.backend]
        del place.running[load.id]
        life = self.lives[load.id]
        life.ended = self.now
        if life.started is not None:
            place.lasted_s.append((self.now - life.started).total_seconds())
        if not place.record.exclusive:
            place.busy_s += load.device_s
        session = place.sessions.get(load.session) if load.session else None
        if session is not None:
            place.sessions[session.id] = replace(session, last_job_completed=self.now)
        if session is None or session.mode is Mode.BATCH:
            self._charge(load.instance, load.backend, load.device_s)
        return load.backend

    def _charge(self, instance: InstanceId, backend: str, seconds: float) -> None:
        self.charges.append((self.now, instance, backend, seconds))
        self._used[instance] += seconds
        heapq.heappush(self._expiring, (self.now + WINDOW, instance, seconds))

    def _change(self, load: Load, **changes: object) -> None:
        running = self.places[load.backend].running
        running[load.id] = replace(running[load.id], **changes)  # type: ignore[arg-type]

    # --- time -----------------------------------------------------------------------------------

    def _at(self, when: datetime, act: Callable[[], str]) -> None:
        heapq.heappush(self._events, (when, next(self._count), act))

    def _after(self, seconds: float, act: Callable[[], str]) -> None:
        self._at(self.now + timedelta(seconds=seconds), act)

    def run(
        self,
        until: datetime | None = None,
        *,
        starts: float = inf,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Let time pass: until nothing would happen any more, a moment, a number of starts, or `enough`."""
        touched = set(self.places)
        while starts > 0 and not enough():
            starts -= self._settle(touched | self._happen())
            touched = set()
            when = self._next()
            if when is None:
                return
            if until is not None and when > until:
                self.now = until
                return
            self.now = max(self.now, when)

    def _next(self) -> datetime | None:
        """When something happens next; timers and the window matter only while somebody waits for them."""
        times = [self._events[0][0]] if self._events else []
        if times or any(place.lines for place in self.places.values()):
            times += [place.timer for place in self.places.values() if place.timer is not None]
            times += [self._expiring[0][0]] if self._expiring else []
        return min(times, default=None)

    def _happen(self) -> set[str]:
        """All that is due; gives the backends where there may be something to decide."""
        touched = set()
        while self._events and self._events[0][0] <= self.now:
            touched.add(heapq.heappop(self._events)[2]())
        while self._expiring and self._expiring[0][0] <= self.now:
            _, instance, seconds = heapq.heappop(self._expiring)
            self._used[instance] -= seconds
            touched |= {
                name for name, place in self.places.items() if any(i == instance for i, _ in place.lines)
            }
        for name, place in self.places.items():
            if place.timer is not None and place.timer <= self.now:
                place.timer = None
                touched.add(name)
        return touched

    # --- what is decided ------------------------------------------------------------------------

    def _settle(self, touched: set[str]) -> int:
        """Plan and carry out until nothing is left to do; gives the number of starts."""
        # Processes are shared by all backends, so what happens on one may let another go on.
        names = list(self.places) if self.slots is not None else sorted(touched)
        starts = 0
        while names:
            decisions = [
                decision
                for decision in plan(self.snapshot(names), self.now)
                if self._carry_out(decision, names)
            ]
            starts += sum(isinstance(decision, Start) for decision in decisions)
            if not decisions:
                break
        for name in names:
            self._set_timer(name)
        return starts

    def _set_timer(self, name: str) -> None:
        place = self.places[name]
        if not place.sessions and not self._reservations:
            place.timer = None
            return
        place.timer = next_timer(self.snapshot([name]), self.now)

    def snapshot(self, names: Iterable[str]) -> Snapshot:
        """What the scheduler sees of some backends."""
        places = [self.places[name] for name in names]
        slots = MANY if self.slots is None else max(0, self.slots - self._computing())
        waiting = [load for place in places for load in self._heads(place, slots)]
        running = [attempt for place in places for attempt in place.running.values()]
        instances = {load.instance for load in waiting} | {attempt.instance for attempt in running}
        sessions = [session for place in places for session in place.sessions.values()]
        instances |= {session.instance for session in sessions}
        return Snapshot(
            tuple(place.record for place in places),
            tuple(
                Waiting(load.id, load.instance, load.backend, load.session, load.at, load.most_s)
                for load in sorted(waiting, key=lambda load: self._numbers[load.id])
            ),
            tuple(running),
            tuple(sessions),
            tuple(self._share(instance) for instance in sorted(instances)),
            slots,
            self._reservations,
            self._usual(places) if self._reservations else {},
        )

    def _usual(self, places: Iterable[Place]) -> dict[str, float]:
        seen = {place.record.name: usual_s(place.lasted_s) for place in places if place.lasted_s}
        return {**seen, **self._usual_s}

    def _heads(self, place: Place, slots: int) -> Iterator[Load]:
        """As many of each line as could start; of those of sessions at least one."""
        free = min(slots, place.record.lanes - len(place.running))
        for (_, session), line in place.lines.items():
            shown = max(free, int(session is not None))
            yield from itertools.islice(line, None if self._reservations else shown)

    def shares(self) -> dict[InstanceId, Share]:
        """Every instance that has used anything or has an allocation, as it is now."""
        return {instance: self._share(instance) for instance in {*self._shares, *self._used}}

    def _share(self, instance: InstanceId) -> Share:
        used_s, known = max(0.0, self._used[instance]), self._shares.get(instance)
        if known is None:
            return Share(instance, used_s, None)
        return Share(instance, used_s, known.allocated_s, known.limit_s, known.at_limit)

    def _computing(self) -> int:
        attempts = (attempt for place in self.places.values() for attempt in place.running.values())
        return sum(attempt.asked is None for attempt in attempts)

    # --- what is carried out --------------------------------------------------------------------

    def _carry_out(self, decision: Decision, names: Iterable[str]) -> bool:
        if isinstance(decision, Start):
            self._start(decision)
        elif isinstance(decision, Grant):
            self._grant(decision)
        elif isinstance(decision, Fail):
            self._fail(self.lives[decision.job].load)
        elif isinstance(decision, Activate | Deactivate | StopSession | CloseSession):
            self._step(decision, names)
        else:
            return False
        return True

    def _start(self, decision: Start) -> None:
        life = self.lives[decision.job]
        load, place = life.load, self.places[life.load.backend]
        self._take(load)
        life.started = self.now
        place.running[load.id] = Running(
            load.id,
            load.instance,
            load.backend,
            load.session,
            decision.lane,
            next(self._fences),
            1,
            lease_until=self.now + NO_LEASE,
            alive=True,
        )
        if load.session in place.sessions:
            session = place.sessions[load.session]
            place.sessions[load.session] = replace(session, last_job_started=self.now)
        if place.record.exclusive:
            self._after(load.prepare_s, lambda: self._ready(load))
        else:
            life.driven = self.now
            self._after(load.prepare_s + load.device_s + load.finish_s, lambda: self._end(load))

    def _take(self, load: Load) -> None:
        lines, line = self.places[load.backend].lines, (load.instance, load.session)
        lines[line].remove(load)
        if not lines[line]:
            del lines[line]
            if all(instance != load.instance for instance, _ in lines):
                self.interrupted.add((load.backend, load.instance))

    def _grant(self, decision: Grant) -> None:
        life = self.lives[decision.job]
        self._change(life.load, asked=None, driving=True)
        life.driven = life.driven or self.now
        self._after(life.load.device_s, lambda: self._leave(life.load))

    def _fail(self, load: Load) -> None:
        self._take(load)
        self.lives[load.id].failed, self.lives[load.id].ended = True, self.now

    def _step(
        self, decision: Activate | Deactivate | StopSession | CloseSession, names: Iterable[str]
    ) -> None:
        place = next(p for p in map(self.places.__getitem__, names) if decision.session in p.sessions)
        before = place.sessions[decision.session]
        match decision:
            case Activate():
                after = replace(activated(before, self.now), state=SessionState.ACTIVE)
            case Deactivate():
                after = deactivated(before, self.now, reason=decision.reason)
            case StopSession():
                after = replace(before, accepting_jobs=False, state_reason=decision.reason)
                for load in list(place.lines.get((before.instance, before.id), ())):
                    self._fail(load)
            case CloseSession():
                after = closed(before, self.now, reason=decision.reason)
        if after.usage_s > before.usage_s:
            self._charge(after.instance, after.backend, after.usage_s - before.usage_s)
        if after.state is SessionState.CLOSED:
            del place.sessions[after.id]
        else:
            place.sessions[after.id] = after
