"""Growth: memory and descriptors of the server, looked at all the time, so that a leak shows as a slope."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterable

import psutil

from torture.journal import Line
from torture.world import World

LOOK_S = 0.5
YOUNG_S = 5.0  # a server that has just started still loads what it needs
MOST_FDS = 40  # that an idle server may have more than a new one: connections that clients keep
MOST_BYTES = 256 << 20  # that it may have grown by


class Watch(threading.Thread):
    """Writes down how large the server is, until told to stop."""

    def __init__(self, world: World):
        super().__init__(name="watch", daemon=True)
        self.world, self.stopping = world, threading.Event()

    def run(self) -> None:
        """Look again and again."""
        while not self.stopping.wait(LOOK_S):
            sample(self.world)


def sample(world: World, act: str = "size") -> None:
    """Write down how large the server is now; nothing when it is just dying."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(world.processes["server"].pid)
        with process.oneshot():
            rss, fds, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
        world.journal.write(act, pid=process.pid, rss=rss, fds=fds, threads=threads)


def slope(sizes: Iterable[Line], what: str) -> float:
    """How much the servers' sizes grew in a minute: one slope through the lives of all, each from its start.

    >>> slope([{"pid": 1, "at": 30.0 * n, "fds": 7 + 2 * n} for n in range(5)], "fds")
    4.0
    """
    lives: dict[int, list[tuple[float, float]]] = defaultdict(list)
    born: dict[int, float] = {}
    for line in sizes:
        if line["at"] - born.setdefault(line["pid"], line["at"]) >= YOUNG_S:
            lives[line["pid"]].append((line["at"], line[what]))
    above = below = 0.0
    for life in lives.values():
        middle_at = sum(at for at, _ in life) / len(life)
        middle = sum(size for _, size in life) / len(life)
        above += sum((at - middle_at) * (size - middle) for at, size in life)
        below += sum((at - middle_at) ** 2 for at, _ in life)
    return 60 * above / below if below else 0.0


def grown(harm: list[Line]) -> list[str]:
    """What an idle server, after all harm, has too much of."""
    new = next((line for line in harm if line["act"] == "new"), None)
    idle = next((line for line in harm if line["act"] == "idle"), None)
    if new is None or idle is None:
        return []
    leaks = []
    if idle["fds"] > new["fds"] + MOST_FDS:
        leaks.append(f"The idle server has {idle['fds']} descriptors; a new one has {new['fds']}.")
    if idle["rss"] > new["rss"] + MOST_BYTES:
        leaks.append(f"The idle server has {idle['rss'] >> 20} MiB; a new one has {new['rss'] >> 20}.")
    return leaks
