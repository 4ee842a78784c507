"""Failpoints: named places where a test may let the service die, stop, fail or be slow.

Nothing here does anything unless `enable` was called, which only servers that are started for tests do: a
point then costs one look at a global. Enabled, a point is armed by a file of its name in the directory, which
whoever gets there first removes, so it acts once; its content says how: `kill`, `stop`, `error ENOSPC`,
`delay 0.5`. Every passage is written to the journal of the directory, before it acts.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from pathlib import Path

JOURNAL = "journal"

# What a job passes, in this order (T1 to T12), and where a disk may be full.
POINTS = (
    "T1-body-received",
    "T2-params-stored",
    "T3-job-committed",
    "T4-answer-sent",
    "T5-claim-committed",
    "T6-child-started",
    "T7-device-opened",
    "T7-device-left",
    "T8-result-stored",
    "T9-end-not-committed",
    "T10-end-committed",
    "T11-lane-freed",
    "T12-result-read",
    "blob-write",
)

_directory: Path | None = None


def enable(directory: Path) -> None:
    """Arm points by files in `directory` from now on, in this process and those forked from it."""
    global _directory
    _directory = directory


def directory() -> Path | None:
    """Where points are armed; None: nowhere, as in every server that is not started for a test."""
    return _directory


def passing(point: str, **facts: object) -> None:
    """A point is passed; `facts` are written to the journal.

    Raises:
        OSError: The point was armed to fail.
    """
    if _directory is not None:
        _pass(_directory, point, facts)


def _pass(directory: Path, point: str, facts: dict[str, object]) -> None:
    deed = _take(directory / point)
    line = {"at": time.monotonic(), "pid": os.getpid(), "point": point, "deed": deed} | facts
    descriptor = os.open(directory / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")  # whole lines, whoever else writes
    finally:
        os.close(descriptor)
    if deed:
        _act(deed)


def _take(armed: Path) -> str | None:
    """What an armed point is to do; only one of those who pass gets it."""
    try:
        deed = armed.read_text()
        armed.unlink()
    except FileNotFoundError:
        return None
    return deed


def _act(deed: str) -> None:
    word, _, what = deed.partition(" ")
    if word == "delay":
        time.sleep(float(what))
    elif word == "error":
        number = getattr(errno, what)
        raise OSError(number, os.strerror(number))
    else:
        os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[word])
