from __future__ import annotations

import signal

import pytest

from coldplate.workers.messages import Ended, Lost, Started
from coldplate.workers.pool import Limits, Receipt, Ticket
from coldplate.workers.supervise import Attempt, Rests, keep_log, manner_of_death, verdict

LIMITS = Limits(memory_bytes=1 << 30, cpu_s=10, wall_s=300)
TICKET = Ticket(
    "job", 2, "sampler", "aer", "params/job", "result/job/2", "log/job/2", "/blobs", limits=LIMITS
)
DONE = Receipt("job", 2, "Completed", usage_s=2.0)
CANCELLED = Receipt("job", 2, "Cancelled")
OLD = Receipt("job", 1, "Completed")
LOST = Lost("job", 2, "The worker process was lost.")


def ended(code: int, **more: object) -> Ended:
    return Ended("job", 2, code, **more)


@pytest.mark.parametrize(
    ("news", "cause", "expected"),
    [
        pytest.param(ended(0, receipt=DONE), None, DONE, id="its-own-receipt-is-the-answer"),
        pytest.param(ended(0, receipt=DONE), "wall", DONE, id="done-just-before-the-time-limit-is-done"),
        pytest.param(ended(0, receipt=DONE), "close", DONE, id="done-just-before-closing-is-done"),
        pytest.param(
            ended(0, receipt=DONE),
            "cancel",
            Receipt("job", 2, "Cancelled"),
            id="a-cancel-that-was-accepted-holds",
        ),
        pytest.param(LOST, "cancel", Receipt("job", 2, "Cancelled"), id="a-cancel-needs-no-zygote"),
    ],
)
def test_the_receipt_follows_from_the_end_and_the_cause(news, cause, expected):
    assert verdict(TICKET, news, cause) == expected


@pytest.mark.parametrize(
    ("news", "cause", "outcome", "code", "lost"),
    [
        pytest.param(ended(-9), "wall", "Cancelled", 1305, False, id="wall-limit"),
        pytest.param(LOST, "wall", "Cancelled", 1305, False, id="wall-limit-and-lost"),
        pytest.param(ended(-signal.SIGXCPU), None, "Cancelled", 1305, False, id="processor-limit"),
        pytest.param(ended(-9, cpu_s=10.1), None, "Cancelled", 1305, False, id="hard-processor-limit"),
        pytest.param(ended(-9, cpu_s=9.0), None, "Failed", None, True, id="killed-by-a-stranger"),
        pytest.param(ended(-15), None, "Failed", None, True, id="ended-with-the-machine"),
        pytest.param(ended(-9, oom_kills=1), None, "Failed", 4002, False, id="killed-by-the-kernel"),
        pytest.param(ended(-11, oom_kills=1), None, "Failed", 4003, False, id="crash-while-others-were"),
        pytest.param(ended(-6, tail="what(): std::bad_alloc"), None, "Failed", 4002, False, id="bad-alloc"),
        pytest.param(ended(0, receipt=OLD), None, "Failed", 4003, False, id="old-receipt"),
        pytest.param(LOST, None, "Failed", None, True, id="lost"),
        pytest.param(ended(-9), "close", "Failed", None, True, id="closed"),
        pytest.param(ended(-9), "stale", "Failed", None, True, id="stale"),
        pytest.param(ended(0, receipt=DONE), "stale", "Failed", None, True, id="stale-though-done"),
    ],
)
def test_an_end_without_its_own_receipt_has_an_outcome_and_a_code(news, cause, outcome, code, lost):
    receipt = verdict(TICKET, news, cause)
    assert (receipt.job, receipt.fence) == ("job", 2)
    assert (receipt.outcome, receipt.code, receipt.lost) == (outcome, code, lost)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-11, "was ended by SIGSEGV (Segmentation fault)"),
        (-6, "was ended by SIGABRT (Aborted)"),
        (-35, "was ended by signal 35 (Real-time signal 1)"),
        (3, "ended with exit code 3 and without a result"),
    ],
)
def test_a_death_is_told_in_words(code, words):
    assert manner_of_death(code) == words


def test_the_log_of_a_cancelled_job_is_what_it_had_said(tmp_path):
    ticket = Ticket("abcdefgh", 1, "sampler", "aer", "", "", "log/abcdefgh/1", str(tmp_path))
    keep_log(ticket, "2025-01-01T00:00:00.000+00:00 INFO half way", Receipt("abcdefgh", 1, "Cancelled"))
    assert (tmp_path / "log/abcdefgh/1").read_text() == "2025-01-01T00:00:00.000+00:00 INFO half way\n"


def test_a_job_that_said_nothing_and_was_cancelled_has_no_log(tmp_path):
    ticket = Ticket("abcdefgh", 1, "sampler", "aer", "", "", "log/abcdefgh/1", str(tmp_path))
    keep_log(ticket, "", Receipt("abcdefgh", 1, "Cancelled"))
    assert not (tmp_path / "log").exists()


# --- the time limit rests -------------------------------------------------------------------------


class Killed:
    def __init__(self):
        self.orders = []

    def kill(self, ticket):
        self.orders.append(ticket.job)

    def replace_zygote(self):
        raise AssertionError


@pytest.mark.parametrize(("rests", "killed"), [(True, []), (False, ["job"])])
def test_time_limit_rests_while_a_process_waits_for_its_device(monkeypatch, rests, killed):
    now, killer = [0.0], Killed()
    monkeypatch.setattr("coldplate.workers.supervise.time.monotonic", lambda: now[0])
    attempt = Attempt(TICKET, killer=killer, beat=None, beat_s=1.0)
    attempt._note(Started("job", 2, 7))
    now[0] = 290.0
    if rests:
        attempt._note(Rests(True))
    now[0] = 1000.0
    attempt._keep_time()
    assert killer.orders == killed


def test_time_limit_goes_on_when_it_drives(monkeypatch):
    now, killer = [0.0], Killed()
    monkeypatch.setattr("coldplate.workers.supervise.time.monotonic", lambda: now[0])
    attempt = Attempt(TICKET, killer=killer, beat=None, beat_s=1.0)
    attempt._note(Started("job", 2, 7))
    for at, rests in ((100.0, True), (1000.0, False)):
        now[0] = at
        attempt._note(Rests(rests))
    now[0] = 1199.0
    attempt._keep_time()
    assert killer.orders == []
    now[0] = 1200.0
    attempt._keep_time()
    assert killer.orders == ["job"]
