"""Why a job waits: one sentence for each rule that keeps it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.scheduler.test_policy import (
    ACTIVE,
    CHEM,
    NOW,
    OPEN,
    QEC,
    ago,
    device,
    queue,
    reserved,
    running,
    session,
    waiting,
)

from coldplate.domain.instance import InstanceId
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.plan import AtLimit
from coldplate.domain.reservation import Claim
from coldplate.domain.session import Mode, SessionId
from coldplate.domain.snapshot import Share
from coldplate.scheduler.forecast import expected_waits, forecast
from coldplate.scheduler.why import why

NAMES = {CHEM: "chem", QEC: "qec"}
JOB = Job(JobId("a"), CHEM, "ada", "sampler", "heron", NOW)
A = waiting("a")
FIRST = "First in instance `chem` on heron; "


def explain(snapshot, *, job=JOB, ahead=0, names=NAMES):
    return why(snapshot, NOW, job, ahead=ahead, names=names)


def of_session(id, instance=QEC, **changes):
    return replace(session(id, **changes), instance=instance)


@pytest.mark.parametrize(
    ("snapshot", "cause"),
    [
        pytest.param(queue(jobs=[A]), "it starts now.", id="nothing"),
        pytest.param(queue(jobs=[A], backends=[]), "the backend has left the catalog.", id="gone"),
        pytest.param(
            queue(jobs=[A], backends=[replace(device(status="paused"), status_reason="new fridge")]),
            "the backend is paused (new fridge).",
            id="paused",
        ),
        pytest.param(
            queue(jobs=[A], reserved=[reserved(Claim.MAINTENANCE, end_s=600)]),
            "the backend is paused (maintenance) until 12:10 UTC.",
            id="maintenance",
        ),
        pytest.param(
            queue(jobs=[A], reserved=[reserved(Claim.DEDICATED, end_s=600)]),
            "the backend is reserved for instance `qec` until 12:10 UTC.",
            id="reserved",
        ),
        pytest.param(
            queue(jobs=[A], reserved=[reserved(Claim.MAINTENANCE, start_s=3, end_s=600)]),
            "the backend is in maintenance from 12:00 UTC to 12:10 UTC, and the job would run into that.",
            id="would run into maintenance",
        ),
        pytest.param(
            queue(
                jobs=[waiting("first", age=9), A],
                reserved=[reserved(Claim.DEDICATED, start_s=60, end_s=600)],
                usual_s={"heron": 61},
            ),
            "the backend is reserved for instance `qec` from 12:01 UTC to 12:10 UTC, "
            "and the job would run into that.",
            id="a job before it would run into a reservation",
        ),
        pytest.param(
            queue(
                jobs=[A, waiting("b", instance=QEC)],
                reserved=[reserved(Claim.PRIORITY)],
            ),
            "instance `qec` has reserved the backend, and its jobs come first.",
            id="priority",
        ),
        pytest.param(
            queue(jobs=[A], shares=[Share(CHEM, 10, None, 10, AtLimit.WAIT)]),
            "the instance has used its limit, and its jobs wait until that allows more.",
            id="limit",
        ),
        pytest.param(
            queue(jobs=[A], sessions=[of_session("s-12", max_ttl_s=7300, age=100)]),
            "session s-12 of `qec` holds the device until at most 14:00 UTC.",
            id="session",
        ),
        pytest.param(
            queue(
                jobs=[waiting("b", age=9, session="s", instance=QEC), A],
                sessions=[of_session("s", state=OPEN)],
                backends=[device(lanes=3)],
                at_work=[running("x"), running("y", lane=1)],
            ),
            "session s of `qec` is next, and begins when the 2 running jobs have left the device.",
            id="drains",
        ),
        pytest.param(queue(jobs=[A], at_work=[running("x")]), "its only lane is taken.", id="lane"),
        pytest.param(
            queue(jobs=[A], backends=[device(lanes=2)], at_work=[running("x"), running("y", lane=1)]),
            "all 2 lanes are taken.",
            id="lanes",
        ),
        pytest.param(queue(jobs=[A], slots=0), "all job processes of the server are busy.", id="processes"),
        pytest.param(
            queue(
                jobs=[A, waiting("b", instance=QEC, session="s")],
                sessions=[of_session("s", mode=Mode.BATCH)],
            ),
            "batch s of `qec` is active, and its jobs come first.",
            id="batch",
        ),
        pytest.param(
            queue(jobs=[A, waiting("b", instance=QEC)], shares=[Share(CHEM, 9, 100), Share(QEC, 1, 100)]),
            "instance `qec` has used less of its share, and is next.",
            id="share",
        ),
    ],
)
def test_first_rule_that_keeps_a_job_back_is_told(snapshot, cause):
    assert explain(snapshot) == FIRST + cause


@pytest.mark.parametrize(("ahead", "place"), [(1, "Second"), (9, "Tenth"), (10, "Number 11")])
def test_place_is_among_the_jobs_of_the_instance_on_the_backend(ahead, place):
    snapshot = queue(jobs=[waiting("x", age=9)])
    expected = f"{place} in instance `chem` on heron; jobs that were submitted before are next."
    assert explain(snapshot, ahead=ahead) == expected


def test_job_of_a_session_waits_for_the_backend_to_drain():
    job = replace(JOB, session=SessionId("s"))
    snapshot = queue(
        jobs=[waiting("a", session="s")],
        sessions=[session(state=OPEN)],
        backends=[device(lanes=2)],
        at_work=[running("x")],
    )
    assert explain(snapshot, job=job) == (
        FIRST + "its session begins when the 1 running job has left the device."
    )


def test_what_belongs_to_other_accounts_is_not_named():
    snapshot = queue(jobs=[A], sessions=[of_session("s-12", max_ttl_s=7300, age=100)])
    assert explain(snapshot, names={CHEM: "chem"}) == (
        FIRST + "a session of another account holds the device until at most 14:00 UTC."
    )
    snapshot = queue(jobs=[A, waiting("b", instance=QEC)], shares=[Share(CHEM, 9, 100), Share(QEC, 1, 100)])
    assert "qec" not in explain(snapshot, names={CHEM: "chem"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": JobState.COMPLETED}, "The job has ended: Completed."),
        ({"state": JobState.RUNNING, "lane": 2}, "The job runs in lane 2 of heron."),
        (
            {"state": JobState.RUNNING, "asked": NOW},
            "The job is prepared, and waits for another to leave heron.",
        ),
        ({"state": JobState.RUNNING, "driving": NOW}, "The job drives heron."),
    ],
)
def test_job_that_has_started_is_told_where_it_is(changes, sentence):
    assert explain(queue(), job=replace(JOB, **changes)) == sentence


# --- forecasts ----------------------------------------------------------------------------------


def starts(snapshot, typical_s=10.0, slots=8):
    found = forecast(snapshot, NOW, {"heron": typical_s, "eagle": typical_s}, slots=slots)
    return {id: (each.position, round((each.start - NOW).total_seconds())) for id, each in found.items()}


def test_forecast_follows_the_order_of_the_queue():
    jobs = [waiting("old", age=9), waiting("new", age=1), waiting("qec", instance=QEC)]
    shares = [Share(CHEM, 50, 100), Share(QEC, 10, 100)]
    found = starts(queue(jobs=jobs, at_work=[running("x")], shares=shares))
    assert found == {"qec": (1, 5), "old": (2, 15), "new": (3, 25)}


def test_forecast_knows_of_sessions_and_of_their_idle_time():
    snapshot = queue(jobs=[A], sessions=[of_session("s", last_job_completed=ago(1))])
    assert starts(snapshot) == {"a": (1, 59)}


def test_forecast_says_nothing_of_a_backend_that_does_not_run():
    assert starts(queue(jobs=[A], backends=[device(status="paused")])) == {}


def test_positions_are_counted_on_each_backend():
    jobs = [A, waiting("b", backend="eagle"), waiting("c", backend="eagle")]
    found = starts(queue(jobs=jobs, backends=[device(), device("eagle")]))
    assert {id: position for id, (position, _) in found.items()} == {"a": 1, "b": 1, "c": 2}


def test_waits_are_of_what_is_queued_and_of_one_more():
    jobs = [waiting("a", age=30), waiting("b", age=20)]
    found = expected_waits(queue(jobs=jobs), NOW, {"heron": 10.0}, slots=8, asker=InstanceId("new"))
    # "a" starts now, after 30 s; the asker, who then has used less, in 10 s; "b" in 20 s, after 40 s.
    assert found == {"heron": {"average": pytest.approx(26.7, abs=0.1), "p50": 30.0, "p95": 40.2}}


def test_forecast_does_not_change_what_it_looks_at():
    snapshot = queue(jobs=[A], sessions=[session(state=ACTIVE)])
    before = repr(snapshot)
    starts(snapshot)
    assert repr(snapshot) == before


def test_forecast_holds_back_what_would_run_into_a_window():
    snapshot = queue(
        jobs=[waiting("a"), waiting("b", instance=QEC)],
        reserved=[reserved(Claim.DEDICATED, start_s=60, end_s=600)],
        usual_s={"heron": 90},
    )
    starts = {id: life.start for id, life in forecast(snapshot, NOW, {"heron": 10}, slots=8).items()}
    assert starts == {"b": NOW, "a": ago(-600)}
