from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from coldplate.backends import catalog
from coldplate.errors import BadInput, ChildDied, ProgramNotRun
from coldplate.programs.registry import Context
from coldplate.workers.host import Code, Host, failure

RUN = """
from qiskit import QuantumCircuit

def main(backend, user_messenger, shots):
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    print("running on", backend.name)
    job = backend.run(circuit, shots=shots)
    user_messenger.publish([job.status().name])
    user_messenger.publish(job.result().get_counts(), final=True)
"""
# A job's process, which is shut in as all of them are; it prints what came of the program.
JOB = """
import json, logging, sys
from pathlib import Path
from coldplate.backends import catalog
from coldplate.errors import ColdplateError
from coldplate.programs.registry import Context
from coldplate.workers import host, sandbox

asked = json.loads(sys.argv[1])
sandbox.isolate()
started, lines, told = host.subprocess.Popen, [], []

def popen(*arguments, **options):
    made = started(*arguments, **options)
    print(made.pid, flush=True)
    return made

def heard(_level, _text, line):
    lines.append(line)
    if asked["speaks"]:
        print(line, flush=True)

host.subprocess.Popen, host.log.log = popen, heard
host.log.error = lambda _text, line: lines.append(line)
one = host.Host(host.Code(asked["source"], asked["shown"]), data=Path(asked["data"]), log_level="INFO")
backend, context = catalog.load("sim_statevector", None), Context(seed=1, publish=told.append)
try:
    answer = one.run(asked["params"].encode(), backend, context)
    found = {"value": json.loads(answer.body), "metrics": answer.metrics}
except ColdplateError as error:
    found = {"error": type(error).__name__, "text": error.message}
print(json.dumps(found | {"lines": lines, "told": told}))
"""


def job(
    source: str, tmp_path: Path, *, params: str = "{}", shown: bool = True, speaks: bool = False
) -> list[str]:
    """The command of a job's process."""
    asked = {"source": source, "params": params, "shown": shown, "data": str(tmp_path / "data")}
    return [sys.executable, "-P", "-c", JOB, json.dumps(asked | {"speaks": speaks})]


def came_of(*given: Any, **more: Any) -> dict[str, Any]:
    """What came of a program."""
    done = subprocess.run(job(*given, **more), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found.get("error") == "ProgramNotRun":
        pytest.skip(found["text"])
    return found


@pytest.mark.slow
def test_program_runs_circuits_publishes_and_may_publish_its_result(tmp_path):
    found = came_of(RUN, tmp_path, params='{"shots":7}')
    assert found["lines"] == ["running on sim_statevector"]
    assert found["told"] == [{"__type__": "to_json", "__value__": ["DONE"]}]
    assert (found["value"], found["metrics"]) == ({"1": 7}, {"num_circuits": 1})


def test_lines_of_a_program_are_for_its_author(tmp_path):
    source = "def main(backend, user_messenger):\n    secret = 1 / 0\n"
    found = came_of(source, tmp_path, shown=False)
    raised = "The program raised ZeroDivisionError: division by zero (line 2 of the program)."
    assert (found["error"], found["text"]) == ("ProgramRaised", raised)
    (logged,) = found["lines"]
    assert 'File "<program>", line 2, in main' in logged
    assert "secret" not in logged


def test_inputs_that_may_not_be_shown_are_refused_before_anything_is_started(tmp_path):
    backend = catalog.load("sim_statevector", None)
    gadget = b'{"a":{"__type__":"settings","__module__":"os","__class__":"system","__value__":{}}}'
    with pytest.raises(BadInput, match="only operators"):
        Host(Code(RUN, shown=True), data=tmp_path, log_level="INFO").run(gadget, backend, Context())


def test_machine_that_can_not_shut_it_in_is_told():
    assert isinstance(failure({"end": "not run", "why": "No Landlock."}), ProgramNotRun)


@pytest.mark.slow
def test_program_dies_with_its_job(tmp_path):
    source = "def main(backend, user_messenger):\n    print('begun')\n    while True: pass\n"
    with subprocess.Popen(job(source, tmp_path, speaks=True), stdout=subprocess.PIPE, text=True) as process:
        guest = int(process.stdout.readline())
        if process.stdout.readline() != "begun\n":
            pytest.skip("the machine can't shut programs in")
        process.kill()
    for _ in range(100):
        if not Path(f"/proc/{guest}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{guest}").exists()


@pytest.mark.slow
def test_program_that_kills_itself_fails_its_job(tmp_path):
    source = "import ctypes\ndef main(backend, user_messenger):\n    ctypes.string_at(0)\n"
    found = came_of(source, tmp_path)
    assert found["error"] == ChildDied.__name__
    assert "SIGSEGV" in found["text"]
