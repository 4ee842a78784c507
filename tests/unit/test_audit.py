"""The audit finds every kind of damage, and none where there is none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from coldplate.audit import audit
from coldplate.blobs import LocalBlobs
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.job import Job, JobId, JobState
from coldplate.domain.query import FinalState
from coldplate.store.store import Store

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LAB = Instance(make_crn("local", "lab"), "lab")


class Shop:
    """A store with jobs in every state, and their files."""

    def __init__(self, directory):
        self.file = directory / "coldplate.db"
        self.store, self.blobs = Store(f"sqlite:///{self.file}"), LocalBlobs(directory / "blobs")
        self.store.migrate()
        self.store.add_instance(LAB)
        self.queued = self.add("queued")
        self.running = self.add("running")
        self.store.start(self.running, lane=0, now=NOW, lease_s=30)
        self.done = self.complete("done")
        self.private = self.complete("private", private=True)
        self.blobs.delete(f"params/{self.private}")
        self.store.mark_results_read(self.private, NOW)
        self.blobs.delete(f"result/{self.private}")

    def add(self, name, **fields):
        id = JobId(name.ljust(20, "x"))
        size, digest = self.blobs.put(f"params/{id}", name.encode())
        job = Job(
            id, LAB.id, "ada", "sampler", "heron", NOW, params_size=size, params_sha256=digest, **fields
        )
        return self.store.add_job(job, fingerprint=name, now=NOW).id

    def complete(self, name, **fields):
        id = self.add(name, **fields)
        fence = self.store.start(id, lane=1, now=NOW, lease_s=30).fence
        size, digest = self.blobs.put(f"result/{id}/{fence}", b"0110")
        end = FinalState(JobState.COMPLETED, usage_s=2.0, result_size=size, result_sha256=digest)
        assert self.store.finish(id, fence, end, now=NOW)
        return id

    def sql(self, statement):
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement)

    def problems(self):
        return audit(self.store, self.blobs).problems


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.store.close()


def test_whole_store_has_no_problems(shop):
    found = audit(shop.store, shop.blobs)
    assert (found.problems, found.jobs, found.files, found.orphans) == ([], 4, 4, [])


def test_files_that_no_job_needs_are_orphans_and_no_problem(shop):
    keys = [f"params/{'o' * 20}", f"result/{shop.done}/7"]
    for key in keys:
        shop.blobs.put(key, b"x")
    found = audit(shop.store, shop.blobs)
    assert (found.problems, found.orphans) == ([], sorted(keys))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda shop: shop.blobs.delete(f"params/{shop.queued}"), "is missing"),
        (lambda shop: shop.blobs.put(f"params/{shop.running}", b"other"), "has 5 bytes, not 7"),
        (lambda shop: shop.blobs.put(f"result/{shop.done}/1", b"0111"), "is not what was written"),
        (lambda shop: shop.blobs.delete(f"result/{shop.done}"), "is missing"),
    ],
)
def test_file_that_is_not_what_was_written_is_a_problem(shop, damage, words):
    damage(shop)
    (problem,) = shop.problems()
    assert words in problem


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM terminal_event", "no end of it was recorded"),
        ("UPDATE terminal_event SET state = 'Failed'", "recorded as Failed"),
        ("UPDATE terminal_event SET fence = 9", "ended with fence 9"),
        ("UPDATE job SET lease_until = NULL WHERE state = 'Running'", "without a lane, a lease"),
        ("UPDATE job SET lane = 3 WHERE state = 'Queued'", "still holds a lane"),
        ("UPDATE job SET driving = 3 WHERE state = 'Queued'", "still holds or wants its device"),
        ("UPDATE job SET asked = 3, driving = 3 WHERE state = 'Running'", "both waits for its device and"),
        ("UPDATE job SET attempts = 5 WHERE state = 'Running'", "has 5 attempts"),
        ("UPDATE job SET ended = 1 WHERE state = 'Queued'", "has a time of its end"),
        ("UPDATE job SET result_size = NULL WHERE state = 'Completed'", "without a result"),
        ("INSERT INTO usage SELECT 99, instance, backend, at, seconds, job, session FROM usage", "2 times"),
        ("UPDATE usage SET seconds = 3", "charged 3.0 s"),
        ("UPDATE usage SET instance = 'crn'", "charged to crn"),
        ("UPDATE job SET instance = 'crn' WHERE state = 'Queued'", "refers to one of instance"),
    ],
)
def test_tables_that_contradict_themselves_are_a_problem(shop, statement, words):
    if "INSERT" in statement:
        shop.sql("DELETE FROM usage WHERE number > 1")
    shop.sql(statement)
    problems = shop.problems()
    assert problems
    assert words in problems[0], problems


def test_job_that_is_deleted_during_the_audit_is_no_problem(shop):
    before = shop.store.audited()
    shop.store.delete_job(shop.done)
    shop.blobs.delete(f"params/{shop.done}")
    shop.blobs.delete(f"result/{shop.done}")
    shop.store.audited = lambda: before
    assert shop.problems() == []
