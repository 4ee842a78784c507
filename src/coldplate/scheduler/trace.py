"""Traces: who submitted what and when, as lines of JSON, written by a server or made up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from coldplate.domain import job as domain
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.session import Mode, Session, SessionId
from coldplate.domain.snapshot import Share
from coldplate.errors import BadRequest
from coldplate.scheduler.loads import Load
from coldplate.scheduler.simulation import Simulation

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)  # of every trace: only differences matter


class Device(msgspec.Struct, frozen=True, tag="backend", tag_field="kind", forbid_unknown_fields=True):
    """A backend of the trace."""

    name: str
    lanes: int = 5
    exclusive: bool = True


class Tenant(msgspec.Struct, frozen=True, tag="instance", tag_field="kind", forbid_unknown_fields=True):
    """An instance of the trace; those that only submit need no line."""

    name: str
    allocation_s: float | None = None
    limit_s: float | None = None


class Job(msgspec.Struct, frozen=True, tag="job", tag_field="kind", forbid_unknown_fields=True):
    """A submission. A session opens with its first job and takes no more after its last."""

    at: float  # seconds since the trace began
    instance: str
    backend: str
    device_s: float
    prepare_s: float = 0.0
    finish_s: float = 0.0
    session: str | None = None
    mode: Literal["dedicated", "batch"] | None = None
    most_s: float = 10_800.0  # it may run


class Window(msgspec.Struct, frozen=True, tag="window", tag_field="kind", forbid_unknown_fields=True):
    """A reservation of a backend for an instance, or maintenance for none."""

    backend: str
    claim: Claim
    start: float  # seconds since the trace began
    end: float
    instance: str | None = None


Entry = Device | Tenant | Job | Window
_decoder = msgspec.json.Decoder(Entry)


def read(path: Path) -> list[Entry]:
    """A trace from a file.

    Raises:
        BadRequest: A line is not one of a trace; the message names it.
    """
    found: list[Entry] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(_decoder.decode(line))
        except msgspec.MsgspecError as error:
            raise BadRequest(f"Line {number} of {path} is not one of a trace: {error}.") from error
    return found


def write(path: Path, entries: Iterable[Entry]) -> None:
    """A trace into a file."""
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def prepared(entries: Sequence[Entry], *, lanes: int | None = None, slots: int | None = None) -> Simulation:
    """A simulation of a trace, ready to run.

    Args:
        lanes: Of every backend, instead of its own.
        slots: Job processes; None: as many as there are lanes.

    Raises:
        BadRequest: A job or window is for a backend that the trace has not.
    """
    devices = [entry for entry in entries if isinstance(entry, Device)]
    tenants = [entry for entry in entries if isinstance(entry, Tenant)]
    jobs = sorted((entry for entry in entries if isinstance(entry, Job)), key=lambda job: job.at)
    windows = [entry for entry in entries if isinstance(entry, Window)]
    used = {job.backend for job in jobs} | {window.backend for window in windows}
    unknown = used - {device.name for device in devices}
    if unknown or not devices:
        raise BadRequest(f"The trace has no backend {min(unknown, default='at all')}.")
    simulation = Simulation(
        [BackendRecord(d.name, {}, None, lanes or d.lanes, simulator=not d.exclusive) for d in devices],
        [Share(InstanceId(t.name), 0.0, t.allocation_s, t.limit_s) for t in tenants],
        BEGIN,
        reservations=[as_reservation(window, number) for number, window in enumerate(windows)],
        slots=slots,
    )
    for session, end in sessions(jobs):
        simulation.open(session)
        simulation.close(session, end)
    for number, job in enumerate(jobs):
        simulation.submit(as_load(job, number))
    return simulation


def sessions(jobs: Iterable[Job]) -> Iterator[tuple[Session, datetime]]:
    """The sessions of jobs, in order of time, and when each takes no more."""
    first: dict[str, Job] = {}
    last: dict[str, Job] = {}
    for job in jobs:
        if job.session is not None:
            first.setdefault(job.session, job)
            last[job.session] = job
    for id, job in first.items():
        mode, opened = Mode(job.mode or "batch"), moment(job.at)
        session = Session(SessionId(id), InstanceId(job.instance), "", mode, job.backend, opened)
        yield session, moment(last[id].at)


def as_load(job: Job, number: int) -> Load:
    """A job as the simulation takes it."""
    return Load(
        JobId(f"j{number}"),
        moment(job.at),
        InstanceId(job.instance),
        job.backend,
        job.device_s,
        job.prepare_s,
        job.finish_s,
        None if job.session is None else SessionId(job.session),
        job.most_s,
    )


def as_reservation(window: Window, number: int) -> Reservation:
    """A window as the scheduler takes it.

    Raises:
        BadRequest: It is for an instance and for maintenance, or for neither.
    """
    if (window.claim is Claim.MAINTENANCE) != (window.instance is None):
        raise BadRequest(
            f"Window {number} of the trace: a reservation is for an instance, maintenance for none."
        )
    instance = None if window.instance is None else InstanceId(window.instance)
    start, end = moment(window.start), moment(window.end)
    return Reservation(f"w{number}", window.backend, window.claim, start, end, instance)


def moment(at: float) -> datetime:
    """Seconds since the trace began as a moment."""
    return BEGIN + timedelta(seconds=at)


# --- what has been ------------------------------------------------------------------------------


def history(
    jobs: Sequence[domain.Job],
    *,
    backends: Iterable[BackendRecord],
    instances: Iterable[Instance],
    modes: Mapping[SessionId, Mode],
) -> Iterator[Entry]:
    """The trace of jobs that have been, with the time that each used; those that used none are left out.

    Args:
        jobs: In the order of acceptance.
        modes: Of their sessions.
    """
    jobs = [job for job in jobs if job.usage_s]
    known = {record.name: record for record in backends}
    for name in sorted({job.backend for job in jobs}):
        record = known.get(name)
        yield Device(name) if record is None else Device(name, record.lanes, record.exclusive)
    for instance in instances:
        limit_s = None if instance.most_s is None else float(instance.most_s)
        yield Tenant(instance.id, instance.allocation_s, limit_s)
    begin = min((job.created for job in jobs), default=BEGIN)
    for job in jobs:
        mode = None if job.session is None else modes.get(job.session)
        yield Job(
            at=(job.created - begin).total_seconds(),
            instance=job.instance,
            backend=job.backend,
            device_s=job.usage_s or 0.0,
            session=job.session if mode else None,
            mode=None if mode is None else mode.value,
        )


# --- made up --------------------------------------------------------------------------------------


def made_up(
    *, users: int, devices: int, hours: float, load: float, seed: int, alone: bool = False
) -> Iterator[Entry]:
    """A trace of a service: jobs of very different length, from users of whom ten share an instance.

    Allocations are as 1:2:4. A tenth of what users begin are batches of 5 to 20 jobs, a fiftieth are sessions
    of as many.

    Args:
        load: Device time that is asked for, over what there is; above 1 queues only grow.
        alone: No sessions and no batches.
    """
    rng = random.Random(seed)
    names = [f"device_{number}" for number in range(devices)]
    yield from (Device(name) for name in names)
    instances = max(1, users // 10)
    for number in range(instances):
        yield Tenant(f"i{number}", allocation_s=36_000.0 * 2 ** (number % 3))
    left_s, bunch = load * devices * hours * 3600, 0
    while left_s > 0:
        kind = 1.0 if alone else rng.random()
        mode: Literal["dedicated", "batch"] | None = (
            "dedicated" if kind < 0.02 else "batch" if kind < 0.12 else None
        )
        bunch += 1
        begin, backend = rng.uniform(0, hours * 3600), rng.choice(names)
        instance = f"i{rng.randrange(users) % instances}"
        for number in range(rng.randint(5, 20) if mode else 1):
            device_s = 2.0 + min(600.0, rng.lognormvariate(1.0, 1.0))
            left_s -= device_s
            yield Job(
                at=round(begin + 2.0 * number, 3),
                instance=instance,
                backend=backend,
                device_s=round(device_s, 3),
                prepare_s=round(rng.uniform(0.1, 1.0), 3),
                finish_s=0.2,
                session=f"s{bunch}" if mode else None,
                mode=mode,
            )
