"""Decision tables: what the scheduler decides for a queue at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import InstanceId
from coldplate.domain.job import JobId
from coldplate.domain.plan import AtLimit
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.session import Mode, Session, SessionId, SessionState
from coldplate.domain.snapshot import Running, Share, Snapshot, Waiting
from coldplate.errors import SessionClosed, WorkerLost
from coldplate.scheduler.decisions import (
    Activate,
    CloseSession,
    Deactivate,
    Fail,
    Grant,
    Requeue,
    Start,
    StopSession,
)
from coldplate.scheduler.policy import next_timer, plan
from coldplate.scheduler.sessions import (
    AT_LIMIT,
    CANCELLED,
    CLOSED_EARLY,
    EXPIRED,
    IDLE,
    OVERSTAYED,
    UNUSED,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHEM, QEC = InstanceId("chem"), InstanceId("qec")
OPEN, ACTIVE, INACTIVE = SessionState.OPEN, SessionState.ACTIVE, SessionState.INACTIVE


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def device(name="heron", *, lanes=1, status="online"):
    return BackendRecord(name, {"n_qubits": 133}, None, lanes=lanes, status=status)


def waiting(id, *, age=1.0, instance=CHEM, backend="heron", session=None, most_s=10_800.0):
    return Waiting(JobId(id), instance, backend, session, ago(age), most_s)


def running(id, *, lane=0, instance=CHEM, backend="heron", session=None, **changes):
    attempt = Running(JobId(id), instance, backend, session, lane, 1, 1, NOW + timedelta(seconds=30), True)
    return replace(attempt, **changes)


def session(id="s", *, mode=Mode.DEDICATED, state=ACTIVE, backend="heron", age=100.0, **changes):
    started = None if state is OPEN else ago(age)
    fresh = Session(SessionId(id), CHEM, "ada", mode, backend, ago(age), state=state, started=started)
    used = {"activated": started, "last_job_completed": None if state is OPEN else ago(1)}
    return replace(fresh, **used | changes)


HERON = device()


def queue(
    *, backends=(HERON,), jobs=(), at_work=(), sessions=(), shares=(), slots=8, reserved=(), usual_s=None
):
    people = tuple(sessions), tuple(shares)
    return Snapshot(
        tuple(backends), tuple(jobs), tuple(at_work), *people, slots, tuple(reserved), usual_s or {}
    )


def started(snapshot):
    return [decision.job for decision in plan(snapshot, NOW) if isinstance(decision, Start)]


# --- lanes, slots, backends -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshot", "decisions"),
    [
        pytest.param(queue(), [], id="nothing to do"),
        pytest.param(queue(jobs=[waiting("a")]), [Start("a", 0)], id="free lane"),
        pytest.param(queue(jobs=[waiting("a")], at_work=[running("x")]), [], id="lane taken"),
        pytest.param(queue(jobs=[waiting("a")], slots=0), [], id="no process free"),
        pytest.param(
            queue(jobs=[waiting("a")], backends=[device(status="paused")]), [], id="paused backend queues"
        ),
        pytest.param(
            queue(jobs=[waiting("a")], backends=[device(status="offline")]),
            [],
            id="so does one that is offline",
        ),
        pytest.param(queue(jobs=[waiting("a", backend="gone")]), [], id="removed backend queues"),
        pytest.param(
            queue(
                backends=[device(lanes=3)],
                jobs=[waiting("a", age=2), waiting("b")],
                at_work=[running("x", lane=1)],
            ),
            [Start("a", 0), Start("b", 2)],
            id="each job gets a lane of its own",
        ),
        pytest.param(
            queue(
                backends=[device(), device("eagle")],
                jobs=[waiting("a", age=2), waiting("b", age=1, backend="eagle")],
            ),
            [Start("a", 0), Start("b", 0)],
            id="lanes are counted per backend",
        ),
    ],
)
def test_job_starts_when_backend_lane_and_process_are_free(snapshot, decisions):
    assert plan(snapshot, NOW) == decisions


# --- order ------------------------------------------------------------------------------------


def test_jobs_of_one_instance_start_in_the_order_of_submission():
    jobs = [waiting("first"), waiting("second", age=9), waiting("third")]  # the clock was put back in between
    assert started(queue(backends=[device(lanes=2)], jobs=jobs)) == ["first", "second"]


@pytest.mark.parametrize(
    ("chem_used_s", "qec_used_s", "first"),
    [(50, 10, "qec-young"), (10, 50, "chem-old"), pytest.param(7, 7, "chem-old", id="tie: oldest")],
)
def test_next_job_is_of_the_instance_served_least(chem_used_s, qec_used_s, first):
    jobs = [waiting("chem-old", age=9), waiting("qec-young", instance=QEC)]
    shares = [Share(CHEM, chem_used_s, 100), Share(QEC, qec_used_s, 100)]
    assert started(queue(jobs=jobs, shares=shares)) == [first]


def test_many_jobs_of_one_instance_do_not_take_every_lane():
    jobs = [waiting(f"chem{n}", age=9 - n) for n in range(4)] + [waiting("qec", age=1, instance=QEC)]
    snapshot = queue(backends=[device(lanes=2)], jobs=jobs, shares=[Share(CHEM, 0, 100), Share(QEC, 0, 100)])
    assert started(snapshot) == ["chem0", "qec"]


def test_last_process_goes_to_the_instance_served_least_on_whichever_backend():
    jobs = [waiting("chem", age=9), waiting("qec", instance=QEC, backend="eagle")]
    shares = [Share(CHEM, 50, 100), Share(QEC, 10, 100)]
    snapshot = queue(backends=[device(), device("eagle")], jobs=jobs, shares=shares, slots=1)
    assert started(snapshot) == ["qec"]


def test_last_process_goes_to_the_instance_served_least_also_before_an_active_batch_elsewhere():
    jobs = [waiting("batch", age=9, session="b"), waiting("other", backend="eagle", instance=QEC)]
    shares = [Share(CHEM, 50, 100), Share(QEC, 10, 100)]
    batch = [session("b", mode=Mode.BATCH)]
    snapshot = queue(backends=[device(), device("eagle")], jobs=jobs, shares=shares, sessions=batch, slots=1)
    assert started(snapshot) == ["other"]


@pytest.mark.parametrize("allocated_s", [None, 0])
def test_instance_without_an_allocation_starts_after_any_that_has_one(allocated_s):
    jobs = [waiting("new", age=9), waiting("served", instance=QEC)]
    assert started(queue(jobs=jobs, shares=[Share(CHEM, 0, allocated_s), Share(QEC, 900, 100)])) == ["served"]


def test_full_queue_of_one_backend_does_not_starve_another():
    jobs = [waiting(f"h{n}", age=9 - n) for n in range(4)] + [waiting("e", backend="eagle")]
    snapshot = queue(
        backends=[device(lanes=4), device("eagle")], jobs=jobs, at_work=[running("x", lane=3)], slots=1
    )
    assert started(snapshot) == ["e"]


# --- dedicated sessions -----------------------------------------------------------------------


def test_active_session_owns_its_backend():
    jobs = [waiting("other", age=9, instance=QEC), waiting("own", session="s")]
    assert started(queue(backends=[device(lanes=2)], jobs=jobs, sessions=[session()])) == ["own"]


def test_idle_session_keeps_its_backend_until_its_interactive_ttl():
    assert plan(queue(jobs=[waiting("other")], sessions=[session()]), NOW) == []


def test_jobs_of_a_session_start_in_order_as_lanes_allow():
    jobs = [waiting(f"j{n}", age=9 - n, session="s") for n in range(3)]
    snapshot = queue(backends=[device(lanes=2)], jobs=jobs, sessions=[session()])
    assert plan(snapshot, NOW) == [Start("j0", 0), Start("j1", 1)]


def test_session_owns_only_its_own_backend():
    snapshot = queue(
        backends=[device(), device("eagle")], jobs=[waiting("other", backend="eagle")], sessions=[session()]
    )
    assert started(snapshot) == ["other"]


@pytest.mark.parametrize("state", [OPEN, INACTIVE])
def test_session_without_priority_waits_in_line(state):
    jobs = [waiting("other", age=9), waiting("own", session="s")]
    assert started(queue(jobs=jobs, sessions=[session(state=state)])) == ["other"]


def test_backend_drains_before_a_dedicated_session_begins():
    jobs = [waiting("own", age=9, session="s"), waiting("other", age=1)]
    snapshot = queue(
        backends=[device(lanes=3)], jobs=jobs, at_work=[running("x")], sessions=[session(state=OPEN)]
    )
    assert started(snapshot) == []


def test_nothing_starts_beside_the_first_job_of_a_dedicated_session():
    jobs = [waiting("own", age=9, session="s"), waiting("other", age=1)]
    assert started(queue(backends=[device(lanes=3)], jobs=jobs, sessions=[session(state=OPEN)])) == ["own"]


@pytest.mark.parametrize("state", [OPEN, INACTIVE])
@pytest.mark.parametrize("mode", list(Mode))
def test_session_becomes_active_with_a_running_job(mode, state):
    snapshot = queue(at_work=[running("a", session="s")], sessions=[session(state=state, mode=mode)])
    assert plan(snapshot, NOW) == [Activate("s")]


# --- batches ----------------------------------------------------------------------------------


def test_active_batch_comes_before_older_jobs_of_others():
    jobs = [waiting("other", age=9, instance=QEC), waiting("own", session="s")]
    assert started(queue(jobs=jobs, sessions=[session(mode=Mode.BATCH)])) == ["own"]


def test_batch_waits_in_line_before_its_first_job_has_started():
    jobs = [waiting("other", age=9), waiting("own", session="s")]
    assert started(queue(jobs=jobs, sessions=[session(mode=Mode.BATCH, state=OPEN)])) == ["other"]


def test_batch_is_not_alone_on_its_backend():
    jobs = [waiting("other", age=9), waiting("own", session="s")]
    snapshot = queue(backends=[device(lanes=3)], jobs=jobs, sessions=[session(mode=Mode.BATCH)])
    assert started(snapshot) == ["own", "other"]


def test_rest_of_a_batch_follows_its_first_job_at_once():
    jobs = [waiting("b0", age=9, session="s"), waiting("other", age=5), waiting("b1", age=1, session="s")]
    snapshot = queue(backends=[device(lanes=2)], jobs=jobs, sessions=[session(mode=Mode.BATCH, state=OPEN)])
    assert started(snapshot) == ["b0", "b1"]


# --- usage limits -----------------------------------------------------------------------------

AT_THEIRS = [pytest.param(at_limit, id=at_limit) for at_limit in AtLimit]


def spent(at_limit, *, used_s=100.0):
    return [Share(CHEM, used_s, 50, 100, at_limit), Share(QEC, 10_000, None)]


@pytest.mark.parametrize("at_limit", AT_THEIRS)
def test_jobs_of_an_instance_at_its_limit_wait(at_limit):
    jobs = [waiting("a", age=9), waiting("other", instance=QEC)]
    assert plan(queue(jobs=jobs, shares=spent(at_limit)), NOW) == [Start("other", 0)]


@pytest.mark.parametrize("at_limit", AT_THEIRS)
def test_what_runs_goes_on_when_its_instance_reaches_the_limit(at_limit):
    assert plan(queue(at_work=[running("a")], shares=spent(at_limit)), NOW) == []


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("at_limit", "decisions"),
    [
        (AtLimit.WAIT, [Start("a", 0)]),
        (AtLimit.REFUSE, [Start("a", 0)]),
        (AtLimit.STOP, [StopSession("s", AT_LIMIT)]),
    ],
)
def test_active_session_goes_on_at_the_limit_or_is_stopped_as_the_plan_says(mode, at_limit, decisions):
    snapshot = queue(jobs=[waiting("a", session="s")], sessions=[session(mode=mode)], shares=spent(at_limit))
    assert plan(snapshot, NOW) == decisions


@pytest.mark.parametrize("state", [OPEN, INACTIVE])
def test_session_that_is_not_active_does_not_begin_at_the_limit(state):
    jobs, sessions = [waiting("a", session="s")], [session(state=state)]
    assert plan(queue(jobs=jobs, sessions=sessions, shares=spent(AtLimit.WAIT)), NOW) == []


def test_time_of_an_active_session_counts_before_it_is_charged():
    jobs = [waiting("a", backend="eagle", age=9)]
    backends, sessions = [device(), device("eagle")], [session(age=60)]
    shares = spent(AtLimit.WAIT, used_s=39)
    assert plan(queue(jobs=jobs, backends=backends, sessions=sessions, shares=shares), NOW) == [Start("a", 0)]
    shares = spent(AtLimit.WAIT, used_s=40)
    assert plan(queue(jobs=jobs, backends=backends, sessions=sessions, shares=shares), NOW) == []


def test_stopped_session_closes_when_its_last_job_has_ended():
    which = session(accepting_jobs=False, state_reason=AT_LIMIT)
    busy = queue(at_work=[running("a", session="s")], sessions=[which], shares=spent(AtLimit.STOP))
    assert plan(busy, NOW) == []
    idle = queue(sessions=[which], shares=spent(AtLimit.STOP))
    assert plan(idle, NOW) == [CloseSession("s", AT_LIMIT)]


# --- reservations and maintenance -------------------------------------------------------------


def reserved(claim, *, instance=QEC, start_s=-60, end_s=60):
    start, end = ago(-start_s), ago(-end_s)
    return Reservation("r", "heron", claim, start, end, None if claim is Claim.MAINTENANCE else instance)


@pytest.mark.parametrize(
    ("claim", "window", "starts"),
    [
        pytest.param(Claim.MAINTENANCE, {}, [], id="nothing starts in maintenance"),
        pytest.param(Claim.MAINTENANCE, {"start_s": 9}, ["old"], id="nor is it anything before"),
        pytest.param(Claim.MAINTENANCE, {"end_s": 0}, ["old"], id="or after"),
        pytest.param(Claim.DEDICATED, {}, ["before"], id="only the holder's jobs start"),
        pytest.param(Claim.DEDICATED, {"instance": InstanceId("none")}, [], id="even if it has none"),
        pytest.param(Claim.PRIORITY, {}, ["inside"], id="what the holder submits inside comes first"),
        pytest.param(Claim.PRIORITY, {"start_s": 1}, ["old"], id="not before the window"),
        pytest.param(Claim.PRIORITY, {"end_s": 0}, ["old"], id="not after the window"),
    ],
)
def test_reservation_says_who_starts(claim, window, starts):
    jobs = [
        waiting("old", age=900),
        waiting("before", age=90, instance=QEC),
        waiting("inside", age=30, instance=QEC),
    ]
    shares = [Share(CHEM, 0, 100), Share(QEC, 90, 100)]
    assert started(queue(jobs=jobs, shares=shares, reserved=[reserved(claim, **window)])) == starts


@pytest.mark.parametrize(
    ("claim", "instance", "most_s", "usual_s", "starts"),
    [
        pytest.param(Claim.MAINTENANCE, CHEM, 10_800, 601, False, id="jobs usually take longer than is left"),
        pytest.param(Claim.MAINTENANCE, CHEM, 10_800, 600, True, id="they take no longer"),
        pytest.param(Claim.MAINTENANCE, CHEM, 600, 1000, True, id="this one may take no longer"),
        pytest.param(Claim.MAINTENANCE, CHEM, 10_800, None, True, id="nothing is known: 5 s"),
        pytest.param(Claim.DEDICATED, CHEM, 10_800, 601, False, id="the window is another instance's"),
        pytest.param(Claim.DEDICATED, QEC, 10_800, 601, True, id="the window is its own"),
        pytest.param(Claim.PRIORITY, CHEM, 10_800, 601, True, id="priority keeps nobody out"),
    ],
)
def test_job_that_would_run_into_a_window_is_held_back(claim, instance, most_s, usual_s, starts):
    snapshot = queue(
        jobs=[waiting("a", instance=instance, most_s=most_s)],
        reserved=[reserved(claim, start_s=600, end_s=1200)],
        usual_s={} if usual_s is None else {"heron": usual_s, "eagle": 1.0},
    )
    assert started(snapshot) == (["a"] if starts else [])


def before_maintenance(*jobs, **more):
    """600 s are left, and jobs usually take 1000 s."""
    window = [reserved(Claim.MAINTENANCE, start_s=600, end_s=1200)]
    return queue(jobs=jobs, reserved=window, usual_s={"heron": 1000}, backends=[device(lanes=3)], **more)


def test_nothing_of_its_line_passes_a_job_that_is_held_back_but_other_lines_do():
    long, short = waiting("long", age=9), waiting("short", age=8, most_s=60)
    other = waiting("other", age=7, instance=QEC, most_s=60)
    assert started(before_maintenance(long, short, other)) == ["other"]


def test_session_keeps_its_device_while_its_next_job_is_held_back():
    own, other = waiting("own", session="s"), waiting("other", instance=QEC, most_s=60)
    assert plan(before_maintenance(own, other, sessions=[session(last_job_completed=ago(90))]), NOW) == []


def test_session_whose_first_job_is_held_back_keeps_nobody_from_the_device():
    first, other = waiting("first", age=9, session="s"), waiting("other", most_s=60)
    assert started(before_maintenance(first, other, sessions=[session(state=OPEN)])) == ["other"]


def test_what_has_started_gets_its_turn_before_and_inside_a_window():
    for start_s in (1, -1):
        window = [reserved(Claim.MAINTENANCE, start_s=start_s)]
        snapshot = queue(at_work=[running("a", asked=ago(1))], reserved=window, usual_s={"heron": 1000})
        assert plan(snapshot, NOW) == [Grant("a", 1)]


def test_jobs_that_two_priority_windows_bring_forward_start_in_the_order_of_submission():
    jobs = [waiting("first", age=9), waiting("second", instance=QEC)]
    shares = [Share(CHEM, 50, 100), Share(QEC, 10, 100)]
    windows = [reserved(Claim.PRIORITY, instance=instance) for instance in (QEC, CHEM)]
    assert started(queue(jobs=jobs, shares=shares, reserved=windows)) == ["first"]


def test_running_job_drains_into_maintenance():
    snapshot = queue(at_work=[running("a")], jobs=[waiting("b")], reserved=[reserved(Claim.MAINTENANCE)])
    assert plan(snapshot, NOW) == []


def test_dedicated_window_takes_the_backend_from_an_idle_session_of_another():
    jobs = [waiting("own", age=9, session="s"), waiting("holder", instance=QEC)]
    snapshot = queue(jobs=jobs, sessions=[session()], reserved=[reserved(Claim.DEDICATED)])
    assert started(snapshot) == ["holder"]


def test_priority_window_comes_after_the_session_that_owns_the_backend_and_before_batches():
    jobs = [
        waiting("batch", age=9, session="b"),
        waiting("holder", age=5, instance=QEC),
        waiting("own", session="s"),
    ]
    window = [reserved(Claim.PRIORITY)]
    batch = session("b", mode=Mode.BATCH)
    assert started(queue(jobs=jobs, sessions=[session(), batch], reserved=window)) == ["own"]
    assert started(queue(jobs=jobs[:2], sessions=[batch], reserved=window)) == ["holder"]


# --- active_ttl -------------------------------------------------------------------------------


def overstayed(**changes):
    return session(active_ttl_s=50, activated=ago(50), **changes)


@pytest.mark.parametrize("mode", list(Mode))
def test_session_loses_its_priority_at_its_active_ttl_and_waits_in_line(mode):
    jobs = [waiting("other", age=9), waiting("own", session="s")]
    assert plan(queue(jobs=jobs, sessions=[overstayed(mode=mode)]), NOW) == [
        Deactivate("s", OVERSTAYED),
        Start("other", 0),
    ]


def test_session_keeps_its_backend_but_starts_nothing_while_its_last_active_job_runs():
    jobs = [waiting("other", age=9), waiting("own", session="s")]
    snapshot = queue(
        backends=[device(lanes=2)],
        jobs=jobs,
        at_work=[running("a", session="s")],
        sessions=[overstayed()],
    )
    assert plan(snapshot, NOW) == []


# --- timers and ends of sessions --------------------------------------------------------------

LATE = {"last_job_completed": ago(61), "activated": ago(99)}


@pytest.mark.parametrize(
    ("which", "jobs", "at_work", "steps"),
    [
        pytest.param(session(**LATE), [], [], [Deactivate("s", IDLE)], id="idle for its interactive TTL"),
        pytest.param(session(**LATE, mode=Mode.BATCH), [], [], [Deactivate("s", IDLE)], id="a batch too"),
        pytest.param(
            session(**LATE), [waiting("a", session="s")], [], [Start("a", 0)], id="a queued job is not idle"
        ),
        pytest.param(session(**LATE), [], [running("a", session="s")], [], id="a running job is not idle"),
        pytest.param(session(state=OPEN, age=1799), [], [], [], id="unused for less than 30 minutes"),
        pytest.param(session(state=OPEN, age=1800), [], [], [CloseSession("s", UNUSED)], id="30 minutes"),
        pytest.param(
            session(state=OPEN, age=1800), [waiting("a", session="s")], [running("x")], [], id="has a job"
        ),
        pytest.param(session(state=INACTIVE, age=9000), [], [], [], id="once used, 30 minutes mean nothing"),
        pytest.param(session(max_ttl_s=100), [], [], [CloseSession("s", EXPIRED)], id="max_ttl"),
        pytest.param(
            session(max_ttl_s=100, state=INACTIVE), [], [], [CloseSession("s", EXPIRED)], id="never pauses"
        ),
        pytest.param(
            session(max_ttl_s=100),
            [waiting("a", session="s")],
            [],
            [StopSession("s", EXPIRED)],
            id="max_ttl ends queued jobs",
        ),
        pytest.param(
            session(max_ttl_s=100),
            [],
            [running("a", session="s")],
            [StopSession("s", EXPIRED)],
            id="max_ttl lets running jobs finish",
        ),
        pytest.param(
            session(max_ttl_s=100, accepting_jobs=False),
            [],
            [running("a", session="s")],
            [],
            id="and waits for them",
        ),
        pytest.param(
            session(accepting_jobs=False), [], [], [CloseSession("s", CLOSED_EARLY)], id="closed, all done"
        ),
        pytest.param(
            session(accepting_jobs=False),
            [waiting("a", session="s")],
            [],
            [Start("a", 0)],
            id="closed, queued jobs still run",
        ),
        pytest.param(
            session(accepting_jobs=False), [], [running("a", session="s")], [], id="closed, one still runs"
        ),
        pytest.param(
            session(accepting_jobs=False, state_reason=CANCELLED),
            [],
            [],
            [CloseSession("s", CANCELLED)],
            id="cancelled, the running one has finished",
        ),
    ],
)
def test_session_ends_when_its_rules_say(which, jobs, at_work, steps):
    assert plan(queue(jobs=jobs, at_work=at_work, sessions=[which]), NOW) == steps


def test_backend_is_free_in_the_very_plan_that_closes_its_session():
    snapshot = queue(jobs=[waiting("other")], sessions=[session(accepting_jobs=False)])
    assert plan(snapshot, NOW) == [CloseSession("s", CLOSED_EARLY), Start("other", 0)]


def test_backend_is_free_in_the_very_plan_that_deactivates_its_session():
    snapshot = queue(jobs=[waiting("other")], sessions=[session(**LATE)])
    assert plan(snapshot, NOW) == [Deactivate("s", IDLE), Start("other", 0)]


def test_expired_session_owns_its_backend_while_its_last_job_runs():
    snapshot = queue(
        backends=[device(lanes=2)],
        jobs=[waiting("other"), waiting("own", session="s")],
        at_work=[running("a", session="s")],
        sessions=[session(max_ttl_s=100)],
    )
    assert plan(snapshot, NOW) == [StopSession("s", EXPIRED)]


def test_queued_job_of_a_closed_session_fails():
    reason = "The session was closed while the job was queued."
    assert plan(queue(jobs=[waiting("a", session="s")]), NOW) == [Fail("a", SessionClosed, reason)]


# --- lost attempts ----------------------------------------------------------------------------

DEAD = {"alive": False, "lease_until": NOW}
REASON = "The worker that ran this job was lost, 3 times."


@pytest.mark.parametrize(
    ("attempt", "slots", "decisions"),
    [
        pytest.param({"lease_until": ago(9)}, 1, [], id="watched: an old lease means nothing"),
        pytest.param({"alive": False}, 1, [], id="unwatched, the lease still runs"),
        pytest.param(DEAD, 1, [Requeue("a", 1)], id="unwatched, the lease is over"),
        pytest.param(DEAD, 0, [], id="waits for a process"),
        pytest.param(
            DEAD | {"fence": 5, "attempts": 3}, 0, [Fail("a", WorkerLost, REASON, fence=5)], id="thrice"
        ),
    ],
)
def test_lost_attempt_runs_again_or_fails(attempt, slots, decisions):
    snapshot = queue(at_work=[running("a", **attempt)], jobs=[waiting("b")], slots=slots)
    assert plan(snapshot, NOW) == decisions


def test_lost_attempt_takes_its_process_before_new_jobs():
    snapshot = queue(
        backends=[device(), device("eagle")],
        at_work=[running("a", **DEAD)],
        jobs=[waiting("b", backend="eagle")],
        slots=1,
    )
    assert plan(snapshot, NOW) == [Requeue("a", 1)]


def test_lost_attempt_of_a_paused_backend_runs_again():
    snapshot = queue(backends=[device(status="paused")], at_work=[running("a", **DEAD)])
    assert plan(snapshot, NOW) == [Requeue("a", 1)]


# --- turns at the device ------------------------------------------------------------------------


def asking(id, **changes):
    return running(id, **{"asked": ago(1)} | changes)


TWO = [Share(CHEM, 50, 100), Share(QEC, 10, 100)]


@pytest.mark.parametrize(
    ("at_work", "sessions", "shares", "turn"),
    [
        pytest.param([running("a")], [], [], [], id="nobody asks"),
        pytest.param([asking("a")], [], [], [Grant("a", 1)], id="nobody drives"),
        pytest.param([asking("a"), running("b", lane=1, driving=True)], [], [], [], id="somebody drives"),
        pytest.param(
            [asking("a"), running("b", lane=1, driving=True, backend="eagle")],
            [],
            [],
            [Grant("a", 1)],
            id="another device",
        ),
        pytest.param(
            [asking("a"), asking("b", lane=1, asked=ago(9))], [], [], [Grant("a", 1)], id="line, not asking"
        ),
        pytest.param(
            [asking("a"), asking("b", lane=1, instance=QEC)], [], TWO, [Grant("b", 1)], id="served least"
        ),
        pytest.param(
            [asking("a", instance=QEC), asking("b", lane=1, session="s")],
            [session(mode=Mode.BATCH)],
            TWO,
            [Grant("b", 1)],
            id="active batch first",
        ),
        pytest.param([asking("a", alive=False)], [], [], [], id="another server lets its own through"),
        pytest.param(
            [asking("a", alive=False), asking("b", lane=1)], [], [], [], id="and is not overtaken meanwhile"
        ),
    ],
)
def test_device_is_driven_by_one_job_at_a_time_in_the_order_of_the_line(at_work, sessions, shares, turn):
    snapshot = queue(
        backends=[device(lanes=5), device("eagle")], at_work=at_work, sessions=sessions, shares=shares
    )
    assert plan(snapshot, NOW) == turn


def test_running_job_still_gets_its_turn_at_a_paused_device():
    snapshot = queue(backends=[device(status="paused")], at_work=[asking("a")])
    assert plan(snapshot, NOW) == [Grant("a", 1)]


def test_lost_driver_runs_again_before_other_lost_attempts():
    at_work = [running("a", **DEAD), running("b", lane=1, driving=True, **DEAD)]
    assert plan(queue(backends=[device(lanes=2)], at_work=at_work, slots=1), NOW) == [Requeue("b", 1)]


def test_running_job_counts_what_it_will_be_charged_once_that_is_known():
    jobs = [waiting("chem", age=9), waiting("qec", instance=QEC)]
    snapshot = queue(
        backends=[device(lanes=2)],
        jobs=jobs,
        at_work=[running("a", estimated_s=41.0)],
        shares=[Share(CHEM, 10, 100), Share(QEC, 50, 100)],
    )
    assert started(snapshot) == ["qec"]


# --- timers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshot", "in_s"),
    [
        pytest.param(queue(jobs=[waiting("a")]), None, id="none"),
        pytest.param(queue(sessions=[session(state=OPEN, age=1000)]), 800, id="unused"),
        pytest.param(queue(sessions=[session()]), 59, id="interactive TTL"),
        pytest.param(queue(sessions=[session(max_ttl_s=130)]), 30, id="max_ttl"),
        pytest.param(queue(sessions=[session(state=INACTIVE, max_ttl_s=500)]), 400, id="inactive"),
        pytest.param(queue(at_work=[running("a", alive=False)]), 30, id="lease"),
        pytest.param(queue(sessions=[session(active_ttl_s=110)]), 10, id="active TTL"),
        pytest.param(
            queue(jobs=[waiting("a")], reserved=[reserved(Claim.MAINTENANCE, end_s=7)]), 7, id="maintenance"
        ),
    ],
)
def test_next_timer_is_when_time_alone_changes_the_plan(snapshot, in_s):
    timer = next_timer(snapshot, NOW)
    assert timer == (None if in_s is None else NOW + timedelta(seconds=in_s))
    if timer is not None:
        assert plan(snapshot, timer) != plan(snapshot, timer - timedelta(milliseconds=1))
