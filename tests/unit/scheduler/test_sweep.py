"""The sweep removes what nobody can read any more, and nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.blobs import LocalBlobs
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.scheduler.sweep import is_taken_away, sweep
from coldplate.store.store import Store

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRACE = timedelta(seconds=60)
CRN = make_crn("local", "default")


def job(name="a", **fields):
    return Job(JobId(name * 20), CRN, "ada", "sampler", "heron", NOW, **fields)


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'db'}")
    store.migrate()
    store.add_instance(Instance(CRN, "default"))
    yield store
    store.close()


def put(blobs, key, *, age):
    blobs.put(key, b"x")
    date(blobs.path(key), age)


def date(path, age):
    then = (NOW - age).timestamp()
    os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("id", "age", "removed"),
    [
        pytest.param("a" * 20, timedelta(days=99), False, id="of a job"),
        pytest.param("z" * 20, timedelta(hours=23), False, id="of nothing yet"),
        pytest.param("z" * 20, timedelta(hours=24), True, id="of nothing"),
    ],
)
@pytest.mark.parametrize("kind", ["params/{}", "result/{}/1", "log/{}/1"])
def test_file_without_a_job_is_removed_after_a_day(store, tmp_path, kind, id, age, removed):
    store.add_job(job("a"), fingerprint="a", now=NOW)
    blobs, key = LocalBlobs(tmp_path / "blobs"), kind.format(id)
    put(blobs, key, age=age)
    assert sweep(store, blobs, now=NOW, grace=GRACE) == ([key] if removed else [])
    assert blobs.path(key).exists() is not removed


@pytest.mark.parametrize(("age", "removed"), [(timedelta(hours=1), []), (timedelta(days=1), [".half"])])
def test_half_written_file_is_removed_after_a_day(store, tmp_path, age, removed):
    blobs = LocalBlobs(tmp_path / "blobs")
    put(blobs, "params/" + "z" * 20, age=timedelta(0))
    half = tmp_path / "blobs" / "params" / ".half"
    half.write_bytes(b"x")
    date(half, age)
    assert sweep(store, blobs, now=NOW, grace=GRACE) == removed


def test_params_of_a_private_job_that_ended_are_removed(store, tmp_path):
    private, open_ = job("a", private=True), job("b")
    blobs = LocalBlobs(tmp_path / "blobs")
    for each in (private, open_):
        store.add_job(each, fingerprint=each.id, now=NOW)
        put(blobs, each.params_key, age=timedelta(0))
        store.request_cancel(each.id, NOW)
    assert sweep(store, blobs, now=NOW, grace=GRACE) == [private.params_key]


@pytest.mark.parametrize(
    ("kind", "fields", "gone"),
    [
        ("params", {"state": JobState.RUNNING}, False),
        ("params", {"state": JobState.COMPLETED}, True),
        ("result", {"state": JobState.RUNNING}, False),
        pytest.param("result", {"state": JobState.COMPLETED}, False, id="not read yet"),
        pytest.param("result", {"state": JobState.CANCELLED}, True, id="nobody may read it"),
        pytest.param(
            "result", {"state": JobState.COMPLETED, "results_read": NOW - GRACE}, True, id="grace is over"
        ),
        pytest.param("result", {"state": JobState.COMPLETED, "results_read": NOW}, False, id="grace"),
        ("log", {"state": JobState.COMPLETED}, False),
    ],
)
def test_files_of_a_private_job_are_taken_away_in_time(kind, fields, gone):
    assert is_taken_away(job(private=True, **fields), kind, now=NOW, grace=GRACE) is gone
