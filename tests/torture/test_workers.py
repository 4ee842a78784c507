"""The local pool with real processes: nothing a job does harms another, and nothing outlives its end."""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from coldplate.backends import catalog
from coldplate.blobs import LocalBlobs
from coldplate.kernel import native
from coldplate.workers import local, rehearsal, supervise
from coldplate.workers.local import LocalPool
from coldplate.workers.pool import Limits, Receipt, Ticket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

HERE = Path(__file__).parent
BARE = ("--warm", "", "--rehearsal", "")  # without the lab
OPTIONS = (*BARE, "--preload", "worker_entries", "--entry", "worker_entries:run")
LAB = (
    *BARE,
    "--preload",
    "coldplate.workers.run_job",
    "qiskit_aer",
    "--entry",
    "worker_entries:run_in_the_lab",
)
NUMBERS = count()
SMALL = Limits(memory_bytes=256 << 20, cpu_s=60, wall_s=60)


class Desk:
    """Starts tickets on a pool, and collects the receipts."""

    def __init__(self, pool: LocalPool, root: Path):
        self.pool, self.root = pool, root
        self.receipts: queue.Queue[Receipt] = queue.Queue()

    def start(
        self,
        program: str,
        *,
        backend: str = "",
        limits: Limits = SMALL,
        params: bytes = b"",
        owner: str | None = None,
        until: float | None = None,
    ) -> Ticket:
        job = f"job{next(NUMBERS):017}"
        keys = (f"params/{job}", f"result/{job}/1", f"log/{job}/1")
        root = str(self.root)
        ticket = Ticket(
            job,
            1,
            program,
            backend,
            *keys,
            root,
            log_level="INFO",
            owner=owner,
            until=until,
            limits=limits,
        )
        LocalBlobs(self.root).put(ticket.params_key, params)
        self.pool.start(ticket, self.receipts.put)
        return ticket

    def receipt(self) -> Receipt:
        return self.receipts.get(timeout=60)

    def run(
        self,
        program: str,
        *,
        backend: str = "",
        limits: Limits = SMALL,
        owner: str | None = None,
        until: float | None = None,
    ) -> Receipt:
        ticket = self.start(program, backend=backend, limits=limits, owner=owner, until=until)
        receipt = self.receipt()
        assert (receipt.job, receipt.fence) == (ticket.job, 1)
        return receipt

    def pids(self, ticket: Ticket) -> list[int]:
        file = self.root / ticket.job
        eventually(file.exists)
        pids: list[int] = json.loads(file.read_text())
        return pids

    def log(self, receipt: Receipt) -> str:
        return (self.root / f"log/{receipt.job}/1").read_text()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="module")
def path_of_entries() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        yield


@pytest.fixture(scope="module")
def pool(path_of_entries: None) -> Iterator[LocalPool]:
    """One for the tests that leave it whole."""
    pool = LocalPool(options=OPTIONS, threads=1)
    assert pool.warm(), pool.error
    yield pool
    pool.close()


@pytest.fixture
def desk(pool: LocalPool, tmp_path: Path) -> Desk:
    return Desk(pool, tmp_path)


@pytest.fixture
def own_desk(path_of_entries: None, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Makes desks with a pool of their own, for tests that damage it."""
    pools: list[LocalPool] = []

    def make(**arguments: object) -> Desk:
        pools.append(LocalPool(**{"options": OPTIONS} | arguments))
        return Desk(pools[-1], tmp_path)

    yield make
    for pool in pools:
        pool.close()


def test_a_job_hands_in_its_receipt(desk):
    assert desk.run("nothing").outcome == "Completed"


def test_metrics_that_do_not_fit_are_left_out_of_the_receipt(desk):
    receipt = desk.run("large metrics")
    assert (receipt.outcome, receipt.usage_s, receipt.metrics) == ("Completed", 2.0, {})


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("segfault", 4003, "SIGSEGV"),
        ("abort", 4003, "SIGABRT"),
        ("exit 3", 4003, "exit code 3"),
        ("exit", 4003, "without a result"),
        ("interrupt", 4003, "without a result"),
        ("another's receipt", 4003, "without a result"),
        ("eat memory", 4002, "0.25 GiB"),
        ("fail to allocate", 4002, "0.25 GiB"),
    ],
)
def test_a_job_that_dies_fails_with_the_reason_and_the_next_runs(desk, program, code, words):
    receipt = desk.run(program)
    assert (receipt.outcome, receipt.code, receipt.lost) == ("Failed", code, False)
    assert words in receipt.reason
    assert receipt.solution
    assert f"CRITICAL {receipt.reason}" in desk.log(receipt)
    assert desk.run("nothing").outcome == "Completed"


def test_a_job_that_somebody_killed_is_lost_and_not_to_blame(desk):
    """A job that does it to itself can't be told from that; its attempts are counted, so it ends, too."""
    receipt = desk.run("kill itself")
    assert (receipt.outcome, receipt.code, receipt.lost) == ("Failed", None, True)
    assert "SIGKILL" in receipt.reason
    assert desk.run("nothing").outcome == "Completed"


@pytest.mark.parametrize(
    ("program", "limits"),
    [
        pytest.param("sleep", Limits(memory_bytes=256 << 20, wall_s=0.2), id="wall"),
        pytest.param("spin", Limits(memory_bytes=256 << 20, cpu_s=1), id="processor"),
    ],
)
def test_a_job_at_its_time_limit_is_cancelled_with_the_official_code(desk, program, limits):
    receipt = desk.run(program, limits=limits)
    assert (receipt.outcome, receipt.code) == ("Cancelled", 1305)
    assert receipt.reason.startswith("Ran too long")


def test_a_cancelled_job_is_dead_and_its_end_has_no_reason(desk):
    ticket = desk.start("sleep")
    (pid,) = desk.pids(ticket)
    desk.pool.stop(ticket.job, 1)
    receipt = desk.receipt()
    assert not lives(pid)
    assert receipt == Receipt(ticket.job, 1, "Cancelled")


@pytest.mark.parametrize("manner", ["cancel", "leave"])
def test_what_a_job_started_is_dead_before_its_end_is_told(desk, manner):
    ticket = desk.start("breed", backend=manner)
    pids = desk.pids(ticket)
    if manner == "cancel":
        desk.pool.stop(ticket.job, 1)
    desk.receipt()
    assert [pid for pid in pids if lives(pid)] == []


@pytest.mark.parametrize("program", ["hand in and stay", "hand in and leave a thread"])
def test_a_job_that_hands_in_its_receipt_and_goes_on_has_not_ended(desk, program):
    ticket = desk.start(program)
    (pid,) = desk.pids(ticket)
    with pytest.raises(queue.Empty):
        desk.receipts.get(timeout=0.3)
    desk.pool.stop(ticket.job, 1)
    assert desk.receipt() == Receipt(ticket.job, 1, "Cancelled")
    assert not lives(pid)


def test_stopping_an_unknown_attempt_does_nothing(desk):
    ticket = desk.start("sleep")
    (pid,) = desk.pids(ticket)
    desk.pool.stop("nobody", 1)
    desk.pool.stop(ticket.job, 2)
    assert lives(pid)
    desk.pool.stop(ticket.job, 1)
    desk.receipt()
    desk.pool.stop(ticket.job, 1)
    assert desk.receipts.empty()


def test_two_slots_run_at_the_same_time(desk):
    first = desk.start("meet", backend="rendezvous")
    assert desk.pool.capacity() == 1
    second = desk.start("meet", backend="rendezvous")
    assert desk.pool.capacity() == 0
    assert desk.pids(first) != desk.pids(second)  # both are there, and neither can end
    (desk.root / "rendezvous").touch()
    assert {desk.receipt().job, desk.receipt().job} == {first.job, second.job}
    eventually(lambda: desk.pool.alive() == set())
    assert desk.pool.capacity() == 2


def test_a_slot_is_free_when_its_receipt_is_told_but_the_attempt_is_still_watched(desk):
    seen = []
    receipts = desk.receipts.put

    def done(receipt):
        seen.append((desk.pool.capacity(), (receipt.job, 1) in desk.pool.alive()))
        receipts(receipt)

    desk.receipts.put = done
    desk.run("nothing")
    assert seen == [(2, True)]


def test_many_jobs_leave_no_descriptors_and_no_zombies(desk):
    def traces():
        zygote = desk.pool.zygote_pid
        children = Path(f"/proc/{zygote}/task/{zygote}/children")
        eventually(lambda: children.read_text() == "")  # an end may be told while memory is taken down
        gc.collect()  # what earlier tests left open in this process is no concern of ours
        return [len(list(Path(f"/proc/{who}/fd").iterdir())) for who in ("self", zygote)]

    desk.run("nothing")
    before = traces()
    for _ in range(50):
        desk.run("nothing")
    eventually(lambda: all(now <= then for now, then in zip(traces(), before, strict=True)))


def test_a_job_sees_no_secrets_no_network_and_no_files_of_the_office(own_desk, monkeypatch):
    for name in ("COLDPLATE_DATA", "QISKIT_IBM_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        desk = own_desk(threads=2)
        seen = desk.run(
            "look around", backend=str(listener.getsockname()[1]), limits=Limits(threads=2)
        ).metrics
    assert [n for n in seen["environment"] if n.startswith(("COLDPLATE_", "QISKIT_IBM", "AWS"))] == []
    assert seen["open"] == [0, 1, 2, 3, 4, 5]  # the receipt, offers to the cache, and the listing itself
    assert seen["reachable"] == (desk.pool.isolation["network"] != "none")
    assert (seen["threads"], seen["nice"], seen["oom_score_adj"]) == ("2", min(19, os.nice(0) + 10), 1000)
    assert (seen["own_group"], seen["core"], seen["files"]) == (True, 0, 64)


# --- spare children -------------------------------------------------------------------------------

SPARE = ("--warm", "", "--rehearsal", "worker_entries:rehearse", *OPTIONS[len(BARE) :])


def spares(desk):
    """Process ids of the spare children that live, or have lived."""
    return {int(file.name.removeprefix("spare")) for file in desk.root.glob("spare*[0-9]")}


@pytest.fixture
def spare_desk(own_desk):
    """A desk whose zygote has one spare child, which is told."""
    desk = own_desk(options=SPARE)
    desk.run("nothing")
    eventually(lambda: len(spares(desk)) == 1)
    return desk, spares(desk).pop()


def test_a_spare_child_runs_the_next_job_and_another_one_the_job_after(spare_desk):
    desk, spare = spare_desk
    assert desk.pids(desk.start("tell pid")) == [spare]
    eventually(lambda: len(spares(desk)) == 2)
    assert desk.pids(desk.start("tell pid")) == [(spares(desk) - {spare}).pop()]


def test_a_job_in_a_spare_child_has_the_same_limits_and_sees_no_more(spare_desk, own_desk):
    spare, plain = spare_desk[0], own_desk()
    seen = [desk.run("look around", backend="1").metrics for desk in (spare, plain)]
    assert seen[0] == seen[1]
    receipt = spare.run("eat memory")
    assert (receipt.outcome, receipt.code) == ("Failed", 4002)


def test_a_spare_child_that_crashes_leaves_a_log_of_the_job_alone(spare_desk):
    desk, _ = spare_desk
    assert "rehearsal" not in desk.log(desk.run("segfault"))


def test_a_spare_child_that_died_before_its_ticket_came_is_replaced(spare_desk):
    desk, spare = spare_desk
    os.kill(spare, signal.SIGKILL)
    assert desk.run("nothing").outcome == "Completed"


def test_a_spare_child_that_dies_with_its_ticket_unread_is_not_the_jobs_fault(spare_desk):
    desk, spare = spare_desk
    os.kill(spare, signal.SIGSTOP)
    ticket = desk.start("tell pid")
    time.sleep(0.05)  # the zygote hands it over meanwhile; if it has not, the child is only dead earlier
    os.kill(spare, signal.SIGKILL)
    assert desk.receipt().outcome == "Completed"
    assert desk.pids(ticket) != [spare]


def test_a_cancelled_job_whose_ticket_is_unread_never_runs(spare_desk):
    desk, spare = spare_desk
    os.kill(spare, signal.SIGSTOP)
    ticket = desk.start("tell pid")
    desk.pool.stop(ticket.job, 1)
    assert desk.receipt() == Receipt(ticket.job, 1, "Cancelled")
    assert not lives(spare) and not (desk.root / ticket.job).exists()


def test_a_spare_child_that_lacks_a_device_runs_nothing(own_desk):
    desk = own_desk(options=("--warm", "worker_entries:warm", *SPARE[2:]))
    desk.run("nothing")
    eventually(lambda: len(spares(desk)) == 1)
    assert desk.pids(desk.start("tell pid", backend="new device")) != [*spares(desk)]
    assert desk.receipt().outcome == "Completed"


def test_a_rehearsal_that_is_deadly_is_not_repeated_without_a_job(own_desk):
    desk = own_desk(options=SPARE)
    for number in (1, 2):
        assert desk.run("nothing", backend="deadly rehearsal").outcome == "Completed"
        eventually(lambda: len(spares(desk)) == number)  # noqa: B023
        eventually(lambda: not any(map(lives, spares(desk))))  # else it may be buried after the next job came
    time.sleep(0.2)
    assert len(spares(desk)) == 2


def test_spare_children_die_with_the_zygote(spare_desk):
    desk, spare = spare_desk
    os.kill(desk.pool.zygote_pid, signal.SIGKILL)
    eventually(lambda: not lives(spare))
    assert desk.run("nothing").outcome == "Completed"


def test_no_spare_child_outlives_the_pool(spare_desk):
    desk, spare = spare_desk
    desk.pool.close()
    assert not lives(spare)


# --- what jobs leave for the next ones ------------------------------------------------------------


@pytest.fixture(params=[OPTIONS, SPARE], ids=["newborn", "spare"])
def keeping_desk(own_desk, request):
    desk = own_desk(options=request.param)
    desk.run("nothing")
    if request.param == SPARE:
        eventually(lambda: spares(desk))
    return desk


def test_a_job_finds_what_the_last_one_of_its_owner_on_its_backend_has_left(keeping_desk):
    def found(owner: str | None, backend: str = "emu"):
        receipt = keeping_desk.run("remember", owner=owner, backend=backend)
        eventually(lambda: keeping_desk.pool.capacity() == 2)
        return receipt.metrics["found"], receipt.job

    nothing, first = found("ada")
    assert nothing is None
    assert found("ada")[0] == first
    assert [found(owner)[0] for owner in ("bob", None, None)] == [None] * 3
    assert found("ada", backend="other")[0] is None


def test_a_job_that_dies_leaves_nothing(keeping_desk):
    assert keeping_desk.run("remember and die", owner="ada", backend="emu").outcome == "Failed"
    assert keeping_desk.run("remember", owner="ada", backend="emu").metrics == {"found": None}


@pytest.mark.skipif(native() is None, reason="only the kernel's programs are kept")
def test_a_real_job_finds_what_the_last_one_of_its_owner_has_compiled(own_desk):
    desk = own_desk(options=("--entry", "worker_entries:run_and_tell_what_was_found"))
    device = "emu_heron_r2"
    params = rehearsal.params("sampler", catalog.load(device).target)

    def found(owner):
        desk.start("sampler", backend=device, limits=Limits(), params=params, owner=owner)
        receipt = desk.receipt()
        assert receipt.outcome == "Completed"
        return receipt.metrics["found"]

    assert [found(owner) for owner in ("ada", "ada", "bob", None)] == [[False], [True], [False], [False]]


# --- the zygote ---------------------------------------------------------------------------------


def test_tickets_that_come_before_the_zygote_is_ready_wait_for_it(own_desk):
    desk = own_desk()
    assert not desk.pool.ready
    assert desk.run("nothing").outcome == "Completed"


def test_a_ticket_that_waits_for_the_zygote_can_be_cancelled(own_desk):
    desk = own_desk()
    ticket = desk.start("sleep")
    desk.pool.stop(ticket.job, 1)
    assert desk.receipt() == Receipt(ticket.job, 1, "Cancelled")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_jobs_of_a_lost_zygote_are_dead_and_lost_and_the_next_runs(own_desk, monkeypatch, number):
    monkeypatch.setattr(supervise, "PATIENCE_S", 0.5)
    desk = own_desk()
    ticket = desk.start("breed")
    pids = desk.pids(ticket)
    os.kill(desk.pool.zygote_pid, number)
    waiting = desk.start("nothing") if number == signal.SIGSTOP else None
    receipt = desk.receipt()
    assert receipt.lost
    if waiting is None:
        assert [pid for pid in pids[:2] if lives(pid)] == []
    os.kill(pids[2], signal.SIGKILL)
    if waiting is not None:
        assert desk.receipt().lost
    assert desk.run("nothing").outcome == "Completed"


def test_a_lab_that_cannot_be_imported_is_reported_and_nothing_starts(own_desk):
    desk = own_desk(options=("--preload", "no_such_module"))
    assert not desk.pool.warm()
    assert "No module named 'no_such_module'" in desk.pool.error
    assert desk.pool.capacity() == 0


def test_closing_kills_and_what_was_running_is_lost(own_desk):
    desk = own_desk()
    ticket = desk.start("sleep")
    (pid,) = desk.pids(ticket)
    zygote = desk.pool.zygote_pid
    desk.pool.close()
    assert not lives(pid) and not lives(zygote)
    assert desk.receipt().lost
    assert desk.pool.capacity() == 0


def test_closing_ends_a_zygote_that_hangs(own_desk, monkeypatch):
    monkeypatch.setattr(local, "CLOSE_S", 0.2)
    desk = own_desk()
    (pid,) = desk.pids(desk.start("sleep"))
    zygote = desk.pool.zygote_pid
    os.kill(zygote, signal.SIGSTOP)
    desk.pool.close()
    assert desk.receipt().lost
    assert not lives(pid) and not lives(zygote)


def test_closing_does_not_wait_for_a_zygote_that_is_still_importing(own_desk):
    desk = own_desk(options=(*BARE, "--preload", "qiskit", "--entry", "worker_entries:run"))
    desk.start("nothing")
    desk.pool.close()
    assert desk.receipt().lost


SERVER = """
import sys, time
from coldplate.workers.local import LocalPool
from coldplate.workers.pool import Ticket
pool = LocalPool(options=sys.argv[2:])
for job in ("one", "two"):
    pool.start(Ticket(job, 1, "sleep", "", "", "", "", sys.argv[1]), print)
time.sleep(600)
"""


def test_nothing_survives_a_server_that_is_killed(path_of_entries, tmp_path):
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path), *OPTIONS])
    try:
        files = [tmp_path / "one", tmp_path / "two"]
        eventually(lambda: all(file.exists() for file in files))
        pids = [pid for file in files for pid in json.loads(file.read_text())]
        zygote = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
        assert all(map(lives, [zygote, *pids]))
    finally:
        server.kill()
        server.wait()
    eventually(lambda: not any(map(lives, [zygote, *pids])))


# --- the lab ------------------------------------------------------------------------------------


def test_the_lab_is_preloaded_without_the_client(path_of_entries):
    code = (
        "import sys; from coldplate.workers import preload; preload.preload(preload.PRELOAD); "
        "print('coldplate.workers.run_job' in sys.modules, 'qiskit_ibm_runtime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_real_jobs_store_their_result_and_one_out_of_memory_or_crashed_harms_no_other(own_desk):
    desk = own_desk(options=LAB, slots=1)
    blobs = LocalBlobs(desk.root)

    def run(program):
        ticket = desk.start(program, params=b"params")
        receipt = desk.receipt()
        assert receipt.job == ticket.job
        return ticket, receipt

    ticket, receipt = run("echo")
    assert (receipt.outcome, receipt.usage_s, receipt.result_size) == ("Completed", 2.0, 6)
    with blobs.open(ticket.result_key) as file:
        assert file.read() == b"smarap"

    _, receipt = run("simulate too much")
    assert (receipt.outcome, receipt.code) == ("Failed", 4002)
    assert run("echo")[1].outcome == "Completed"

    _, receipt = run("crash with a log")
    assert (receipt.outcome, receipt.code) == ("Failed", 4003)
    said, end = desk.log(receipt).splitlines()
    assert said.endswith("INFO half way") and "CRITICAL The job's process was ended by SIGSEGV" in end


# --- the heart-beat -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "lost"),
    [
        pytest.param(True, "Cancelled", False, id="cancel-requested"),
        pytest.param(None, "Failed", True, id="stale-fence"),
    ],
)
def test_a_heart_beat_that_says_stop_ends_the_job(own_desk, answer, outcome, lost):
    desk = own_desk(beat=lambda _job, _fence: answer, lease_s=0.3)
    ticket = desk.start("sleep")
    receipt = desk.receipt()
    assert (receipt.job, receipt.outcome, receipt.lost) == (ticket.job, outcome, lost)


def test_a_job_whose_lease_nobody_renews_is_killed_by_the_zygote_alone(own_desk):
    """The pool says nothing here, as if it were stopped: who takes over must not find the job running."""
    desk = own_desk()
    ticket = desk.start("sleep", until=time.monotonic() + 1)
    receipt = desk.receipt()
    assert (receipt.job, receipt.outcome, receipt.lost) == (ticket.job, "Failed", True)
    assert time.monotonic() >= ticket.until


def test_a_ticket_whose_lease_is_over_is_not_worked_on(own_desk):
    assert own_desk().run("sleep", until=time.monotonic() - 1).lost


def test_a_job_whose_lease_is_renewed_goes_on(own_desk):
    beats = []
    desk = own_desk(beat=lambda job, fence: beats.append(time.monotonic()) or len(beats) > 3, lease_s=3)
    ticket = desk.start("sleep", until=time.monotonic() + 3)
    receipt = desk.receipt()
    assert (receipt.outcome, len(beats)) == ("Cancelled", 4)
    assert beats[-1] > ticket.until


def test_a_heart_beat_that_fails_is_tried_again(own_desk):
    beats = []

    def beat(job, fence):
        beats.append((job, fence))
        if len(beats) < 3:
            raise OSError("the database is busy")
        return len(beats) > 3

    desk = own_desk(beat=beat, lease_s=0.06)
    ticket = desk.start("sleep")
    assert desk.receipt().outcome == "Cancelled"
    assert beats == [(ticket.job, 1)] * 4
