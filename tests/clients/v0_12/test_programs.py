"""Programs that users of 2023 upload are kept and shown; they are run where the operator wants it."""

from __future__ import annotations

import pytest
from old_clients import ClientError
from operating import new_user

TRACEBACK = [
    'File "<program>", line 2, in main\n',
    "    1 / 0\n",
    "\nZeroDivisionError: division by zero\n",
]


def test_program_is_kept_changed_shared_and_deleted(old):
    assert old.call("programs.uploaded") == {
        "first": [True, True, "one", False],
        "changed": "def main(backend, user_messenger, **kwargs):\n    return 'θ'\n# changed\n",
        "then": ["two", True],
        "time": 300,
        "listed": True,
        "own": ["sampler", "estimator"],
        "left": False,
    }


def test_name_is_taken_once(old):
    with pytest.raises(ClientError) as caught:
        old.call("programs.uploaded_twice")
    assert caught.value.kind == "RuntimeDuplicateProgramError"


def test_uploaded_program_is_not_run_and_says_so(old):
    with pytest.raises(ClientError, match="uploaded programs are not run"):
        old.call("programs.run")


# --- where the operator wants it ----------------------------------------------------------------


@pytest.fixture(scope="module")
def running(streaming):
    """The client of a server that runs uploaded programs; skipped where the machine can't shut them in."""
    told = streaming.call("programs.fails", line="return 1")
    if "Error code 4052" in (told["message"] or ""):
        pytest.skip(told["message"])
    assert told["status"] == "DONE"
    return streaming


def test_program_runs_tells_and_returns(running):
    told = running.call("programs.run_to_its_end")
    assert told.pop("counts") == 200
    assert told.pop("equal") > 150
    rounds = [{"round": number, "shots": 200} for number in range(3)]
    assert told == {
        "angles": [0.2, 0.4],
        "rest": [2, "none"],
        "told": rounds,
        "interim": rounds,
        "log": ["round 0", "round 1", "round 2"],
        "program": True,
        "inputs": ["angles", "observable", "rounds"],
        "used": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "value"),
    [("0.25", 0.25), ("'curl'", "curl"), ("None", None), ("[1, 'url']", [1, "url"]), ("{0: 1}", {"0": 1})],
)
def test_program_returns_any_value(running, text, value):
    assert running.call("programs.returns", value=text) == value


def test_error_of_a_program_is_told_with_its_place(running):
    told = running.call("programs.fails", line="1 / 0")
    assert told["status"] == "ERROR"
    raised = "The program raised ZeroDivisionError: division by zero (line 2 of the program)."
    assert f"Error code 5203; {raised}" in told["message"]
    assert all(line in told["log"] for line in TRACEBACK)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("open('/etc/passwd')", "PermissionError"),
        ("import subprocess; subprocess.run(['/bin/true'])", "PermissionError"),
        ("import socket; socket.socket()", "PermissionError"),
        ("import os; os.kill(os.getppid(), 9)", "PermissionError"),
        ("import os; os._exit(3)", "Error code 4003; The program's process ended with exit code 3"),
        ("raise SystemExit", "SystemExit"),
        ("return {'__type__': 'settings', '__value__': {}}", "tells a value of type 'settings'"),
        ("return backend", "can't be a part of a result"),
        ("return backend.run([], nonsense=1)", "nonsense"),
    ],
)
def test_program_is_shut_in(running, line, why):
    told = running.call("programs.fails", line=line)
    assert told["status"] == "ERROR"
    assert why in told["message"]


@pytest.mark.slow
def test_program_has_a_time_limit_of_its_own(running):
    with pytest.raises(ClientError) as caught:
        running.call("programs.too_long")
    assert caught.value.kind == "RuntimeJobMaxTimeoutError"


def test_program_of_another_is_run_when_it_is_shared_and_unknown_when_not(running, tls_server):
    login = {"token": new_user(tls_server), "url": f"{tls_server.url}/api"}
    public, private = (running.call("programs.published", public=public) for public in (True, False))
    assert running.call("programs.run_id", id=public, **login) == "θ"
    with pytest.raises(ClientError) as caught:
        running.call("programs.run_id", id=private, **login)
    assert caught.value.kind == "RuntimeProgramNotFound"
