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
from collections.abc import Iterator
from pathlib import Path

import psutil

from torture.asking import Asking, Tenant, Unknown
from torture.checker import Evidence, fairness, states_of, violations
from torture.journal import Journal, read
from torture.load import FINAL, FairUser, User
from torture.nemesis import Nemesis
from torture.proxy import Proxy
from torture.report import Report, tell
from torture.world import FAIR, World

WARM_S = 3.0
STUCK_S = 40.0  # without the end of any job
MIXED = ["chem", "qec", "edu"]
PAGE = 200
# What brings a mistake to light: a deed of the nemesis, and one of users.
FAVOURITES = {
    "": ("", ""),
    "read-then-write-claim": ("stop rival", "device"),
    "answer-before-commit": ("kill server", "ideal"),
    "row-before-file": ("point at row", "ideal"),
    "no-fence": ("long stop", "slow"),
    "no-kill-before-free": ("bad network", "cancel"),
    "no-lease": ("kill rival", "slow"),
}


def torture(place: Path, *, seed: int, seconds: float, mutant: str = "", clients: list[Path]) -> Report:
    """Torture a service that lives in an empty directory.

    Args:
        seconds: How long harm is done; all else takes about a minute more.
        mutant: A mistake to make on purpose.
        clients: Pythons of environments that have an official client.
    """
    place.mkdir(parents=True)
    world = World(place, free_port(), mutant)
    users = Journal(place / "clients", "user")
    try:
        tenants = world.settle([*MIXED, *FAIR, *(f"official-{n}" for n in range(len(clients)))])
        world.start("server")
        world.wait_until_ready()
        world.start("rival")
        report = Report(seed, mutant, seconds)
        suffer(world, users, tenants, report, clients)
        return report
    finally:
        world.close()


def suffer(world: World, users: Journal, tenants: list[Tenant], report: Report, clients: list[Path]) -> None:
    """The phases of a run, with all that goes on during each."""
    proxy = Proxy(world.port, world.journal, report.seed)
    proxy.rate = 0.02
    numbers, mixed = itertools.count(1), tenants[: len(MIXED)]
    crowd = [User(tenant, proxy.port, users, numbers, report.seed + n) for n, tenant in enumerate(mixed)]
    for user in crowd:
        user.favourite = FAVOURITES[report.mutant][1]
    shared = tenants[len(MIXED) : len(MIXED) + len(FAIR)]
    crowd += [FairUser(tenant, proxy.port, users, numbers, 0) for tenant in shared]
    for user in crowd:
        user.start()
    with officials(world, users, proxy.port, tenants[len(MIXED) + len(FAIR) :], clients):
        time.sleep(WARM_S)
        nemesis = Nemesis(world, proxy, world.journal, report.seed, FAVOURITES[report.mutant][0])
        nemesis.start()
        wait_for_harm(world, report)
        nemesis.stopping.set()
        nemesis.join()
        world.end_rival()
        for user in crowd:
            user.stopping.set()
    for user in crowd:
        user.join(60)
    drained = drain(world, tenants)
    again = restarted(world, tenants)
    leaks = stopped(world)
    evidence = Evidence(
        clients=list(read(users.file)),
        harm=list(read(world.journal.file)),
        points=list(read(world.points / "journal")),
        overlaps=list(read(world.points / "overlaps")),
        states=drained,
        again=again,
        database=world.data / "coldplate.db",
        blobs=world.data / "blobs",
        leaks=leaks,
    )
    report.found = violations(evidence)
    tell(report, evidence, fairness(evidence))


def wait_for_harm(world: World, report: Report) -> None:
    """Let harm be done for as long as asked for; for a mutant only until two drivers have met."""
    deadline = time.monotonic() + report.seconds
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if report.mutant and (world.points / "overlaps").exists():
            return


@contextlib.contextmanager
def officials(
    world: World, users: Journal, port: int, tenants: list[Tenant], clients: list[Path]
) -> Iterator[None]:
    """Official clients at work inside the block; each has the time to end what it does."""
    stop, processes = world.place / "stop", []
    for number, (tenant, python) in enumerate(zip(tenants, clients, strict=True), 1):
        url = f"http://127.0.0.1:{port}"
        variables = {
            "QISKIT_IBM_TOKEN": tenant.key,
            "QISKIT_IBM_INSTANCE": tenant.crn,
            "QISKIT_IBM_URL": f"{url}/experimental",
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "IAM_URL": url,
            "GLOBAL_SEARCH_URL": url,
            "GLOBAL_CATALOG_URL": f"{url}/api/v1",
            "HOME": str(world.place),
        }
        command = [str(python), str(Path(__file__).with_name("official.py"))]
        command += [str(users.file), str(100_000 * number), str(stop)]
        with (world.place / f"official-{number}.log").open("wb") as log:
            clean = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "COLDPLATE_"))}
            processes.append(subprocess.Popen(command, env=clean | variables, stdout=log, stderr=log))
    try:
        yield
    finally:
        stop.touch()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


def drain(world: World, tenants: list[Tenant]) -> dict[str, str]:
    """The states of all jobs, once every one has ended; or none has for so long that something is stuck."""
    ended, since = -1, time.monotonic()
    while True:
        states = every_state(world, tenants)
        now_ended = sum(state in FINAL for state in states.values())
        if now_ended > ended:
            ended, since = now_ended, time.monotonic()
        if ended == len(states) or time.monotonic() - since > STUCK_S:
            return states
        time.sleep(0.5)


def every_state(world: World, tenants: list[Tenant]) -> dict[str, str]:
    """The states of all jobs of all tenants, as the API lists them; without the proxy."""
    pages = []
    for tenant in tenants:
        asking = Asking(tenant, world.port, Journal(world.place / "checks", "checker"))
        for offset in itertools.count(0, PAGE):
            _, page = asking.ask("GET", f"/jobs?limit={PAGE}&offset={offset}&exclude_params=true")
            pages.append(page)
            if len(json.loads(page)["jobs"]) < PAGE:
                break
    return states_of(pages)


def restarted(world: World, tenants: list[Tenant]) -> dict[str, str]:
    """The states of all jobs after a stop and a start."""
    world.stop()
    world.start("server")
    world.wait_until_ready()
    with contextlib.suppress(Unknown):
        return every_state(world, tenants)
    return {}


def stopped(world: World) -> list[str]:
    """Stop everything; what is left of it is a leak."""
    server = psutil.Process(world.processes["server"].pid)
    leaks = [f"The server has {server.num_fds()} open files."] if server.num_fds() > 100 else []
    below = world.children()
    world.stop()
    _, alive = psutil.wait_procs(below, timeout=5)
    leaks += [f"Process {process.pid} ({process.name()}) outlived the server." for process in alive]
    return leaks


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
