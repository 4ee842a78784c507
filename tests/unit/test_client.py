"""connect() and pointed_at(): which server, which key, which instance; and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coldplate.client import complete, pointed_at
from coldplate.connection import Connection, NoServer

CRN = "crn:v1:coldplate:public:quantum-computing:us-east:a/local:default::"
FOUND = Connection("http://127.0.0.1:8080", "cp_mine", CRN)


@pytest.fixture
def shell(monkeypatch):
    """A shell in which the exports of `coldplate env` were run."""
    for name, value in FOUND.variables().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param((None, None, None), FOUND, id="all is found"),
        pytest.param((None, None, "chem"), Connection(FOUND.url, "cp_mine", "chem"), id="instance"),
        pytest.param((None, "cp_other", None), Connection(FOUND.url, "cp_other", "auto"), id="key"),
        pytest.param(("http://h:1/", "k", None), Connection("http://h:1", "k", "auto"), id="server"),
        pytest.param(("http://h:1", "k", CRN), Connection("http://h:1", "k", CRN), id="everything"),
    ],
)
def test_what_is_left_out_is_found(shell, arguments, expected):
    assert complete(*arguments) == expected


def test_key_of_one_server_is_not_sent_to_another(shell):
    with pytest.raises(NoServer, match="no key for http://elsewhere"):
        complete("http://elsewhere", None, None)


def test_environment_is_as_it_was_after_pointed_at(monkeypatch):
    monkeypatch.setenv("IAM_URL", "http://before")
    monkeypatch.delenv("GLOBAL_SEARCH_URL", raising=False)
    with pytest.raises(Exception, match="Unable to retrieve instances"):
        with pointed_at("http://127.0.0.1:1", "cp_key", CRN):
            pass
    assert os.environ["IAM_URL"] == "http://before"
    assert "GLOBAL_SEARCH_URL" not in os.environ


def test_importing_costs_nothing():
    code = "import sys, coldplate.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"qiskit", "qiskit_ibm_runtime", "pydantic", "fastapi"} & set(done.stdout.split())
