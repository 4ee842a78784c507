"""The verbs, on a real store; a pool of our own stands in for the processes."""

from __future__ import annotations

import errno
import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from coldplate.auth import Auth, Principal
from coldplate.blobs import LocalBlobs
from coldplate.changes import Changes
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import JobState
from coldplate.domain.query import FinalState, JobFilter, WorkloadFilter
from coldplate.domain.reservation import Claim, Reservation
from coldplate.domain.session import Mode, SessionState, Ttls
from coldplate.domain.submission import Submission
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.errors import (
    BadRequest,
    InvalidCredentials,
    InvalidCrn,
    JobNotCancellable,
    JobNotFinished,
    NotAuthorized,
    ResultDamaged,
    SessionClosed,
    SessionNotInPlan,
    TooManyTags,
    Unavailable,
    UnknownBackend,
    UnknownCalibration,
    UnknownInstance,
    UnknownJob,
    UnknownProgram,
    UnknownSession,
    UsageLimitReached,
)
from coldplate.scheduler.loop import Loop
from coldplate.service import Service
from coldplate.settings import Settings
from coldplate.store.store import Store
from coldplate.workers.pool import Receipt

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROPERTIES = {"last_update_date": "2026-11-24T08:00:00+00:00", "qubits": []}
HERON = BackendRecord("heron", {"n_qubits": 133}, PROPERTIES, listing={"calibrations": ["slow"]})
MOCK = BackendRecord("mock_heron", {"n_qubits": 133}, PROPERTIES, mock_of="heron")
IDEAL = BackendRecord("ideal", {"n_qubits": 30}, None, lanes=4, simulator=True)

OURS = Instance(make_crn("ada", "one"), "one", account="ada", limit_s=10, allocation_s=20)
OTHER = Instance(make_crn("ada", "two"), "two", account="ada", plan="open", backends=("ideal",))
FOREIGN = Instance(make_crn("eve", "three"), "three", account="eve")
PARAMS = b'{"pubs": [], "version": 2}'


class Clock:
    def __init__(self):
        self.now = T0

    def __call__(self):
        return self.now


class PoolInHand:
    """A pool whose jobs end when the test says so, or when they are stopped."""

    def __init__(self):
        self.tickets, self.done = {}, {}

    def start(self, ticket, done):
        self.tickets[ticket.job, ticket.fence], self.done[ticket.job, ticket.fence] = ticket, done

    def stop(self, job, fence):
        if (job, fence) in self.done:
            self.end(job, fence, "Cancelled")

    def alive(self):
        return set(self.done)

    def capacity(self):
        return 8 - len(self.done)

    def end(self, job, fence=1, outcome="Completed", **fields):
        done = self.done.pop((job, fence))
        done(Receipt(job, fence, outcome, **fields))


class Office:
    """A service, and a loop that looks when the test says so."""

    def __init__(self, data):
        self.clock, self.changes, self.pool = Clock(), Changes(), PoolInHand()
        self.settings = Settings(data=data, max_execution_s=600)
        self.store = Store(self.settings.database_url, on_change=self.changes.publish)
        self.store.migrate()
        for instance in (OURS, OTHER, FOREIGN):
            self.store.add_instance(instance)
        self.store.add_user(User("ada", "ada", T0, roles=ALL))
        self.store.put_backends([HERON, MOCK, IDEAL], T0)
        self.blobs = LocalBlobs(data / "blobs")
        self.auth = Auth(self.store, self.settings, clock=self.clock)
        common = {"store": self.store, "blobs": self.blobs, "settings": self.settings}
        common |= {"changes": self.changes, "clock": self.clock}
        self.service = Service(auth=self.auth, stop=self.pool.stop, **common)
        self.loop = Loop(pool=self.pool, **common)
        self.submitted = 0

    def settle(self):
        while self.loop.look() == 0:
            pass

    def submit(self, who=None, *, params=PARAMS, fingerprint=None, **fields):
        self.submitted += 1
        fields = {"program_id": "sampler", "backend": "heron", "params": msgspec.Raw(params)} | fields
        fingerprint = fingerprint or f"submission {self.submitted}"
        return self.service.submit(who or ADA, Submission(**fields), params, fingerprint=fingerprint)

    def run(self, who=None, *, result=b'{"results": []}', usage_s=1.0, **fields):
        """A job that has completed with a result."""
        job = self.submit(who, **fields)
        self.settle()
        ticket = self.pool.tickets[job.id, 1]
        size, sha256 = self.blobs.put(ticket.result_key, result)
        self.pool.end(job.id, usage_s=usage_s, result_size=size, result_sha256=sha256)
        return self.service.job(who or ADA, job.id)

    def open(self, mode=Mode.DEDICATED, who=None, *, backend="heron", max_ttl_s=None):
        self.submitted += 1
        return self.service.open_session(
            who or ADA, mode, backend, Ttls(max_ttl_s), fingerprint=f"session {self.submitted}"
        )

    def state(self, job):
        return self.store.job(job.id).state


ALL = {EVERYWHERE: Role.MANAGER}
ADA = Principal("ada", "ada", "k", OURS, roles=ALL)
ADA_ELSEWHERE = Principal("ada", "ada", "k", OTHER, roles=ALL)
EVE = Principal("eve", "eve", "k", FOREIGN, roles=ALL)
NOWHERE = Principal("ada", "ada", "k", roles=ALL)
READER = Principal("bob", "ada", "k", OURS, roles={OURS.id: Role.READER})
WRITER = Principal("cid", "ada", "k", OURS, roles={OURS.id: Role.WRITER})
NOBODY = Principal("dan", "ada", "k", OURS, roles={OTHER.id: Role.MANAGER})


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.store.close()


# --- identity ---------------------------------------------------------------------------------


def test_key_and_token_open_the_same_instance(office):
    key = office.auth.issue_key("ada", "ada", "laptop")
    token = office.service.login(key)["access_token"]
    identify = office.service.identify
    by_key = identify(token=None, api_key=key, crn=OURS.id)
    assert by_key == identify(token=token, api_key=None, crn=OURS.id)
    assert (by_key.user, by_key.instance) == ("ada", OURS)


def test_without_credentials_nobody_is_known(office):
    with pytest.raises(InvalidCredentials):
        office.service.identify(token=None, api_key=None, crn=OURS.id)


def test_instance_of_another_account_is_unknown(office):
    key = office.auth.issue_key("ada", "ada", "laptop")
    with pytest.raises(UnknownInstance):
        office.service.identify(token=None, api_key=key, crn=FOREIGN.id)


def test_asker_sees_the_instances_of_the_account(office):
    assert {i.name for i in office.service.instances(NOWHERE)} == {"one", "two"}


def test_asker_sees_no_instance_without_a_role(office):
    assert [i.name for i in office.service.instances(READER)] == ["one"]


WRITES = {
    "submit": lambda office, who, job, session: office.submit(who),
    "cancel": lambda office, who, job, session: office.service.cancel(who, job),
    "delete": lambda office, who, job, session: office.service.delete(who, job),
    "tags": lambda office, who, job, session: office.service.set_tags(who, job, ["t"]),
    "open": lambda office, who, job, session: office.service.open_session(
        who, Mode.BATCH, "heron", Ttls(), fingerprint="s"
    ),
    "close": lambda office, who, job, session: office.service.close_session(who, session, False),
    "cancel session": lambda office, who, job, session: office.service.cancel_session(who, session),
}


@pytest.mark.parametrize("verb", WRITES)
def test_readers_change_nothing(office, verb):
    job = office.submit().id
    session = office.service.open_session(ADA, Mode.BATCH, "heron", Ttls(), fingerprint="x").id
    before = office.service.job(ADA, job), office.service.session(ADA, session)
    for who in (READER, NOBODY):
        with pytest.raises(NotAuthorized):
            WRITES[verb](office, who, job, session)
    assert (office.service.job(ADA, job), office.service.session(ADA, session)) == before


@pytest.mark.parametrize("verb", [verb for verb in WRITES if verb != "delete"])
def test_writers_may_change_what_others_made(office, verb):
    job = office.submit().id
    session = office.service.open_session(ADA, Mode.BATCH, "heron", Ttls(), fingerprint="x").id
    WRITES[verb](office, WRITER, job, session)


def test_readers_see_what_others_made(office):
    job = office.submit()
    assert office.service.job(READER, job.id) == job
    with pytest.raises(NotAuthorized):
        office.service.job(NOBODY, job.id)


def test_writers_delete_their_own_jobs_and_managers_all(office):
    adas, own = office.submit().id, office.submit(WRITER).id
    office.service.delete(WRITER, own)
    with pytest.raises(NotAuthorized, match="manager"):
        office.service.delete(WRITER, adas)
    office.service.delete(ADA, adas)


def test_verbs_of_an_instance_need_one(office):
    with pytest.raises(InvalidCrn):
        office.submit(NOWHERE)


# --- submit -----------------------------------------------------------------------------------


def test_accepted_job_is_stored_as_it_was_sent(office):
    job = office.submit(
        tags=["a", "b"], log_level="debug", cost=300, runtime="image:1", calibration_id="slow", private=False
    )
    assert job == office.service.job(ADA, job.id)
    assert (job.program, job.backend, job.tags, job.log_level) == ("sampler", "heron", ("a", "b"), "DEBUG")
    assert (job.cost_s, job.runtime, job.calibration, job.created) == (300, "image:1", "slow", T0)
    assert (job.params_size, job.params_sha256) == (len(PARAMS), hashlib.sha256(PARAMS).hexdigest())
    assert office.service.params(ADA, job) == PARAMS


def test_job_without_cost_gets_what_the_operator_allows(office):
    assert office.submit().cost_s == 600


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"backend": "nope"}, UnknownBackend),
        ({"program_id": "nope"}, UnknownProgram),
        ({"tags": ["t"] * 9}, TooManyTags),
        ({"calibration_id": "nope"}, UnknownCalibration),
        ({"session_id": "nope"}, UnknownSession),
        ({"session_id": "a" * 20}, UnknownSession),
        ({"log_level": "loud"}, BadRequest),
    ],
)
def test_refused_submission_stores_nothing(office, fields, error):
    with pytest.raises(error):
        office.submit(**fields)
    assert office.service.jobs(ADA, JobFilter(OURS.id)) == ([], 0)
    assert list(office.blobs.list("params")) == []


def test_unknown_option_is_refused_at_once(office):
    with pytest.raises(BadRequest, match="warp_speed"):
        office.submit(params=b'{"pubs": [], "options": {"warp_speed": 9}, "version": 2}')


def test_backend_that_the_instance_has_not_is_unknown(office):
    with pytest.raises(UnknownBackend):
        office.submit(ADA_ELSEWHERE, backend="heron")
    assert office.submit(ADA_ELSEWHERE, backend="ideal").backend == "ideal"


def test_repeated_post_gives_the_job_it_made_first_and_leaves_no_file(office):
    first, again = office.submit(fingerprint="same"), office.submit(fingerprint="same")
    assert again == first
    assert list(office.blobs.list("params")) == [f"params/{first.id}"]


def test_same_post_after_delivery_is_another_job(office):
    first = office.submit(fingerprint="same")
    office.service.delivered(first.id)
    assert office.submit(fingerprint="same").id != first.id


def test_params_are_on_disk_before_the_job_is_known(office):
    seen = []
    add_job = office.store.add_job

    def look_first(job, **kwargs):
        seen.append(office.blobs.path(job.params_key).read_bytes())
        return add_job(job, **kwargs)

    office.store.add_job = look_first
    office.submit()
    assert seen == [PARAMS]


def test_full_disk_refuses_a_job_which_may_be_sent_again(office, monkeypatch):
    def full(key, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(office.blobs, "put", full)
        with pytest.raises(Unavailable, match="No space left"):
            office.submit(fingerprint="same")
    assert office.service.jobs(ADA, JobFilter(OURS.id))[1] == 0
    assert office.submit(fingerprint="same").state is JobState.QUEUED


def at_limit(office, plan):
    """Who asks for an instance of a plan that has just used its limit."""
    instance = Instance(make_crn("ada", plan), plan, account="ada", plan=plan, limit_s=10)
    office.store.add_instance(instance)
    who = replace(ADA, instance=instance)
    office.run(who, usage_s=9.5)
    waiting = office.submit(who)
    office.settle()
    office.pool.end(waiting.id, usage_s=0.5)
    return who


@pytest.mark.parametrize("plan", ["open", "payg"])
def test_plan_that_stops_at_its_limit_takes_no_jobs_and_opens_no_sessions(office, plan):
    who = at_limit(office, plan)
    with pytest.raises(UsageLimitReached):
        office.submit(who)
    with pytest.raises(UsageLimitReached):
        office.open(Mode.BATCH, who)


@pytest.mark.parametrize("plan", ["premium", "flex"])
def test_plan_that_waits_at_its_limit_takes_jobs_but_starts_none(office, plan):
    job = office.submit(at_limit(office, plan))
    office.settle()
    assert office.state(job) is JobState.QUEUED


@pytest.mark.parametrize(("plan", "state"), [("premium", JobState.RUNNING), ("flex", JobState.QUEUED)])
def test_use_leaves_a_rolling_window_and_stays_with_plans_that_have_none(office, plan, state):
    job = office.submit(at_limit(office, plan))
    office.clock.now += timedelta(days=28)
    office.settle()
    assert office.state(job) is state


def test_open_plan_has_ten_minutes_unless_the_operator_says_otherwise(office):
    who = replace(ADA, instance=OTHER)
    usage = office.service.usage(who)
    assert (usage.limit_s, usage.limit_reached) == (600, False)
    office.run(who, backend="ideal", usage_s=600)
    assert office.service.usage(who).limit_reached


def test_open_plan_runs_jobs_for_ten_minutes_at_most(office):
    assert office.submit(replace(ADA, instance=OTHER), backend="ideal").cost_s == 600


def test_instance_without_limit_is_never_refused(office):
    office.run(EVE, usage_s=1e9)
    assert office.submit(EVE).state is JobState.QUEUED


def test_backend_in_maintenance_reads_as_paused_and_takes_jobs(office):
    window = Reservation("r", "heron", Claim.MAINTENANCE, T0, T0 + timedelta(hours=1), reason="new fridge")
    office.store.add_reservation(window)
    heron = office.service.backend(ADA, "heron")
    assert (heron.status, heron.status_reason) == ("paused", "new fridge")
    job = office.submit()
    office.settle()
    assert office.state(job) is JobState.QUEUED
    office.clock.now += timedelta(hours=1)
    office.settle()
    assert (office.service.backend(ADA, "heron").status, office.state(job)) == ("online", JobState.RUNNING)


# --- what belongs to others -------------------------------------------------------------------


@pytest.mark.parametrize("who", [ADA_ELSEWHERE, EVE])
@pytest.mark.parametrize(
    "verb",
    [
        lambda s, who, id: s.job(who, id),
        lambda s, who, id: s.results(who, id),
        lambda s, who, id: s.log(who, id),
        lambda s, who, id: s.set_tags(who, id, ["t"]),
        lambda s, who, id: s.cancel(who, id),
        lambda s, who, id: s.delete(who, id),
    ],
)
def test_job_of_another_instance_is_as_unknown_as_one_that_never_was(office, who, verb):
    job = office.submit()
    with pytest.raises(UnknownJob) as foreign:
        verb(office.service, who, job.id)
    with pytest.raises(UnknownJob) as missing:
        verb(office.service, who, "z" * 20)
    assert str(foreign.value).replace(job.id, "") == str(missing.value).replace("z" * 20, "")
    assert office.service.job(ADA, job.id) == job


@pytest.mark.parametrize("who", [ADA_ELSEWHERE, EVE])
@pytest.mark.parametrize(
    "verb",
    [
        lambda s, who, id: s.session(who, id),
        lambda s, who, id: s.close_session(who, id, False),
        lambda s, who, id: s.cancel_session(who, id),
    ],
)
def test_session_of_another_instance_is_unknown(office, who, verb):
    session = office.open()
    with pytest.raises(UnknownSession):
        verb(office.service, who, session.id)
    assert office.service.session(ADA, session.id).accepting_jobs


def test_lists_have_only_what_is_of_the_instance(office):
    job = office.submit(tags=["mine"])
    office.submit(EVE, tags=["hers"])
    assert office.service.jobs(ADA, JobFilter(FOREIGN.id)) == ([job], 1)
    assert [w.id for w in office.service.workloads(ADA, WorkloadFilter(FOREIGN.id))[0]] == [job.id]
    assert office.service.tags(ADA, "e") == ["mine"]


@pytest.mark.parametrize("id", ["", "../../etc/passwd", "A" * 20, "a" * 19, "a" * 19 + "\0", "é" * 20])
def test_text_that_is_no_id_is_unknown_without_a_look(office, id):
    office.store.close()
    office.store.job = None
    with pytest.raises(UnknownJob):
        office.service.job(ADA, id)


# --- results, logs, tags ----------------------------------------------------------------------


def test_results_are_the_very_bytes(office):
    job = office.run(result=b'{"x": NaN-like}')
    assert office.service.results(ADA, job.id).read_bytes() == b'{"x": NaN-like}'
    office.service.results_sent(ADA, job.id)
    office.clock.now += timedelta(days=99)
    assert office.service.results(ADA, job.id).read_bytes() == b'{"x": NaN-like}'


def test_result_may_be_deleted_while_it_is_on_its_way(office):
    job = office.run()
    assert office.service.results(ADA, job.id) is not None
    office.service.delete(ADA, job.id)
    office.service.results_sent(ADA, job.id)  # nothing is left whose clock could start


def test_stranger_starts_no_clock_of_a_private_job(office):
    job = office.run(private=True)
    office.service.results_sent(EVE, job.id)
    assert office.service.job(ADA, job.id).results_read is None


@pytest.mark.parametrize("outcome", ["Failed", "Cancelled"])
def test_job_that_did_not_complete_has_no_results(office, outcome):
    job = office.submit()
    assert office.service.results(ADA, job.id) is None
    office.settle()
    assert office.service.results(ADA, job.id) is None
    office.pool.end(job.id, outcome=outcome)
    assert office.service.results(ADA, job.id) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_result_is_told_and_not_returned(office, damage):
    job = office.run(result=b"0123456789")
    path = office.blobs.path(f"result/{job.id}/1")
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes({"flip": b"0123456780", "cut": b"01234"}[damage])
    with pytest.raises(ResultDamaged):
        office.service.results(ADA, job.id)
    assert office.state(job) is JobState.COMPLETED


def test_log_is_empty_until_the_job_has_ended(office):
    job = office.submit()
    office.settle()
    office.blobs.put(f"log/{job.id}/1", b"hello\n")
    assert office.service.log(ADA, job.id) == ""
    office.pool.end(job.id)
    assert office.service.log(ADA, job.id) == "hello\n"


def test_job_that_logged_nothing_has_an_empty_log(office):
    assert office.service.log(ADA, office.run().id) == ""


def test_tags_are_replaced_whole(office):
    job = office.submit(tags=["a"])
    office.service.set_tags(ADA, job.id, ["b", "c"])
    assert office.service.job(ADA, job.id).tags == ("b", "c")
    with pytest.raises(TooManyTags):
        office.service.set_tags(ADA, job.id, ["t"] * 9)
    office.service.set_tags(ADA, job.id, [])
    assert office.service.job(ADA, job.id).tags == ()


# --- private jobs -----------------------------------------------------------------------------


def test_private_inputs_are_never_returned_and_erased_at_the_end(office):
    job = office.submit(private=True)
    assert office.service.params(ADA, job) is None
    office.settle()
    assert list(office.blobs.list("params")) == [f"params/{job.id}"]
    office.pool.end(job.id, outcome="Failed")
    assert list(office.blobs.list("params")) == []


def test_private_inputs_are_erased_when_the_job_is_cancelled_in_the_queue(office):
    job = office.submit(private=True)
    office.service.cancel(ADA, job.id)
    assert list(office.blobs.list("params")) == []


def test_private_results_are_gone_after_one_reading_and_a_grace(office):
    job = office.run(private=True)
    office.clock.now += timedelta(days=1)
    assert office.service.results(ADA, job.id) is not None  # a reply that was lost
    office.service.results_sent(ADA, job.id)
    office.clock.now += timedelta(seconds=59)
    assert office.service.results(ADA, job.id) is not None
    office.service.results_sent(ADA, job.id)  # reading again does not renew the grace
    office.clock.now += timedelta(seconds=1)
    assert office.service.results(ADA, job.id) is None
    assert list(office.blobs.list("result")) == []


# --- cancel and delete ------------------------------------------------------------------------


def test_queued_job_is_cancelled_at_once_and_free(office):
    job = office.submit()
    office.service.cancel(ADA, job.id)
    job = office.service.job(ADA, job.id)
    assert (job.state, job.reason, job.usage_s) == (JobState.CANCELLED, None, 0.0)
    office.settle()
    assert office.pool.tickets == {}


@pytest.mark.parametrize(("backend", "charged_s"), [("heron", 2.0), ("ideal", 0.0), ("mock_heron", 0.0)])
def test_running_job_is_killed_and_charged_for_the_device(office, backend, charged_s):
    job = office.submit(backend=backend)
    office.settle()
    office.service.cancel(ADA, job.id)
    job = office.service.job(ADA, job.id)
    assert (job.state, job.usage_s) == (JobState.CANCELLED, charged_s)


def test_cancelling_again_is_no_error(office):
    job = office.submit()
    office.service.cancel(ADA, job.id)
    office.service.cancel(ADA, job.id)


@pytest.mark.parametrize(("outcome", "code"), [("Completed", None), ("Failed", 1517), ("Cancelled", 1305)])
def test_job_that_ended_by_itself_cannot_be_cancelled(office, outcome, code):
    job = office.submit()
    office.settle()
    office.pool.end(job.id, outcome=outcome, code=code, reason="because")
    with pytest.raises(JobNotCancellable):
        office.service.cancel(ADA, job.id)
    assert office.state(job) == outcome


def test_deleted_job_leaves_nothing_but_its_charge(office):
    job = office.run()
    office.blobs.put(f"log/{job.id}/1", b"hello")
    office.service.delete(ADA, job.id)
    with pytest.raises(UnknownJob):
        office.service.job(ADA, job.id)
    assert list(office.blobs.list("")) == []
    assert office.service.usage(ADA).consumed_s == 1


def test_queued_job_can_be_deleted_and_does_not_run(office):
    job = office.submit()
    office.service.delete(ADA, job.id)
    office.settle()
    assert office.pool.tickets == {}
    with pytest.raises(UnknownJob):
        office.service.job(ADA, job.id)


def test_running_job_cannot_be_deleted_and_is_left_alone(office):
    job = office.submit()
    office.settle()
    with pytest.raises(JobNotFinished):
        office.service.delete(ADA, job.id)
    office.pool.end(job.id)
    assert office.state(job) is JobState.COMPLETED


def test_cancel_that_was_answered_ends_in_cancelled_whoever_wins_the_race(office):
    outcomes = set()
    for number in range(40):
        job = office.submit(backend="ideal")
        office.settle()
        done = office.pool.done.pop((job.id, 1))
        receipt = Receipt(job.id, 1, "Completed")
        finishing = threading.Thread(target=done, args=(receipt,))
        if number % 2:
            finishing.start()
        try:
            office.service.cancel(ADA, job.id)
            answered = True
        except JobNotCancellable:
            answered = False
        if not number % 2:
            finishing.start()
        finishing.join()
        outcomes.add((answered, office.state(job)))
    assert outcomes <= {(True, JobState.CANCELLED), (False, JobState.COMPLETED)}


# --- sessions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_s", "who", "mode", "backend", "ttl_s"),
    [
        (None, ADA, Mode.DEDICATED, "heron", 28_800),
        (100, ADA, Mode.DEDICATED, "heron", 100),
        (90_000, ADA, Mode.BATCH, "ideal", 28_800),
        (90_000, ADA_ELSEWHERE, Mode.BATCH, "ideal", 600),
    ],
)
def test_session_lasts_as_long_as_asked_and_the_plan_allows(office, asked_s, who, mode, backend, ttl_s):
    session = office.open(mode, who, backend=backend, max_ttl_s=asked_s)
    assert (session.max_ttl_s, session.active_ttl_s, session.interactive_ttl_s) == (ttl_s, ttl_s, 60)
    assert (session.state, session.mode, session.backend) == (SessionState.OPEN, mode, backend)


def test_session_with_no_time_is_refused(office):
    with pytest.raises(BadRequest, match="0 s"):
        office.open(max_ttl_s=0)


def test_open_plan_has_no_dedicated_sessions(office):
    with pytest.raises(SessionNotInPlan):
        office.open(Mode.DEDICATED, ADA_ELSEWHERE, backend="ideal")


def test_session_needs_a_backend_of_the_instance(office):
    with pytest.raises(UnknownBackend):
        office.open(backend="nope")


def test_repeated_post_gives_the_session_it_made_first(office):
    opened = [
        office.service.open_session(ADA, Mode.BATCH, "heron", Ttls(), fingerprint="same") for _ in range(2)
    ]
    assert opened[0].id == opened[1].id


def test_session_takes_only_jobs_for_its_backend(office):
    session = office.open()
    with pytest.raises(BadRequest, match="for backend heron"):
        office.submit(backend="ideal", session_id=session.id)
    assert office.submit(session_id=session.id).session == session.id


def test_session_without_jobs_closes_at_once(office):
    session = office.open()
    office.service.close_session(ADA, session.id, False)
    session = office.service.session(ADA, session.id)
    assert (session.state, session.state_reason) == (SessionState.CLOSED, "session_closed_early")


def test_closing_session_runs_its_queued_jobs_and_takes_no_more(office):
    session = office.open()
    first, second = office.submit(session_id=session.id), office.submit(session_id=session.id)
    office.settle()
    office.service.close_session(ADA, session.id, False)
    with pytest.raises(SessionClosed):
        office.submit(session_id=session.id)
    assert office.service.session(ADA, session.id).state is SessionState.ACTIVE
    for job in (first, second):
        office.settle()
        office.pool.end(job.id)
    office.settle()
    assert office.service.session(ADA, session.id).state is SessionState.CLOSED
    assert office.state(second) is JobState.COMPLETED


def test_session_that_stopped_accepting_can_accept_again_while_it_lives(office):
    session = office.open()
    office.submit(session_id=session.id)
    office.service.close_session(ADA, session.id, False)
    office.service.close_session(ADA, session.id, True)
    assert office.submit(session_id=session.id).state is JobState.QUEUED


def test_cancelled_session_fails_its_queue_and_lets_the_running_job_finish(office):
    session = office.open()
    running, waiting = (
        office.submit(session_id=session.id),
        office.submit(session_id=session.id, private=True),
    )
    office.settle()
    office.service.cancel_session(ADA, session.id)
    job = office.service.job(ADA, waiting.id)
    assert (job.state, job.reason_code) == (JobState.FAILED, 1217)
    assert "cancelled" in job.reason
    assert list(office.blobs.list("params")) == [f"params/{running.id}"]
    assert office.state(running) is JobState.RUNNING
    office.pool.end(running.id)
    office.settle()
    session = office.service.session(ADA, session.id)
    assert (session.state, session.state_reason) == (SessionState.CLOSED, "session_cancelled")
    assert office.state(running) is JobState.COMPLETED


def test_cancelled_session_can_still_be_closed_which_changes_nothing(office):
    session = office.open()
    office.service.cancel_session(ADA, session.id)
    before = office.service.session(ADA, session.id)
    office.service.close_session(ADA, session.id, False)
    office.service.close_session(ADA, session.id, True)
    office.service.cancel_session(ADA, session.id)
    assert office.service.session(ADA, session.id) == before
    assert before.state is SessionState.CLOSED


def test_change_of_a_session_wins_over_a_change_of_state_meanwhile(office):
    session = office.open()
    job = office.submit(session_id=session.id)
    read = office.store.session
    stale = [read(session.id)]
    office.settle()  # the session is active now

    def read_stale_once(*args):
        return stale.pop() if stale else read(*args)

    office.store.session = read_stale_once
    office.service.close_session(ADA, session.id, False)
    session = read(session.id)
    assert (session.state, session.accepting_jobs) == (SessionState.ACTIVE, False)
    assert office.state(job) is JobState.RUNNING


# --- backends and usage -----------------------------------------------------------------------


def test_backends_are_listed_with_their_queues_and_mocks_only_when_wanted(office):
    office.submit()
    listed = [(record.name, queue) for record, queue in office.service.backends(ADA, mocks=False)]
    assert listed == [("heron", 1), ("ideal", 0)]
    assert len(office.service.backends(ADA, mocks=True)) == 3
    assert office.service.queue_length("heron") == 1


def test_mock_twin_goes_with_its_device(office):
    assert [r.name for r, _ in office.service.backends(ADA_ELSEWHERE, mocks=True)] == ["ideal"]
    with pytest.raises(UnknownBackend):
        office.service.backend(ADA_ELSEWHERE, "mock_heron")


@pytest.mark.parametrize(
    ("when", "day"), [(None, 24), (T0 + timedelta(days=9), 30), (T0 + timedelta(days=1), 24), (T0, 24)]
)
def test_properties_are_the_newest_before_a_moment(office, when, day):
    renewed = PROPERTIES | {"last_update_date": "2026-11-30T08:00:00+00:00"}
    if when is not None:
        office.store.put_backends([replace(HERON, properties=renewed)], T0)
    found = office.service.properties(ADA, "heron", updated_before=when, calibration=None)
    assert found["last_update_date"] == f"2026-11-{day}T08:00:00+00:00"


def test_ideal_simulator_has_no_properties(office):
    assert office.service.properties(ADA, "ideal", updated_before=T0, calibration=None) is None


def test_unknown_calibration_is_refused_by_name(office):
    assert office.service.properties(ADA, "heron", updated_before=None, calibration="slow") == PROPERTIES
    with pytest.raises(UnknownCalibration, match="nope"):
        office.service.properties(ADA, "heron", updated_before=None, calibration="nope")


def test_usage_is_told_in_whole_seconds_beside_limit_and_allocation(office):
    office.run(usage_s=2.75)
    usage = office.service.usage(ADA)
    assert (usage.consumed_s, usage.limit_s, usage.allocation_s) == (2, 10, 20)
    assert (usage.limit_reached, usage.end - usage.start) == (False, timedelta(days=28))


def test_usage_at_the_limit_says_so(office):
    office.run(usage_s=10)
    assert office.service.usage(ADA).limit_reached
    assert office.service.usage(EVE).limit_reached is False


def test_finished_job_keeps_its_state_for_ever(office):
    job = office.run()
    assert not office.store.finish(job.id, job.fence, FinalState(JobState.FAILED), now=T0)
    assert office.state(job) is JobState.COMPLETED
