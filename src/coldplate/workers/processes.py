"""Processes and their groups: who is alive, who is dead, and how to make sure."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PF_EXITING = 0x4  # in the flags of /proc/<pid>/stat, since Linux 2.6

Reaped = tuple[int, int, resource.struct_rusage]  # pid, exit code or minus signal, what it used


def kill(pid: int) -> None:
    """SIGKILL a process; one that is dead already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(group: int) -> None:
    """SIGKILL all processes of a group; an empty one is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def reap() -> Iterator[Reaped]:
    """Children of this process that have died, adopted ones included, each reaped as it is told."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status), usage


def group_is_empty(group: int) -> bool:
    """Whether no child of this process, adopted ones included, lives in the group; after `reap`."""
    try:
        os.waitpid(-group, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def own_children() -> list[int]:
    """Children of this process, adopted ones included; none where the kernel does not tell."""
    return children_of(os.getpid()) or []


def has_run_its_last(pid: int) -> bool:
    """Whether a child of this process will never again run code of its own, and is nobody's parent.

    The kernel then only takes down its memory, which is milliseconds of work, and closes its files. It marks
    a thread that has entered its exit for good; one that is marked makes no other, so that the second look
    finds those that the first might have missed. False where the kernel does not tell.
    """
    return all(is_leaving(pid) for _ in range(2)) and children_of(pid) == []


def is_leaving(pid: int) -> bool:
    """Whether the one thread that is left of a process has entered its exit."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return False
    flags, threads = int(fields[6]), int(fields[17])
    return bool(flags & PF_EXITING) and threads == 1


def children_of(pid: int) -> list[int] | None:
    """Children of the main thread of a process; None where the kernel does not tell."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:
        return None
    return [int(child) for child in listed.split()]


def machine_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in counters.splitlines() if row.startswith("oom_kill ")), 0)


def end_group(group: int) -> None:
    """Kill a process group whose zygote is gone, and wait until nothing in it is alive.

    The kernel has killed its leader with the zygote; what the leader started may live.
    """
    pause_s = 0.001
    while group_lives(group):
        kill_group(group)
        time.sleep(pause_s)
        pause_s = min(0.1, 2 * pause_s)


def group_lives(group: int) -> bool:
    """Whether any process of the group is alive; a zombie is not."""
    if sys.platform != "linux":
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of zombies
            return False
        return True
    return any(belongs(stat, group) for stat in Path("/proc").glob("[0-9]*/stat"))


def belongs(stat: Path, group: int) -> bool:
    """Whether /proc/<pid>/stat is of a living process of the group."""
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:  # it is gone
        return False
    state, _parent, its_group = fields[:3]
    return int(its_group) == group and state not in "ZX"
