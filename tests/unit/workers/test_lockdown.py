from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coldplate.errors import ProgramNotRun
from coldplate.workers import lockdown, syscalls

# What a stranger's code might try, and what it needs.
TRIES = """
import ctypes, json, os, signal, socket, sys, threading
from pathlib import Path
from coldplate.errors import ProgramNotRun
from coldplate.workers import lockdown, sandbox

def thread():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()

file = sys.argv[1]
tries = {
    "read": lambda: open(file),
    "list": lambda: os.listdir("/"),
    "write": lambda: open(file, "w"),
    "cut": lambda: os.truncate(file, 0),
    "cut by opening": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
    "remove": lambda: os.unlink(file),
    "change mode": lambda: os.chmod(file, 0o777),
    "touch": lambda: os.utime(file),
    "see memory": lambda: open(f"/proc/{os.getppid()}/mem"),
    "connect": lambda: socket.socket(socket.AF_UNIX),
    "fork": os.fork,
    "execute": lambda: os.execv(sys.executable, ["python", "-c", ""]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "outlive": lambda: lockdown.call("prctl", lockdown.PR_SET_PDEATHSIG, 0, 0, 0, 0),
    "slow others down": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "leave": os.setsid,
    "import": lambda: __import__("sqlite3"),
    "thread": thread,
    "throw away": lambda: open(os.devnull, "w").write("x"),
}
sandbox.isolate()
try:
    lockdown.lock_down(forbidden=Path(file).parent)
except ProgramNotRun as error:
    print(json.dumps(error.message))
    sys.exit()
done = {}
for name, act in tries.items():
    try:
        act()
        done[name] = "done"
    except PermissionError:
        done[name] = "refused"
print(json.dumps(done))
"""


def test_strangers_code_computes_and_can_do_nothing_else(tmp_path):
    file = tmp_path / "secret"
    file.write_text("secret")
    command = [sys.executable, "-P", "-c", TRIES, str(file)]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if isinstance(done, str):
        pytest.skip(done)
    allowed = {"import", "thread", "throw away"}
    assert {name for name, what in done.items() if what == "done"} == allowed
    assert {name for name, what in done.items() if what == "refused"} == set(done) - allowed
    assert file.read_text() == "secret"


def test_data_among_the_libraries_is_no_place_to_run_strangers_code():
    with pytest.raises(ProgramNotRun, match="data lies within"):
        lockdown.lock_down(forbidden=Path(sys.prefix) / "data")


def test_unknown_machine_runs_no_strangers_code(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(ProgramNotRun, match="vax"):
        lockdown.lock_down(forbidden=tmp_path)


def test_network_of_the_machine_is_no_place_either(monkeypatch):
    table = "Inter-| Receive\n face |bytes\n    lo: 0 0\n  eth0: 12 3\n"
    monkeypatch.setattr(Path, "read_text", lambda _path, encoding: table)
    with pytest.raises(ProgramNotRun, match="eth0"):
        lockdown.refuse_network()


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_filter_is_short_enough_and_knows_each_call_once(machine):
    numbers = syscalls.forbidden(machine)
    assert len(set(numbers)) == len(numbers) > 80
    assert len(lockdown.program(machine, 1)) < 4096  # what the kernel takes
