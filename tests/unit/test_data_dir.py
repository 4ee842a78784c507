"""The data directory is private, and one server's at a time."""

from __future__ import annotations

import json
import os
import stat

import pytest

from coldplate.data_dir import DataDirUnusable, announced, opened, write_account


def rights(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_is_made_private(tmp_path):
    with opened(tmp_path / "a" / "b"):
        assert rights(tmp_path / "a" / "b") == 0o700


def test_directory_that_others_could_read_is_closed_to_them(tmp_path):
    tmp_path.chmod(0o755)
    with opened(tmp_path):
        assert rights(tmp_path) == 0o700


def test_second_server_is_kept_out_and_told_of_the_first(tmp_path):
    with opened(tmp_path), announced(tmp_path, url="http://127.0.0.1:8080"):
        with pytest.raises(DataDirUnusable, match=rf"process {os.getpid()} at http://127.0.0.1:8080"):
            with opened(tmp_path):
                pass


def test_directory_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with opened(tmp_path):
            pass


def test_place_that_cant_be_a_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirUnusable, match="file can't be used"):
        with opened(tmp_path / "file"):
            pass


def test_address_of_a_server_that_was_killed_is_forgotten(tmp_path):
    (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:1"}))
    with opened(tmp_path):
        assert not (tmp_path / "server.json").exists()


def test_address_is_told_only_while_the_server_runs(tmp_path):
    with announced(tmp_path, url="http://127.0.0.1:5"):
        told = json.loads((tmp_path / "server.json").read_text())
        assert told == {"pid": os.getpid(), "url": "http://127.0.0.1:5"}
    assert not (tmp_path / "server.json").exists()


def test_key_is_readable_for_its_owner_alone(tmp_path):
    write_account(tmp_path, key="cp_1", crn="crn:1")
    write_account(tmp_path, key="cp_2", crn="crn:2")
    assert rights(tmp_path / "account.json") == 0o600
    assert json.loads((tmp_path / "account.json").read_text()) == {"key": "cp_2", "crn": "crn:2"}
