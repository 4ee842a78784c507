"""What the doctor examines: each wrong set-up is found, and told with a way to mend it."""

from __future__ import annotations

import importlib.metadata
import json
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from coldplate import doctor
from coldplate.connection import Connection
from coldplate.doctor import Finding
from coldplate.settings import Settings
from coldplate.testing import running_server

CRN = "crn:v1:coldplate:public:quantum-computing:us-east:a/local:default::"
HERE = Connection("http://127.0.0.1:8080", "cp_key", CRN)


def problems(findings: Iterable[Finding]) -> list[str]:
    """What is wrong; whatever is, can be mended."""
    wrong = [finding for finding in findings if finding.level == "problem"]
    assert all(finding.fix for finding in wrong)
    return [finding.what for finding in wrong]


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    """The address of a server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# --- this shell -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "level"), [("0.51.0", "ok"), ("0.51.3", "ok"), ("0.60.0", "note")])
def test_clients_release_is_one_that_is_tested(monkeypatch, release, level):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: release)
    (finding,) = doctor.client_release()
    assert finding.level == level
    assert release in finding.what


def test_missing_client_is_a_problem(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert len(problems(doctor.client_release())) == 1


@pytest.mark.parametrize("simple", [False, True])
def test_exports_of_env_are_all_that_is_needed(simple):
    assert problems(doctor.environment(HERE.variables(simple=simple))) == []


@pytest.mark.parametrize(
    ("simple", "name"),
    [
        (False, "IAM_URL"),
        (False, "GLOBAL_SEARCH_URL"),
        (False, "GLOBAL_CATALOG_URL"),
        (True, "IAM_URL"),
        (True, "QISKIT_IBM_INSTANCE"),
    ],
)
def test_each_variable_that_is_missing_is_named(simple, name):
    variables = HERE.variables(simple=simple)
    del variables[name]
    (problem,) = problems(doctor.environment(variables))
    assert name in problem


@pytest.mark.parametrize(
    "variables",
    [{}, {"QISKIT_IBM_TOKEN": "k", "QISKIT_IBM_URL": "https://quantum.cloud.ibm.com"}],
    ids=["bare", "official service"],
)
def test_shell_that_points_elsewhere_is_no_problem(variables):
    (finding,) = doctor.environment(variables)
    assert finding.level == "note"


@pytest.mark.parametrize(("bypass", "found"), [("", 1), ("127.0.0.1", 0)])
def test_proxy_for_this_machine_is_noted(monkeypatch, bypass, found):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", bypass)
    assert len(list(doctor.proxies("http://127.0.0.1:8080"))) == found


# --- the data directory ---------------------------------------------------------------------------


def test_private_directory_is_fine(tmp_path):
    tmp_path.chmod(0o700)
    assert [finding.level for finding in doctor.data_directory(tmp_path)] == ["ok"]


@pytest.mark.parametrize("name", ["", "account.json"])
def test_what_others_could_read_is_a_problem(tmp_path, name):
    tmp_path.chmod(0o700)
    account = tmp_path / "account.json"
    account.write_text("{}")
    account.chmod(0o600)
    (tmp_path / name).chmod(0o750)
    (problem,) = problems(doctor.data_directory(tmp_path))
    assert str(tmp_path / name) in problem


def test_directory_that_is_not_there_yet_is_no_problem(tmp_path):
    assert problems(doctor.data_directory(tmp_path / "new")) == []


# --- the server -----------------------------------------------------------------------------------


def test_server_that_does_not_run_is_a_problem(tmp_path):
    assert problems(doctor.server(tmp_path, Settings(data=tmp_path, port=0))) == [
        f"No server was ever started with the data directory {tmp_path}."
    ]


def test_taken_port_is_told_with_the_server_that_does_not_run(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = problems(doctor.server(tmp_path, Settings(data=tmp_path, port=port)))
    assert f"127.0.0.1:{port}" in found[1]


def test_web_server_of_another_kind_is_recognized(tmp_path):
    with answering(418, "I am a teapot") as url:
        (tmp_path / "account.json").write_text(json.dumps({"key": "k", "crn": CRN}))
        (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "url": url}))
        (problem,) = problems(doctor.server(tmp_path, Settings(data=tmp_path)))
    assert "no Coldplate server" in problem


def test_key_that_is_refused_is_told():
    refusal = {"errors": [{"code": 1201, "message": "The key could not be found."}]}
    with answering(400, refusal) as url:
        (problem,) = problems(doctor.tokens(Connection(url, "cp_old", CRN), None))
    assert "could not be found" in problem


@pytest.mark.parametrize("answer", [[], {"token": "x"}, {"access_token": "not three parts"}])
def test_token_service_that_gives_no_token_is_told(answer):
    with answering(200, answer) as url:
        assert len(problems(doctor.tokens(HERE, url))) == 1


def test_instance_that_can_not_be_used_is_told():
    refusal = {"errors": [{"code": 1290, "message": "There is no such instance"}]}
    with answering(404, refusal) as url:
        (problem,) = problems(doctor.instance_is_known(Connection(url, "k", CRN)))
    assert "no such instance" in problem


# --- all together ---------------------------------------------------------------------------------


def test_catalog_that_is_wrong_is_told_with_its_mistake(tmp_path):
    (tmp_path / "catalog.toml").write_text("[[backends]]\nname = 'dev_1'\nkind = 'abacus'\n")
    (problem,) = problems(doctor.backends_are_described(Settings(catalog=tmp_path / "catalog.toml")))
    assert "abacus" in problem


def test_uploaded_programs_are_no_matter_unless_they_are_run(tmp_path):
    assert list(doctor.uploaded_programs(Settings(data=tmp_path))) == []


def test_running_uploaded_programs_is_pointed_out_or_can_not_be(tmp_path):
    (found,) = doctor.uploaded_programs(Settings(data=tmp_path, run_uploads=True))
    assert found.level == ("note" if "are run" in found.what else "problem")
    assert "run_uploads off" in found.fix


def test_machine_that_can_not_shut_programs_in_is_a_problem():
    (found,) = doctor.uploaded_programs(Settings(data=Path(sys.prefix) / "data", run_uploads=True))
    assert found.level == "problem"
    assert "data lies within" in found.what


def test_running_server_is_found_in_good_health():
    with running_server() as server:
        findings = list(doctor.examine(server.data))
    assert problems(findings) == []
    assert f"The server at {server.url} answers." in [finding.what for finding in findings]
