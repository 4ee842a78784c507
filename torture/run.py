"""One run: warm up, harm, heal, drain, look, restart from disk, look again, stop, look at the disk."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from coldplate.connection import Connection
from torture.aims import Aims
from torture.asking import Asking, Tenant, Unknown
from torture.checker import at_once, states_of, violations
from torture.evidence import Evidence, Violation
from torture.fairness import fairness
from torture.growth import Watch, grown, sample
from torture.journal import Journal, read
from torture.load import FINAL, FairUser, User
from torture.nemesis import Nemesis
from torture.proxy import Proxy
from torture.report import Report, tell
from torture.world import FAIR, World

States = dict[str, str]  # by job

WARM_S = 3.0
STUCK_S = 60.0  # without the end of any job
NUM_TENANTS = 20  # with those who compare their shares, and official clients
NUM_TENANTS_OF_MUTANTS = 7
PATIENCE_S = 180.0  # with a server that nobody harms any more
CALM, MOST_CALM_S = 0.125, 75.0  # part of the time of harm for which users go on afterwards; at most
LAST_S = 10.0  # that official clients have to end what they do
LOOK_S = 1.0
PAGE = 200


def torture(place: Path, *, seed: int, seconds: float, mutant: str = "", clients: list[Path]) -> Report:
    """Torture a service that lives in an empty directory.

    Args:
        seconds: How long harm is done; all else takes about a minute more.
        mutant: A mistake to make on purpose; the run ends as soon as it is found.
        clients: Pythons of environments that have an official client.
    """
    place.mkdir(parents=True)
    world = World(place, free_port(), mutant)
    report, officials = Report(seed, mutant, seconds), [f"official-{n}" for n in range(len(clients))]
    num_mixed = (NUM_TENANTS_OF_MUTANTS if mutant else NUM_TENANTS) - len(FAIR) - len(officials)
    try:
        tenants = world.settle([*FAIR, *(f"mixed-{n}" for n in range(num_mixed)), *officials])
        world.start("server")
        world.wait_until_ready()
        sample(world, "new")
        world.start("rival")
        Run(world, tenants, report).go(clients)
        return report
    finally:
        world.close()


class Run:
    """The phases of a run, with all that goes on during each.

    Args:
        tenants: Those who compare their shares, then others; official clients have the last.
    """

    def __init__(self, world: World, tenants: list[Tenant], report: Report):
        self.world, self.tenants, self.report = world, tenants, report
        self.users = Journal(world.place / "clients", "user")
        self.proxy = Proxy(world.port, world.journal, report.seed)
        self.proxy.rate = 0.02
        self.watch = Watch(world)
        checks = Journal(world.place / "checks", "checker")
        self.asking = {t.name: Asking(t, world.port, checks, patience_s=PATIENCE_S) for t in tenants}

    def go(self, clients: list[Path]) -> None:
        """Warm up, harm, heal, be calm, drain, look, restart, look again, stop, and look at the disk."""
        num_ours = len(self.tenants) - len(clients)
        crowd = self.crowd(self.tenants[:num_ours])
        with officials(self.world, self.users, self.proxy.port, self.tenants[num_ours:], clients):
            time.sleep(WARM_S)
            self.harm()
            if self.report.found:
                return
            self.world.end_rival()
            self.world.journal.write("calm")
            time.sleep(min(MOST_CALM_S, CALM * self.report.seconds))
            self.world.journal.write("calm over")
            for user in crowd:
                user.stopping.set()
        deadline = time.monotonic() + LAST_S
        for user in crowd:
            user.join(max(0.0, deadline - time.monotonic()))
        self.look()

    def crowd(self, tenants: list[Tenant]) -> list[User]:
        """Users at work, one for each tenant."""
        numbers, seed, port = itertools.count(1), self.report.seed, self.proxy.port
        crowd = [
            (FairUser if tenant.name in FAIR else User)(tenant, port, self.users, numbers, seed + n)
            for n, tenant in enumerate(tenants)
        ]
        for user in crowd:
            user.start()
        return crowd

    def harm(self) -> None:
        """Let harm be done for as long as asked for; to a mutant only until its mistake is found."""
        report, aims = self.report, Aims(self.world, self.asking)
        aim = aims.deeds.get(report.mutant)
        if report.mutant and aim is None:
            return  # what brings it to light comes later
        nemesis = Nemesis(self.world, self.proxy, self.world.journal, report.seed, aim)
        self.watch.start()
        nemesis.start()
        deadline = time.monotonic() + report.seconds
        while time.monotonic() < deadline and not report.found:
            time.sleep(LOOK_S)
            if report.mutant:
                report.found = at_once(self.evidence())
        nemesis.stopping.set()
        nemesis.join()

    def look(self) -> None:
        """Hold everything against everything, now that it is quiet."""
        try:
            drained = drain(self.asking)
        except Unknown as error:
            told = self.world.log("server")[-2000:]
            self.report.found = [Violation("I1", f"{error} was not answered when all was quiet.\n{told}")]
            return
        self.watch.stopping.set()
        sample(self.world, "idle")
        again = restarted(self.world, self.asking)
        evidence = self.evidence(drained, again, used_by(self.asking))
        evidence.leaks = [*stopped(self.world), *grown(evidence.harm)]
        self.report.found = violations(evidence)
        tell(self.report, evidence, fairness(evidence))

    def evidence(
        self,
        states: States | None = None,
        again: States | None = None,
        used_s: Mapping[str, float] | None = None,
    ) -> Evidence:
        """All that was written down until now."""
        return Evidence(
            clients=list(read(self.users.file)),
            harm=list(read(self.world.journal.file)),
            points=list(read(self.world.points / "journal")),
            overlaps=list(read(self.world.points / "overlaps")),
            states=states or {},
            again=again or {},
            used_s=used_s or {},
            database=self.world.data / "coldplate.db",
            blobs=self.world.data / "blobs",
            leaks=[],
        )


@contextlib.contextmanager
def officials(
    world: World, users: Journal, port: int, tenants: list[Tenant], clients: list[Path]
) -> Iterator[None]:
    """Official clients at work inside the block; they have some time to end what they do."""
    stop, processes = world.place / "stop", []
    for number, (tenant, python) in enumerate(zip(tenants, clients, strict=True), 1):
        way = Connection(f"http://127.0.0.1:{port}", tenant.key, tenant.crn)
        variables = way.variables() if str(python) == sys.executable else way.old_variables
        variables["HOME"] = str(world.place)
        command = [str(python), str(Path(__file__).with_name("official.py"))]
        command += [str(users.file), str(100_000 * number), str(stop)]
        with (world.place / f"official-{number}.log").open("wb") as log:
            clean = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "COLDPLATE_"))}
            processes.append(subprocess.Popen(command, env=clean | variables, stdout=log, stderr=log))
    try:
        yield
    finally:
        stop.touch()
        deadline = time.monotonic() + LAST_S
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()


def drain(asking: Mapping[str, Asking]) -> States:
    """The states of all jobs, once every one has ended; or none has for so long that something is stuck.

    Raises:
        Unknown: The server does not answer.
    """
    ended, since = -1, time.monotonic()
    while True:
        states = every_state(asking)
        now_ended = sum(state in FINAL for state in states.values())
        if now_ended > ended:
            ended, since = now_ended, time.monotonic()
        if ended == len(states) or time.monotonic() - since > STUCK_S:
            return states
        time.sleep(0.5)


def every_state(asking: Mapping[str, Asking]) -> States:
    """The states of all jobs of all tenants, as the API lists them; without the proxy."""
    pages = []
    for asks in asking.values():
        for offset in itertools.count(0, PAGE):
            _, page = asks.ask("GET", f"/jobs?limit={PAGE}&offset={offset}&exclude_params=true")
            pages.append(page)
            if len(json.loads(page)["jobs"]) < PAGE:
                break
    return states_of(pages)


def restarted(world: World, asking: Mapping[str, Asking]) -> States:
    """The states of all jobs after a stop and a start."""
    world.stop()
    world.start("server")
    world.wait_until_ready()
    with contextlib.suppress(Unknown):
        return every_state(asking)
    return {}


def used_by(asking: Mapping[str, Asking]) -> dict[str, float]:
    """What each tenant has used, quantum seconds, by its instance; as the API tells."""
    told = (json.loads(asks.ask("GET", "/instances/usage")[1]) for asks in asking.values())
    return {usage["instance_id"]: usage["usage_consumed_seconds"] for usage in told}


def stopped(world: World) -> list[str]:
    """Stop everything; what is left of it is a leak."""
    below = world.children()
    world.stop()
    _, alive = psutil.wait_procs(below, timeout=15)
    return [f"Process {process.pid} ({process.name()}) outlived the server." for process in alive]


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def clients_of(releases: list[str]) -> list[Path]:
    """Pythons of the environments of official releases; "this" is the one that runs this."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "clients"))
    import old_clients

    return [Path(sys.executable) if each == "this" else old_clients.environment(each) for each in releases]


def cleared(place: Path) -> Path:
    """A directory that is not there yet; a run that was broken off may have left its disk in it."""
    subprocess.run(["umount", "--lazy", str(place / "disk")], capture_output=True)
    shutil.rmtree(place, ignore_errors=True)
    return place
