"""Locks, full and broken disks: writes say Unavailable and change nothing, reads go on."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from coldplate.domain.query import JobFilter
from coldplate.errors import Unavailable
from coldplate.store import database
from coldplate.store.database import Database
from coldplate.store.store import Store

HOLD_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def locked_by_another_process(url: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(path_of(url))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


@pytest.fixture
def hasty(monkeypatch):
    """Nobody waits five seconds in a test."""
    assert database.BUSY_S == 5
    monkeypatch.setattr(database, "BUSY_S", 0.2)


def test_lock_of_another_process_refuses_writes_and_leaves_reads(hasty, url, store, add_job, ours):
    before = add_job()
    with locked_by_another_process(url):
        patient = Store(url)
        assert patient.jobs(JobFilter(ours.id)) == ([before], 1)
        with pytest.raises(Unavailable, match="locked"):
            patient.set_tags(before.id, ["a"])
        assert patient.job(before.id) == before
    patient.set_tags(before.id, ["a"])
    assert patient.job(before.id).tags == ("a",)
    patient.close()


def test_write_that_holds_the_lock_too_long_refuses_the_others(hasty, url, store):
    patient, inside, leave = Database(url), threading.Event(), threading.Event()

    def hold():
        with patient.writing():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    with pytest.raises(Unavailable, match="busy"), patient.writing():
        pass
    leave.set()
    thread.join()
    with patient.writing():
        pass
    patient.close()


@contextmanager
def page_limit(pages: int) -> Iterator[None]:
    """The file may grow to so many pages; a limit below its size means that it is full as it is."""

    def limit(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "begin", limit)
    try:
        yield
    finally:
        event.remove(Engine, "begin", limit)


def test_full_disk_refuses_writes_leaves_reads_and_recovers(url, store, add_job, new_job, ours, now):
    kept = [add_job()]
    refused = new_job(caller="x" * 100_000)
    with page_limit(1):
        with pytest.raises(Unavailable, match="full"):
            store.add_job(refused, fingerprint="x", now=now)
        assert store.jobs(JobFilter(ours.id)) == (kept, 1)
    with page_limit(1_000_000):
        assert store.add_job(refused, fingerprint="x", now=now) == refused
    store.close()
    with sqlite3.connect(path_of(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


FAIL_TO_WRITE = """
import resource, signal, sys
from sqlalchemy.exc import OperationalError
from coldplate.errors import Unavailable
from coldplate.store.store import Store

store = Store(sys.argv[1])
store.secret("before", lambda: b"x")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
for attempt in range(2):
    try:
        store.secret("large", lambda: b"x" * 100_000)
    except (OperationalError, Unavailable) as error:
        print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    store.secret("small", lambda: b"x")
except Unavailable as error:
    print(error)
print(len(store.instances()))
"""


def test_disk_that_failed_in_the_middle_takes_no_more_writes_before_a_restart(url, store):
    store.close()
    done = subprocess.run([sys.executable, "-c", FAIL_TO_WRITE, url], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "OperationalError",
        "Unavailable",
        "The disk of the store has failed; writing goes on after a restart.",
        "2",
    ], done.stderr


def test_database_that_is_damaged_is_unavailable(url, store, ours):
    store.close()
    path_of(url).write_bytes(b"this is no database at all, but long enough to look for its header" * 100)
    for name in ("-wal", "-shm"):
        Path(f"{path_of(url)}{name}").unlink(missing_ok=True)
    broken = Store(url)
    with pytest.raises(Unavailable):
        broken.instance(ours.id)
    with pytest.raises(Unavailable):
        broken.add_instance(ours)
    broken.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into anything")
def test_data_that_may_only_be_read_is_unavailable_for_writing(url, store, ours):
    store.close()
    path_of(url).chmod(0o400)
    reader = Store(url)
    with pytest.raises(Unavailable):
        reader.add_instance(ours)
    reader.close()


def test_mistake_in_the_sql_is_not_called_unavailable(url):
    mistaken = Database(url)
    with pytest.raises(OperationalError), mistaken.reading() as connection:
        connection.execute(text("SELECT * FROM nothing"))
    mistaken.close()


def test_failed_write_changes_nothing_and_the_next_one_works(url, store, ours):
    def fail() -> bytes:
        raise KeyError("no entropy")

    with pytest.raises(KeyError):
        store.secret("pepper", fail)
    assert store.secret("pepper", lambda: b"x") == b"x"


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_commits_are_flushed_to_disk_unless_they_need_not_be(url, store, durable, synchronous):
    with contextlib.closing(Database(url)) as database, database.writing(durable=durable) as connection:
        pragmas = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert pragmas == ["wal", synchronous, 1, 5000]


def test_flush_has_what_was_committed_on_disk(url, store, monkeypatch):
    files, sync = [], os.fdatasync
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: files.append(str(Path(f"/proc/self/fd/{fd}").readlink())) or sync(fd)
    )
    with contextlib.closing(Database(url)) as database:
        with database.writing(durable=False) as connection:
            connection.execute(text("UPDATE instance SET name = 'new'"))
        database.flush()
        assert files == [f"{path_of(url)}-wal"]


def test_flush_without_anything_to_write_is_no_error(tmp_path):
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'new.db'}")) as database:
        database.flush()


def test_disk_that_fails_to_flush_takes_no_more_writes(store, ours, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="broken"):
        store.flush()
    with pytest.raises(Unavailable, match="after a restart"):
        store.replace_instance(ours)
    assert store.instance(ours.id) == ours


def test_both_kinds_of_writes_follow_one_another_and_are_seen_at_once(url, store, ours):
    with contextlib.closing(Database(url)) as database:
        for number, durable in enumerate((True, False, True, False)):
            with database.writing(durable=durable) as connection:
                connection.execute(text("UPDATE instance SET name = :new"), {"new": f"name {number}"})
            with database.reading() as connection:
                name = connection.execute(text("SELECT DISTINCT name FROM instance")).scalar_one()
            assert name == f"name {number}"


def test_who_drives_a_device_is_noted_without_waiting_for_the_disk(store, add_job, now, monkeypatch):
    job = add_job()
    store.start(job.id, lane=0, now=now, lease_s=30)
    writing, durable = Database.writing, []

    def watched(database, **how):
        durable.append(how.get("durable", True))
        return writing(database, **how)

    monkeypatch.setattr(Database, "writing", watched)
    store.ask_for_device(job.id, 1, seconds=None, now=now)
    store.leave_device(job.id, 1, now=now)
    store.beat(job.id, 1, now=now, lease_s=30)
    store.set_tags(job.id, ["a"])
    assert durable == [False, False, False, True]
