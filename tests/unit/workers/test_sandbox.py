from __future__ import annotations

import json
import subprocess
import sys

import pytest

from coldplate.workers import sandbox

CONFINE = """
import json, resource
from coldplate.workers import sandbox
from coldplate.workers.pool import Limits
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
mapped = sandbox.mapped_bytes()
sandbox.shut_in()
sandbox.confine(Limits(memory_bytes=1 << 30, cpu_s=1.5, file_bytes=1000, threads=3))
names = ("AS", "CPU", "FSIZE", "NOFILE", "CORE")
limits = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names}
limits["AS"] = [bound - mapped for bound in limits["AS"]]
sandbox.use_reserve()
limits["reserve"] = resource.getrlimit(resource.RLIMIT_AS)[0] - mapped
print(json.dumps(limits))
"""


def test_only_what_is_named_passes_into_the_environment_of_jobs():
    office = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "COLDPLATE_DATA": "x",
        "QISKIT_IBM_TOKEN": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "OMP_NUM_THREADS": "64",
        "PYTHONHASHSEED": "random",
    }
    assert sandbox.environment(office, threads=2) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "0",
        "QISKIT_PARALLEL": "FALSE",
        **dict.fromkeys(sandbox.THREAD_VARIABLES, "2"),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="address space is measured on Linux only")
def test_limits_count_from_what_is_mapped_and_never_rise():
    done = subprocess.run([sys.executable, "-c", CONFINE], capture_output=True, text=True, check=True)
    limits = json.loads(done.stdout)
    soft, hard = limits["AS"]
    assert abs(soft - (1 << 30)) < 1 << 20  # reading the measure maps a little
    assert hard - soft == sandbox.MEMORY_RESERVE
    assert limits["reserve"] == hard
    assert limits["CPU"] == [2, 2 + sandbox.CPU_GRACE_S]
    assert (limits["FSIZE"], limits["NOFILE"], limits["CORE"]) == ([1000, 1000], [32, 32], [0, 0])


def test_what_the_kernel_refuses_is_told_and_not_raised(monkeypatch):
    def refuse(*_arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(sandbox, "_call", refuse)
    assert sandbox.isolate()["network"] == "the machine's (Operation not permitted)"


def test_a_process_whose_parent_is_another_ends_at_once():
    code = "from coldplate.workers import sandbox; sandbox.die_with(1 << 22); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
