"""The nemesis: does harm by a schedule that a seed makes, and writes down what it did, and until when."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable

import psutil

from coldplate.failpoints import POINTS
from torture import points
from torture.journal import Journal
from torture.proxy import Proxy
from torture.serve import CLOCK, LEASE_S
from torture.world import World

PAUSE_S = (0.3, 2.0)  # between two deeds
JUMP_S = 7200.0
AIMED = 5  # times as often as all other deeds together


class Nemesis(threading.Thread):
    """Harms a world until told to stop, then heals it.

    Args:
        aim: A deed that is done most of the time, for a mistake that it brings to light.
    """

    def __init__(
        self,
        world: World,
        proxy: Proxy,
        journal: Journal,
        seed: int,
        aim: Callable[[], None] | None = None,
    ):
        super().__init__(name="nemesis", daemon=True)
        self.world, self.proxy, self.journal = world, proxy, journal
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.deeds: dict[str, tuple[int, Callable[[], None]]] = {
            "kill server": (2, lambda: self.kill("server")),
            "kill rival": (1, lambda: self.kill("rival")),
            "kill job": (6, self.kill_job),
            "kill zygote": (1, self.kill_zygote),
            "stop server": (1, lambda: self.pause("server")),
            "stop rival": (2, lambda: self.pause("rival")),
            "point": (8, self.arm),
            "full disk": (1, self.fill_disk),
            "lock database": (1, self.lock),
            "clock jumps": (1, self.jump),
            "bad network": (2, self.network),
            "pair": (1, self.pair),
        }
        if aim is not None:
            self.deeds["aimed"] = (AIMED * sum(weight for weight, _ in self.deeds.values()), aim)

    def run(self) -> None:
        """One deed after the other."""
        while not self.stopping.wait(self.random.uniform(*PAUSE_S)):
            self.do(self.choose())
        self.heal()

    def choose(self) -> str:
        """The next deed."""
        names = list(self.deeds)
        return self.random.choices(names, [self.deeds[name][0] for name in names])[0]

    def do(self, name: str) -> None:
        """Do a deed; from its line `healed` on, things have to get well."""
        self.journal.write("harm", kind=name)
        with contextlib.suppress(ProcessLookupError, sqlite3.Error, psutil.Error):
            self.deeds[name][1]()
        self.journal.write("healed", kind=name)

    def heal(self) -> None:
        """Take everything back that does not end by itself."""
        self.proxy.rate = 0.0
        (self.world.points / CLOCK).write_text("0")
        self.journal.write("jumped", to=0.0)
        for point in points.ALL:
            (self.world.points / point).unlink(missing_ok=True)
        for process in self.world.processes.values():
            process.send_signal(signal.SIGCONT)

    # --- deeds --------------------------------------------------------------------------------

    def kill(self, role: str) -> None:
        """SIGKILL to the server or its rival; sometimes a power cut for both."""
        self.world.processes[role].kill()
        if self.random.random() < 0.2:
            for process in self.world.processes.values():
                process.kill()

    def kill_job(self) -> None:
        """SIGKILL to the process of a job, as soon as one runs."""
        for _ in range(300):
            if drivers := self.world.drivers():
                pid, job, fence = self.random.choice(drivers)
                os.kill(pid, signal.SIGKILL)
                self.journal.write("killed job", job=job, fence=fence)
                return
            time.sleep(0.005)

    def kill_zygote(self) -> None:
        """SIGKILL to whatever the jobs of the server or its rival are forked from."""
        zygotes = [p for p in self.world.children() if "coldplate.workers.zygote" in " ".join(p.cmdline())]
        parents = {process.pid for process in self.world.processes.values()}
        if first := [p for p in zygotes if p.ppid() in parents]:
            os.kill(self.random.choice(first).pid, signal.SIGKILL)

    def pause(self, role: str) -> None:
        """SIGSTOP, often for longer than a lease lasts: it comes back without having noticed."""
        process = self.world.processes[role]
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.choice([0.5, 1.5 * LEASE_S, 3 * LEASE_S]))
        process.send_signal(signal.SIGCONT)

    def arm(self) -> None:
        """Let whoever passes a point next die there, or be slow."""
        point = self.random.choice(POINTS[:-1])
        deed = "kill" if self.random.random() < 0.8 else f"delay {self.random.uniform(0.1, 1.0):.2f}"
        (self.world.points / point).write_text(deed)
        self.journal.write("armed", point=point, deed=deed)

    def fill_disk(self) -> None:
        """No room for anything, for a while."""
        with self.world.full_disk():
            time.sleep(self.random.uniform(0.5, 3.0))

    def lock(self) -> None:
        """Another process holds the database, for up to longer than anybody waits for it."""
        file = self.world.data / "coldplate.db"
        with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self.random.choice([0.5, 2.0, 6.0]))
            connection.execute("ROLLBACK")

    def jump(self) -> None:
        """The clock of server and rival is two hours wrong from now on, or right again."""
        wrong_by = self.random.choice([-JUMP_S, 0.0, JUMP_S])
        (self.world.points / CLOCK).write_text(str(wrong_by))
        self.journal.write("jumped", to=wrong_by)

    def network(self) -> None:
        """A part of all connections meets faults for a while."""
        self.proxy.rate = self.random.choice([0.1, 0.4])
        time.sleep(self.random.uniform(1.0, 3.0))
        self.proxy.rate = 0.02

    def pair(self) -> None:
        """Two deeds at once: harm while things recover from harm."""
        first, second = self.random.sample([name for name in self.deeds if name != "pair"], 2)
        thread = threading.Thread(target=self.do, args=(first,), daemon=True)
        thread.start()
        self.do(second)
        thread.join()
