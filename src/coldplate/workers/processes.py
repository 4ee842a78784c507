"""Processes and their groups: who is alive, who is dead, and how to make sure."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path


def kill_group(pid: int) -> None:
    """SIGKILL a process and its group; both, because a newborn leads no group yet."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def group_is_empty(group: int) -> bool:
    """Whether no child of this process, adopted ones included, is left in the group."""
    try:
        os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def next_dead() -> int | None:
    """A child that has died and is not reaped yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def own_children() -> list[int]:
    """Children of this process, adopted ones included; none where the kernel does not tell."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(pid) for pid in listed.split()]


def machine_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in counters.splitlines() if row.startswith("oom_kill ")), 0)


def end_group(group: int) -> None:
    """Kill a process group whose zygote is gone, and wait until nothing in it is alive.

    The kernel has killed its leader with the zygote; what the leader started may live.
    """
    pause_s = 0.001
    while group_lives(group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        time.sleep(pause_s)
        pause_s = min(0.1, 2 * pause_s)


def group_lives(group: int) -> bool:
    """Whether any process of the group is alive; a zombie is not."""
    if sys.platform != "linux":
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
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
