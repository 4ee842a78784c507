from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from coldplate.workers.processes import children_of, has_run_its_last, is_leaving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def child():
    """Starts processes of ours, and reaps them."""
    processes = []

    def start(*command: str) -> int:
        processes.append(subprocess.Popen(command))
        return processes[-1].pid

    yield start
    for process in processes:
        process.kill()
        process.wait()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.002)


def test_a_process_that_works_or_sleeps_or_is_stopped_may_run_again(child):
    sleeper, stopped = (child("sleep", "600") for _ in range(2))
    os.kill(stopped, signal.SIGSTOP)
    assert [has_run_its_last(pid) for pid in (os.getpid(), sleeper, stopped)] == [False] * 3


def test_a_process_that_has_exited_or_was_killed_has_run_its_last(child):
    ended, killed = child("true"), child("sleep", "600")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: has_run_its_last(ended) and has_run_its_last(killed))


def test_a_process_that_is_gone_tells_nothing(child):
    assert not is_leaving(2**22 + 1)
    assert children_of(2**22 + 1) is None
    assert not has_run_its_last(2**22 + 1)


def test_children_are_those_of_the_process(child):
    pid = child("sleep", "600")
    assert pid in children_of(os.getpid())
