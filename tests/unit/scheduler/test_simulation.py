"""The queue in virtual time follows the same rules as the server's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.job import Job as DomainJob
from coldplate.domain.job import JobId
from coldplate.domain.reservation import Claim
from coldplate.domain.session import Mode, SessionId
from coldplate.errors import BadRequest
from coldplate.scheduler.report import gap_over_bound, report
from coldplate.scheduler.trace import (
    BEGIN,
    Device,
    Job,
    Tenant,
    Window,
    history,
    made_up,
    moment,
    prepared,
    read,
    write,
)


def job(at=0.0, instance="chem", device_s=10.0, **more):
    return Job(at=at, instance=instance, backend="heron", device_s=device_s, **more)


def lives(*entries, until=None, **more):
    """Second of start, of driving and of end of each job, in the order of the trace."""
    simulation = prepared([Device("heron"), *entries], **more)
    simulation.run(None if until is None else moment(until))
    found = [(life.started, life.driven, life.ended) for life in simulation.lives.values()]
    return [tuple(None if t is None else (t - BEGIN).total_seconds() for t in times) for times in found]


def test_jobs_are_prepared_beside_one_another_and_drive_alone():
    times = {"prepare_s": 1.0, "finish_s": 2.0}
    assert lives(job(**times), job(**times)) == [(0, 1, 13), (0, 11, 23)]


def test_simulator_runs_as_many_jobs_as_it_has_lanes():
    entries = [Device("heron", lanes=2, exclusive=False), job(), job(), job()]
    simulation = prepared(entries)
    simulation.run()
    assert [(life.started - BEGIN).total_seconds() for life in simulation.lives.values()] == [0, 0, 10]


def test_processes_limit_what_runs_but_not_what_waits_for_the_device():
    assert [start for start, _, _ in lives(*[job(prepare_s=1.0)] * 3, slots=1)] == [0, 1, 11]


def test_owner_keeps_its_device_while_others_wait():
    session = {"session": "s", "mode": "dedicated"}
    own = [job(0, **session), job(12, **session)]
    (first, other, second) = lives(own[0], job(1, instance="qec"), own[1])
    assert (first[1], second[1]) == (0, 12)
    assert other[0] == 22  # the session is closed after its last job


def test_idle_session_is_deactivated_and_comes_back():
    session = {"session": "s", "mode": "dedicated"}
    first, other, second = lives(job(0, **session), job(1, instance="qec"), job(100, **session))
    assert (first[2], other[0], second[0]) == (10, 70, 100)


def test_batch_jumps_the_line_once_its_first_job_has_started():
    batch = {"session": "b", "mode": "batch"}
    entries = [job(0, **batch), job(1, instance="qec"), job(2, **batch)]
    first, other, second = lives(*entries, lanes=1)
    assert (first[0], second[0], other[0]) == (0, 10, 20)


def test_least_served_instance_is_next():
    entries = [Tenant("chem", 100), Tenant("qec", 100), job(0), job(0), job(1, instance="qec")]
    assert [start for start, _, _ in lives(*entries, lanes=1)] == [0, 20, 10]


def test_instance_at_its_limit_waits_for_the_window():
    entries = [Tenant("chem", limit_s=10), job(0), job(1)]
    first, second = lives(*entries, lanes=1)
    assert second[0] == timedelta(days=28).total_seconds() + first[2]


def test_jobs_are_held_back_before_a_window_by_what_jobs_took_so_far():
    maintenance = Window("heron", Claim.MAINTENANCE, 25.0, 100.0)
    assert [start for start, _, _ in lives(*[job()] * 4, maintenance)] == [0, 0, 0, 0]
    device = Device("heron", lanes=1)
    simulation = prepared([device, *[job()] * 4, maintenance])
    simulation.run()
    starts = [(life.started - BEGIN).total_seconds() for life in simulation.lives.values()]
    assert starts == [0, 10, 100, 110]


@pytest.mark.parametrize(("claim", "instance"), [(Claim.MAINTENANCE, "chem"), (Claim.DEDICATED, None)])
def test_window_is_for_an_instance_or_for_maintenance(claim, instance):
    with pytest.raises(BadRequest, match="Window 0"):
        prepared([Device("heron"), Window("heron", claim, 0.0, 1.0, instance)])


def test_time_stops_with_the_last_job():
    simulation = prepared([Device("heron"), job(0, session="s", mode="dedicated")])
    simulation.run()
    assert simulation.now == moment(10)
    assert report(simulation, begin=BEGIN)["utilisation"]["mean"] == 1.0


def test_run_stops_at_a_moment_and_goes_on():
    simulation = prepared([Device("heron"), job(0), job(0)])
    simulation.run(moment(15))
    assert simulation.now == moment(15)
    assert simulation.lives[JobId("j1")].ended is None
    simulation.run()
    assert simulation.lives[JobId("j1")].ended == moment(20)


@pytest.mark.parametrize("lanes", [1, 5])
def test_backlogged_tenants_are_served_within_the_bound(lanes):
    entries = [Device("heron", lanes)]
    for number in range(6):
        entries += [Tenant(f"t{number}", 100.0 * 2 ** (number % 3))]
        entries += [job(0, instance=f"t{number}", device_s=1.0 + (7 * n + number) % 11) for n in range(300)]
    simulation = prepared(entries)
    simulation.run(moment(1200))
    figures = report(simulation, begin=BEGIN)
    assert 0 < figures["fairness"]["gap_over_bound"] <= 1
    assert figures["utilisation"]["mean"] > 0.99


def test_gap_compares_service_by_weight_with_the_longest_jobs():
    charges = [(InstanceId("a"), 10.0), (InstanceId("a"), 10.0), (InstanceId("b"), 10.0)]
    assert gap_over_bound(charges, {InstanceId("a"): (1.0, 10.0), InstanceId("b"): (1.0, 10.0)}) == 1.0
    assert gap_over_bound(charges, {InstanceId("a"): (2.0, 10.0), InstanceId("b"): (1.0, 10.0)}) == 10 / 15
    assert gap_over_bound(charges, {InstanceId("a"): (1.0, 10.0)}) is None


# --- traces -------------------------------------------------------------------------------------


def test_made_up_trace_is_written_read_and_always_the_same(tmp_path):
    entries = list(made_up(users=50, devices=3, hours=0.5, load=0.8, seed=7))
    write(tmp_path / "trace", entries)
    assert (
        read(tmp_path / "trace") == entries == list(made_up(users=50, devices=3, hours=0.5, load=0.8, seed=7))
    )
    simulation = prepared(entries)
    simulation.run()
    figures = report(simulation, begin=BEGIN)
    jobs = sum(isinstance(entry, Job) for entry in entries)
    assert (figures["jobs"], figures["completed"] + figures["failed"]) == (jobs, jobs)


@pytest.mark.parametrize("line", ["x", '{"kind": "job"}', '{"kind": "backend", "name": "a", "lane": 1}'])
def test_line_that_is_not_one_of_a_trace_is_named(tmp_path, line):
    (tmp_path / "trace").write_text('{"kind": "backend", "name": "a"}\n' + line)
    with pytest.raises(BadRequest, match="Line 2 of"):
        read(tmp_path / "trace")


def test_job_of_an_unknown_backend_is_named():
    with pytest.raises(BadRequest, match="no backend heron"):
        prepared([Device("eagle"), job()])


def test_history_of_a_server_is_a_trace():
    chem = Instance(InstanceId("crn"), "chem", allocation_s=100)
    first = DomainJob(JobId("a"), chem.id, "ada", "sampler", "heron", BEGIN, usage_s=3.0)
    jobs = [
        first,
        replace(first, id=JobId("b"), created=moment(5), session=SessionId("s")),
        replace(first, id=JobId("c"), usage_s=None),
    ]
    heron = BackendRecord("heron", {}, None, lanes=3)
    entries = history(jobs, backends=[heron], instances=[chem], modes={SessionId("s"): Mode.BATCH})
    assert list(entries) == [
        Device("heron", 3),
        Tenant("crn", 100),
        Job(at=0.0, instance="crn", backend="heron", device_s=3.0),
        Job(at=5.0, instance="crn", backend="heron", device_s=3.0, session="s", mode="batch"),
    ]
