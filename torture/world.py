"""The processes under torture, and the places where they live and meet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from coldplate.auth import Auth
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.settings import Settings
from coldplate.store.store import Store
from torture.asking import Tenant
from torture.claims import Claims
from torture.journal import Journal, Tail

ROOT = Path(__file__).parents[1]
DISK = 192 << 20  # bytes
READY_S = 60.0
BUSY_S = 45.0  # in which a rival should have something to do
ALONE_S = 4.0  # for which it has all work for itself
FAIR = {"fair-1": 100, "fair-2": 200, "fair-4": 400}  # allocations


class World:
    """A directory with everything in it; processes that come back when they die.

    Args:
        place: An empty directory.
        port: Where the server listens.
        mutant: The mistake that server and rival make on purpose; "" for none.
    """

    def __init__(self, place: Path, port: int, mutant: str = ""):
        self.place, self.port, self.mutant = place, port, mutant
        self.points, self.data = place / "points", place / "disk" / "data"
        self.points.mkdir()
        (place / "disk").mkdir()
        self.journal = Journal(place / "nemesis", "world")
        self.small_disk = self._mount()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._points, self._begun = Tail(self.points / "journal"), deque(maxlen=12)
        self._kept: set[str] = set()  # roles whose processes come back
        self._keepers: list[threading.Thread] = []

    # --- the disk -----------------------------------------------------------------------------

    def _mount(self) -> bool:
        """Whether there is a small disk of our own, which can be full."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(self.place / "disk")]
        return subprocess.run(command, capture_output=True).returncode == 0

    @contextlib.contextmanager
    def full_disk(self):
        """Not one byte is left inside; without a disk of our own, files of jobs can't be written once."""
        if not self.small_disk:
            (self.points / "blob-write").write_text("error ENOSPC")
            yield
            return
        balloon = self.place / "disk" / "balloon"
        with balloon.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        try:
            yield
        finally:
            balloon.unlink()

    # --- people -------------------------------------------------------------------------------

    def settle(self, names: list[str]) -> list[Tenant]:
        """Make an instance and a user with a key for each name."""
        self.data.mkdir(parents=True, mode=0o700)
        settings, now, shares = Settings(data=self.data), datetime.now(UTC), list(FAIR.values())
        with contextlib.closing(Store(settings.database_url)) as store:
            store.migrate()
            auth, tenants = Auth(store, settings), []
            for name in names:
                crn = make_crn(name, "main")
                share = FAIR.get(name, shares[len(tenants) % len(shares)])
                store.add_instance(Instance(crn, name=name, account=name, allocation_s=share))
                store.add_user(User("ada", name, now, roles={EVERYWHERE: Role.MANAGER}))
                tenants.append(Tenant(name, auth.issue_key("ada", name, "torture"), crn))
        return tenants

    # --- processes ----------------------------------------------------------------------------

    def start(self, role: str) -> None:
        """Start the server or the rival, and keep it: it comes back whenever it dies."""
        self._kept.add(role)
        self._spawn(role)
        keeper = threading.Thread(target=self._keep, args=(role,), daemon=True)
        keeper.start()
        self._keepers.append(keeper)

    def _spawn(self, role: str) -> None:
        command = [sys.executable, "-P", "-m", "torture.serve", role, str(self.data), str(self.points)]
        command += [str(self.port), *([self.mutant] if self.mutant else [])]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COLDPLATE_")}
        with (self.place / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                command,
                env=clean | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.journal.write("started", role=role, pid=self.processes[role].pid)

    def _keep(self, role: str) -> None:
        while True:
            code = self.processes[role].wait()
            if role not in self._kept:
                return
            self.journal.write("died", role=role, code=code)
            self._spawn(role)
            if role == "server":
                threading.Thread(target=self._see_it_answer, daemon=True).start()

    def _see_it_answer(self) -> None:
        """Write down how long a server took to its first answer; of one that died before, nothing."""
        process, began = self.processes["server"], time.monotonic()
        while process.poll() is None and self._kept:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=1).read()
                self.journal.write("ready", took_s=time.monotonic() - began)
                return
            time.sleep(0.02)

    def stop(self) -> None:
        """End all in the ordinary way, rivals first; nothing comes back."""
        self._kept.clear()
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for keeper in self._keepers:
            keeper.join()
        self._keepers.clear()

    def end_rival(self) -> None:
        """Kill the rival for good, with a job that it has claimed if it can be: that has to be found lost."""
        claims = Claims(self.points / "journal")
        deadline, rival = time.monotonic() + BUSY_S, self.processes["rival"]
        while time.monotonic() < deadline and not claims.of(rival.pid):
            with self.server_stopped():  # it takes all the work, being the quicker one
                pause = time.monotonic() + ALONE_S
                while time.monotonic() < pause and not claims.of(rival.pid):
                    time.sleep(0.01)
            if not claims.of(rival.pid):
                time.sleep(0.5)  # the server may have been stopped while it held the database
            rival = self.processes["rival"]
        self._kept.discard("rival")
        rival = self.processes.pop("rival")
        rival.send_signal(signal.SIGCONT)
        rival.kill()
        rival.wait()
        self.journal.write("ended rival", jobs=sorted(claims.of(rival.pid)))

    @contextlib.contextmanager
    def server_stopped(self) -> Iterator[None]:
        """The server does nothing inside the block."""
        server = self.processes["server"]
        server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            server.send_signal(signal.SIGCONT)

    def wait_until_ready(self) -> float:
        """Wait until the server answers; gives the moment."""
        deadline = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=2).read()
                return time.monotonic()
            if time.monotonic() > deadline or self.log("server").count("CannotStart") > 2:
                raise RuntimeError(f"The server does not answer.\n{self.log('server')[-3000:]}")
            time.sleep(0.01)

    def log(self, role: str) -> str:
        """What a process logged."""
        return (self.place / f"{role}.log").read_text(errors="replace")

    def children(self, *roles: str) -> list[psutil.Process]:
        """All processes below server and rival, or one of them."""
        found = []
        for role, process in list(self.processes.items()):
            with contextlib.suppress(psutil.NoSuchProcess):
                if role in (roles or self.processes):
                    found += psutil.Process(process.pid).children(recursive=True)
        return found

    def drivers(self, *roles: str) -> list[tuple[int, str, int]]:
        """Processes of jobs that are alive: pid, job and fence, as they said when they began."""
        for line in self._points.new():
            if line["point"] == "T6-child-started":
                self._begun.append((line["pid"], line["job"], line["fence"]))
        alive = [each for each in self._begun if is_below(each[0], [self.processes[r].pid for r in roles])]
        return alive

    def close(self) -> None:
        """Leave nothing behind but the journals."""
        self.stop()
        if self.small_disk:
            subprocess.run(["umount", "--lazy", str(self.place / "disk")], check=False)


def is_below(pid: int, ancestors: list[int]) -> bool:
    """Whether a process is alive, and below one of some others if there are any."""
    try:
        parents = {process.pid for process in psutil.Process(pid).parents()}
    except psutil.NoSuchProcess:
        return False
    return not ancestors or not parents.isdisjoint(ancestors)
