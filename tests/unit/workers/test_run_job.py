from __future__ import annotations

import hashlib
import logging
import re
import warnings

import numpy as np
import pytest

from coldplate.blobs import LocalBlobs
from coldplate.errors import NotIsa
from coldplate.programs.registry import Answer
from coldplate.workers import run_job as run_job_module
from coldplate.workers.pool import Receipt, Ticket
from coldplate.workers.run_job import MAX_LOG, run_job

JOB = "abcdefghij"
TOO_MUCH = "The job needed more memory than the 4 GiB it may use."
LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ .+\n", re.MULTILINE)


class PanicException(BaseException):
    """As Rust code raises it: not an Exception."""


@pytest.fixture
def blobs(tmp_path):
    blobs = LocalBlobs(tmp_path)
    blobs.put(f"params/{JOB}", b"params")
    return blobs


@pytest.fixture
def run(blobs, tmp_path):
    """Runs a program as a job would."""

    def run(program, **more) -> Receipt:
        keys = {"params_key": f"params/{JOB}", "result_key": f"result/{JOB}/1", "log_key": f"log/{JOB}/1"}
        given = {"backend": "aer", "blobs_root": str(tmp_path)} | keys | more
        return run_job(
            Ticket(JOB, 1, "toy", **given), find=lambda _id: program, load=lambda name, path: (name, path)
        )

    return run


def raiser(error):
    def program(_params, _backend, _context):
        raise error

    return program


def log_of(blobs) -> str:
    with blobs.open(f"log/{JOB}/1") as file:
        return file.read().decode()


def test_the_answer_is_stored_and_its_receipt_says_where_and_what_it_cost(run, blobs):
    seen = []

    def program(params, backend, context):
        seen.append((params, backend.device, context.seed, context.in_session))
        return Answer(b"result", usage_s=2.5, metrics={"num_circuits": 3})

    receipt = run(program, seed=7, in_session=True)
    assert seen == [(b"params", ("aer", None), 7, True)]
    with blobs.open(f"result/{JOB}/1") as file:
        assert file.read() == b"result"
    assert (receipt.outcome, receipt.usage_s, receipt.result_size) == ("Completed", 2.5, 6)
    assert receipt.result_sha256 == hashlib.sha256(b"result").hexdigest()
    assert receipt.metrics.keys() == {"num_circuits", "qiskit_version", "coldplate"}


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (NotIsa("Circuit 0 has a ccx."), 1517, "Circuit 0 has a ccx."),
        (MemoryError(), 4002, TOO_MUCH),
        (
            RuntimeError("ERROR: Insufficient memory ..."),
            4002,
            TOO_MUCH,
        ),
        (
            OSError(12, "Cannot allocate memory"),
            4002,
            TOO_MUCH,
        ),
        (OSError(27, "File too large"), 1520, "The job's result is larger than 4 GiB."),
        (ValueError("bad\nsecond line"), 1500, "Internal error while executing the job (ValueError: bad)."),
        (
            FileNotFoundError(2, "No such file or directory", "/secret/path"),
            1500,
            "Internal error while executing the job (FileNotFoundError: No such file or directory).",
        ),
        (PanicException("oops"), 1500, "Internal error while executing the job (PanicException: oops)."),
        (KeyboardInterrupt(), 1500, "Internal error while executing the job (KeyboardInterrupt)."),
        (SystemExit(3), 1500, "Internal error while executing the job (SystemExit: 3)."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_error_is_a_failed_job_with_a_code_and_a_short_reason(run, error, code, reason):
    receipt = run(raiser(error))
    assert (receipt.outcome, receipt.code, receipt.reason) == ("Failed", code, reason)
    assert receipt.solution


def test_the_traceback_is_in_the_log_and_not_in_the_reason(run, blobs):
    receipt = run(raiser(ValueError("bad")))
    assert "Traceback (most recent call last)" in log_of(blobs)
    assert "Traceback" not in receipt.reason


def test_an_error_that_is_ours_is_logged_without_a_traceback(run, blobs):
    run(raiser(NotIsa("Circuit 0 has a ccx.")))
    assert re.fullmatch(r".* ERROR Circuit 0 has a ccx.\n", log_of(blobs))


@pytest.mark.parametrize(
    ("keys", "code", "why"),
    [
        ({}, 4052, "uploaded programs are not run now"),
        ({"code_key": "code/zzzzzzzzzz"}, 1500, "The job's program is missing from the service's store."),
    ],
)
def test_uploaded_program_that_can_not_be_run_fails_its_job(run, tmp_path, keys, code, why):
    uploaded = {"params_key": f"params/{JOB}", "result_key": f"result/{JOB}/1", "log_key": f"log/{JOB}/1"}
    ticket = Ticket(JOB, 1, "a" * 20, backend="aer", blobs_root=str(tmp_path), **uploaded, **keys)
    receipt = run_job(ticket)
    assert receipt.code == code
    assert why in receipt.reason


def test_missing_params_fail_the_job(run):
    receipt = run(raiser(ValueError), params_key="params/zzzzzzzzzz")
    assert (receipt.code, receipt.reason) == (1500, "The job's inputs are missing from the service's store.")


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("DEBUG", ["DEBUG", "INFO", "WARNING"]),
        ("info", ["INFO", "WARNING"]),
        ("WARNING", ["WARNING"]),
        ("nonsense", ["WARNING"]),
    ],
)
def test_the_log_has_lines_of_the_ticket_level_and_above(run, blobs, level, levels):
    def program(_params, _backend, context):
        logging.getLogger("anything").debug("a detail")
        context.log("half way")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("deprecated", stacklevel=1)
        return Answer(b"", 0.0)

    run(program, log_level=level)
    log = log_of(blobs)
    assert [line.split()[1] for line in LINE.findall(log)] == levels


def test_a_job_that_logs_nothing_has_no_log(run, blobs):
    run(lambda *_: Answer(b"", 0.0))
    with pytest.raises(FileNotFoundError):
        log_of(blobs)


def test_a_log_has_an_end(run, blobs):
    def program(_params, _backend, context):
        for _ in range(3 * MAX_LOG // 1000):
            context.log("x" * 1000)
        return Answer(b"", 0.0)

    assert run(program, log_level="INFO").outcome == "Completed"
    assert len(log_of(blobs)) <= MAX_LOG


def test_logging_is_as_before_after_a_job(run):
    root = logging.getLogger()
    before = (root.level, list(root.handlers), warnings.showwarning)
    run(lambda *_: Answer(b"", 0.0))
    assert (root.level, list(root.handlers), warnings.showwarning) == before


def test_jobs_do_not_share_the_global_random_state(run):
    drawn = []

    def program(*_):
        drawn.append(np.random.random())
        return Answer(b"", 0.0)

    for _ in range(2):
        np.random.seed(1)  # as every child finds it after the fork
        run(program)
    assert drawn[0] != drawn[1]


@pytest.fixture
def full_for(monkeypatch):
    """The disk takes no result for so many attempts."""

    def fill(times, number=28):
        put, left = LocalBlobs.put, iter(range(times))

        def full(blobs, key, data):
            if key.startswith("result") and next(left, None) is not None:
                raise OSError(number, "No space left on device")
            return put(blobs, key, data)

        monkeypatch.setattr(LocalBlobs, "put", full)
        monkeypatch.setattr(run_job_module, "STORE_PAUSES_S", (0.0, 0.0))

    return fill


def test_result_waits_for_room_on_the_disk(run, blobs, full_for):
    full_for(2)
    assert run(lambda *_: Answer(b"result", usage_s=0)).outcome == "Completed"
    assert "No space left" in log_of(blobs)


def test_result_that_finds_no_room_is_not_the_jobs_fault(run, full_for):
    full_for(3)
    receipt = run(lambda *_: Answer(b"result", usage_s=0))
    assert (receipt.outcome, receipt.lost) == ("Failed", True)
    assert "can't be stored" in receipt.reason


def test_result_that_is_too_large_is_the_jobs_fault_at_once(run, full_for):
    full_for(1, number=27)
    receipt = run(lambda *_: Answer(b"result", usage_s=0))
    assert (receipt.code, receipt.lost) == (1520, False)
