"""Bytes by key: whole or not at all, and only under keys of our own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldplate.blobs import LocalBlobs

ID, OTHER = "a2" * 10, "b3" * 10
PARAMS, RESULT = f"params/{ID}", f"result/{ID}/1"

BAD_KEYS = [
    "",
    "params",
    f"/{PARAMS}",
    f"{PARAMS}/",
    f"{PARAMS}/x",
    f"{PARAMS}/1/2",
    f"{PARAMS}\n",
    "params/short",
    f"params/{'a' * 41}",
    f"PARAMS/{ID}",
    f"params/{ID.upper()}",
    "params/../../etc/passwd",
    "../params/" + ID,
    f"params//{ID}",
    f"params/{ID}/..",
    f"params/{ID}/١",
    f"params/{ID}\0",
]


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path / "not" / "yet" / "there")


def names_beside(blobs, key):
    return [path.name for path in blobs.path(key).parent.iterdir()]


def test_what_was_put_can_be_read(blobs):
    assert blobs.put(PARAMS, b"hello") == (5, hashlib.sha256(b"hello").hexdigest())
    with blobs.open(PARAMS) as file:
        assert file.read() == b"hello"
    assert blobs.path(PARAMS).read_bytes() == b"hello"


def test_file_is_copied_with_the_same_size_and_checksum(blobs, tmp_path, rng):
    data, source = rng.bytes(3_000_000), tmp_path / "upload"
    source.write_bytes(data)
    assert blobs.put(RESULT, source) == (len(data), hashlib.sha256(data).hexdigest())
    assert blobs.path(RESULT).read_bytes() == data == source.read_bytes()


def test_putting_again_replaces_all(blobs):
    blobs.put(PARAMS, b"a longer text")
    blobs.put(PARAMS, b"short")
    assert blobs.path(PARAMS).read_bytes() == b"short"


def test_reader_keeps_what_it_has_opened(blobs):
    blobs.put(PARAMS, b"first")
    with blobs.open(PARAMS) as file:
        blobs.put(PARAMS, b"second")
        blobs.delete(PARAMS)
        assert file.read() == b"first"


def test_missing_key_is_not_found(blobs):
    with pytest.raises(FileNotFoundError):
        blobs.open(PARAMS)


VERBS = ("path", "open", "put", "delete", "list")
PREFIXES = {("list", ""), ("list", "params")}


@pytest.mark.parametrize(
    ("verb", "key"), [(verb, key) for verb in VERBS for key in BAD_KEYS if (verb, key) not in PREFIXES]
)
def test_key_that_is_not_ours_is_refused(blobs, verb, key):
    arguments = (b"x",) if verb == "put" else ()
    with pytest.raises(ValueError, match="blob key"):
        list(getattr(blobs, verb)(key, *arguments) or ())
    assert not blobs.root.exists()


@given(st.text())
def test_no_path_leaves_the_directory(tmp_path_factory, key):
    root = tmp_path_factory.getbasetemp() / "blobs"
    try:
        path = LocalBlobs(root).path(key)
    except ValueError:
        return
    assert path.resolve().is_relative_to(root.resolve())


def test_list_gives_the_keys_below_a_prefix_in_order(blobs):
    for key in (RESULT, PARAMS, f"result/{OTHER}/2", f"result/{OTHER}/1"):
        blobs.put(key, b"x")
    assert list(blobs.list("")) == [PARAMS, RESULT, f"result/{OTHER}/1", f"result/{OTHER}/2"]
    assert list(blobs.list(f"result/{OTHER}")) == [f"result/{OTHER}/1", f"result/{OTHER}/2"]
    assert list(blobs.list("log")) == []


def test_delete_takes_a_key_or_all_below_it(blobs):
    for key in (PARAMS, RESULT, f"result/{ID}/2", f"result/{OTHER}/1"):
        blobs.put(key, b"x")
    blobs.delete(PARAMS)
    blobs.delete(f"result/{ID}")
    blobs.delete(f"result/{ID}")
    assert list(blobs.list("")) == [f"result/{OTHER}/1"]


def test_delete_takes_halves_that_a_killed_writer_left(blobs):
    blobs.put(RESULT, b"x")
    (blobs.path(RESULT).parent / ".half").write_bytes(b"y")
    blobs.delete(f"result/{ID}")
    assert not blobs.path(RESULT).parent.exists()


def test_put_that_fails_leaves_nothing(blobs, tmp_path):
    blobs.put(PARAMS, b"old")
    with pytest.raises(FileNotFoundError):
        blobs.put(PARAMS, tmp_path / "no such file")
    assert blobs.path(PARAMS).read_bytes() == b"old"
    assert names_beside(blobs, PARAMS) == [ID]


WRITE_TOO_MUCH = """
import resource, signal, sys
from pathlib import Path
from coldplate.blobs import LocalBlobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    LocalBlobs(Path(sys.argv[1])).put(sys.argv[2], b"x" * 100_000)
except OSError as error:
    print(type(error).__name__)
"""


def test_disk_that_takes_no_more_leaves_no_half(blobs):
    command = [sys.executable, "-c", WRITE_TOO_MUCH, str(blobs.root), PARAMS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "OSError\n"
    assert names_beside(blobs, PARAMS) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the names of open files")
def test_bytes_and_all_new_names_are_flushed_before_put_returns(blobs, monkeypatch):
    """And one commit of a journal takes the content with its name, which is given first."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        done.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def note_rename(source, target):
        done.append(("rename", Path(target).name))
        replace(source, target)

    blobs.put(f"params/{OTHER}", b"x")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_rename)
    blobs.put(RESULT, b"x")
    assert done[:2] == [("fsync", "there"), ("rename", "1")]  # where the directory of all results is made
    assert sorted(done[2:]) == [("fsync", "1"), ("fsync", ID), ("fsync", "result")]


def test_names_are_flushed_one_after_the_other_where_no_thread_can_be_had(blobs, monkeypatch):
    done = []
    monkeypatch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("no room")))
    monkeypatch.setattr(os, "fsync", lambda file: done.append(Path(f"/proc/self/fd/{file}").readlink().name))
    blobs.put(RESULT, b"x")
    assert done[-3:] == ["1", ID, "result"]


def test_child_needs_nothing_heavy_to_use_it():
    code = "import sys, coldplate.blobs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "fastapi", "qiskit", "numpy", "pydantic"} & set(done.stdout.split())
