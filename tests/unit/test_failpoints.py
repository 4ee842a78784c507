"""Failpoints act once, where and how they were armed; and never in a server that no test has started."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from coldplate import failpoints
from coldplate.failpoints import passing


@pytest.fixture
def armed(tmp_path):
    failpoints.enable(tmp_path)
    yield tmp_path
    failpoints._directory = None


def journal(directory):
    return [json.loads(line) for line in (directory / failpoints.JOURNAL).read_text().splitlines()]


def test_nothing_happens_unless_enabled(tmp_path):
    (tmp_path / "p").write_text("kill")
    passing("p", job="j")
    assert failpoints.directory() is None


def test_every_passage_is_written_down(armed):
    passing("p", job="j", fence=2)
    (line,) = journal(armed)
    assert (line["point"], line["job"], line["fence"], line["deed"]) == ("p", "j", 2, None)
    assert line["pid"] == os.getpid()


def test_armed_point_fails_once(armed):
    (armed / "p").write_text("error ENOSPC")
    with pytest.raises(OSError, match="No space left"):
        passing("p")
    passing("p")
    assert [line["deed"] for line in journal(armed)] == ["error ENOSPC", None]


def test_armed_point_is_slow_once(armed):
    (armed / "p").write_text("delay 0.2")
    began = time.monotonic()
    passing("p")
    assert time.monotonic() - began >= 0.2


def test_armed_point_kills_one_of_those_who_pass(armed):
    (armed / "p").write_text("kill")
    context = multiprocessing.get_context("fork")
    for expected in (-signal.SIGKILL, 0):
        process = context.Process(target=passing, args=("p",))
        process.start()
        process.join()
        assert process.exitcode == expected


def test_environment_arms_nothing_in_a_server_that_is_not_started_for_a_test(tmp_path):
    code = (
        "from coldplate import failpoints, server; from coldplate.settings import Settings\n"
        "server.opened = lambda data: 1 / 0\n"
        "try: server.serve(Settings(), on_ready=print, with_parent={})\n"
        "except ZeroDivisionError: print(failpoints.directory())"
    )
    environment = os.environ | {"COLDPLATE_FAILPOINTS": str(tmp_path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", code.format(for_a_test)], env=environment, capture_output=True, text=True
        ).stdout.strip()
        for for_a_test in (False, True)
    ]
    assert told == ["None", str(tmp_path)]
