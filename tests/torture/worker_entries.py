"""What the children of the worker tests do in place of a job; imported by the zygote, not by pytest."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from coldplate.circuits.cache import cache
from coldplate.workers.child import RECEIPT_FD, encode_receipt
from coldplate.workers.pool import Receipt, Ticket

SYS_EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]  # ends one thread


def run(ticket: Ticket) -> Receipt:
    """Do what the ticket's program names."""
    return DEEDS[ticket.program](ticket) or Receipt(ticket.job, ticket.fence, "Completed")


def note(ticket: Ticket, *pids: int) -> None:
    """Tell the test which processes there are."""
    file = Path(ticket.blobs_root) / ticket.job
    file.with_suffix(".part").write_text(json.dumps(pids))
    file.with_suffix(".part").rename(file)


def sleep(ticket: Ticket) -> None:
    note(ticket, os.getpid())
    time.sleep(600)


def rehearse(ticket: Ticket) -> None:
    """Tell the test that there is a spare child, or die of a ticket that says so."""
    note(Ticket(f"spare{os.getpid()}", 1, "", "", "", "", "", ticket.blobs_root), os.getpid())
    print("a rehearsal is not the job's to log", file=sys.stderr)
    if ticket.backend == "deadly rehearsal":
        os.abort()


def warm(ticket: Ticket, *, room: int) -> bool:
    """Whether a device is new to the zygote: one that says so."""
    return ticket.backend == "new device"


def remember(ticket: Ticket) -> Receipt:
    """Look for what an earlier job left, and leave something."""
    found = cache().get(b"key")
    cache().offer(b"key", ticket.job.encode())
    if ticket.program == "remember and die":
        os.abort()
    return Receipt(ticket.job, 1, "Completed", metrics={"found": None if found is None else found.decode()})


def tell_pid(ticket: Ticket) -> None:
    note(ticket, os.getpid())


def breed(ticket: Ticket) -> None:
    """Two processes more: one in the job's group, one that left it."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    brood = [subprocess.Popen(command), subprocess.Popen(command, start_new_session=True)]
    note(ticket, os.getpid(), *(process.pid for process in brood))
    if ticket.backend != "leave":
        time.sleep(600)


def spin(_ticket: Ticket) -> None:
    while True:
        pass


def eat_memory(ticket: Ticket) -> None:
    bytearray(2 * ticket.limits.memory_bytes)


def fail_to_allocate_in_native_code(_ticket: Ticket) -> None:
    os.write(2, b"memory allocation of 20000000000 bytes failed\n")
    os.abort()


def read_address_zero(_ticket: Ticket) -> None:
    ctypes.string_at(0)


def meet(ticket: Ticket) -> None:
    """Wait until the test lets it go."""
    note(ticket, os.getpid())
    while not (Path(ticket.blobs_root) / ticket.backend).exists():
        time.sleep(0.005)


def look_around(ticket: Ticket) -> Receipt:
    """Report what a job can see and may do."""
    listener = int(ticket.backend)
    with socket.socket() as client:
        reachable = client.connect_ex(("127.0.0.1", listener)) == 0
    seen = {
        "environment": sorted(os.environ),
        "threads": os.environ["OMP_NUM_THREADS"],
        "open": sorted(int(fd.name) for fd in Path("/proc/self/fd").iterdir()),
        "nice": os.nice(0),
        "own_group": os.getpgid(0) == os.getpid(),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
        "reachable": reachable,
    }
    return Receipt(ticket.job, ticket.fence, "Completed", metrics=seen)


def hand_in_and_stay(ticket: Ticket) -> None:
    """Tell of an end that has not come."""
    os.write(RECEIPT_FD, encode_receipt(Receipt(ticket.job, ticket.fence, "Completed")))
    sleep(ticket)


def hand_in_and_leave_a_thread(ticket: Ticket) -> None:
    """The main thread ends alone, as no Python program would."""
    threading.Thread(target=sleep, args=(ticket,)).start()
    os.write(RECEIPT_FD, encode_receipt(Receipt(ticket.job, ticket.fence, "Completed")))
    ctypes.CDLL(None).syscall(SYS_EXIT, 0)


def raise_interrupt(_ticket: Ticket) -> None:
    raise KeyboardInterrupt


def raise_exit(_ticket: Ticket) -> None:
    raise SystemExit(0)


DEEDS: dict[str, Callable[[Ticket], Receipt | None]] = {
    "nothing": lambda _ticket: None,
    "sleep": sleep,
    "remember": remember,
    "remember and die": remember,
    "tell pid": tell_pid,
    "breed": breed,
    "spin": spin,
    "eat memory": eat_memory,
    "fail to allocate": fail_to_allocate_in_native_code,
    "segfault": read_address_zero,
    "abort": lambda _ticket: os.abort(),
    "kill itself": lambda _ticket: os.kill(os.getpid(), signal.SIGKILL),
    "exit 3": lambda _ticket: os._exit(3),
    "exit": raise_exit,
    "interrupt": raise_interrupt,
    "meet": meet,
    "hand in and stay": hand_in_and_stay,
    "hand in and leave a thread": hand_in_and_leave_a_thread,
    "look around": look_around,
    "another's receipt": lambda ticket: Receipt("other", ticket.fence, "Completed"),
    "large metrics": lambda t: Receipt(t.job, t.fence, "Completed", usage_s=2.0, metrics={"x": "y" * 9000}),
}


# --- jobs as they are, with programs that are not ------------------------------------------------


def run_in_the_lab(ticket: Ticket) -> Receipt:
    """The real body of a child, with the programs below and without a backend."""
    from coldplate.workers.run_job import run_job

    return run_job(ticket, find=PROGRAMS.__getitem__, load=lambda _name, _path: None)


def run_and_tell_what_was_found(ticket: Ticket) -> Receipt:
    """A real job; its receipt says of each look into the cache whether something was found."""
    from coldplate.workers.kept import JobCache
    from coldplate.workers.run_job import run_job

    looked: list[bool] = []
    get = JobCache.get

    def watched(kept: JobCache, key: bytes) -> bytes | None:
        value = get(kept, key)
        looked.append(value is not None)
        return value

    JobCache.get = watched  # type: ignore[method-assign]
    return replace(run_job(ticket), metrics={"found": looked})


def echo(params: bytes, _backend: Any, _context: Any) -> Any:
    from coldplate.programs.registry import Answer

    return Answer(params[::-1], usage_s=2.0)


def simulate_too_much(_params: bytes, _backend: Any, _context: Any) -> Any:
    """27 qubits: 2 GiB, more than a small job may have, less than the machine has."""
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(27)
    circuit.h(range(27))
    circuit.measure_all()
    result = AerSimulator(method="statevector").run(circuit, shots=1).result()
    raise RuntimeError(result.status)


def crash_with_a_log(_params: bytes, _backend: Any, context: Any) -> Any:
    context.log("half way")
    ctypes.string_at(0)


PROGRAMS: dict[str, Callable[..., Any]] = {
    "echo": echo,
    "simulate too much": simulate_too_much,
    "crash with a log": crash_with_a_log,
}
