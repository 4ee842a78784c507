"""The server as a process: it starts, keeps others out, keeps its key, and ends when told to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from coldplate.connection import Refused, from_data
from coldplate.server import CannotStart, address, describe, listen, start_describing
from coldplate.settings import Settings
from coldplate.testing import running_server


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        yield server


def serve(data: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    command = [sys.executable, "-P", "-m", "coldplate", "serve", "--data", str(data), *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60)


# --- it starts ------------------------------------------------------------------------------------


def test_all_that_it_says_of_itself_is_true(server):
    told = json.loads((server.data / "server.json").read_text())
    assert told == {"pid": server.pid, "url": server.url}
    assert f"serves at {server.url}" in server.log
    connection = from_data(server.data)
    assert (connection.url, connection.key, connection.crn) == (server.url, server.key, server.crn)
    assert connection.ask("GET", "/api/v1/instances/usage")["usage_consumed_seconds"] == 0


def test_catalog_is_served(server):
    devices = from_data(server.data).ask("GET", "/api/v1/backends")["devices"]
    assert {"sim_statevector", "emu_eagle"} <= {device["name"] for device in devices}


def test_figures_are_told_without_a_key(server):
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        text = answer.read().decode()
        assert answer.headers.get_content_type() == "text/plain"
    assert 'coldplate_slots{state="free"} 2.0' in text
    assert server.crn not in text


def test_stranger_is_refused(server):
    with pytest.raises(Refused) as refused:
        type(from_data(server.data))(server.url, "cp_none", server.crn).ask("GET", "/api/v1/backends")
    assert refused.value.status == 401


def test_stored_files_are_nobody_elses(server):
    assert [p for p in server.data.rglob("*") if p.name != "server.log" and p.stat().st_mode & 0o077] == []


# --- it keeps others out --------------------------------------------------------------------------


def test_second_server_on_the_same_data_is_refused_and_told_of_the_first(server):
    done = serve(server.data, "--port", "0")
    assert done.returncode == 1
    assert f"process {server.pid} at {server.url}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_taken_port_is_told_in_one_line(tmp_path, server):
    done = serve(tmp_path, "--port", str(server.port))
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"coldplate: Can't listen on 127.0.0.1:{server.port}: Address already in use"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", ["[", "[[backends]]\nname = 'no underscore'\nkind = 'ideal'\n"])
def test_catalog_that_is_wrong_is_told_in_one_line(tmp_path, content):
    (tmp_path / "catalog.toml").write_text(content)
    done = serve(tmp_path / "data", "--port", "0", "--catalog", str(tmp_path / "catalog.toml"))
    assert done.returncode == 1
    assert done.stderr.startswith("coldplate: The catalog can't be described: ")
    assert len(done.stderr.splitlines()) == 1


# --- it ends --------------------------------------------------------------------------------------


def test_stopped_server_leaves_no_process_and_no_address(tmp_path):
    with running_server(tmp_path) as server:
        children = psutil.Process(server.pid).children(recursive=True)
        assert server.stop() == 0
    assert not (tmp_path / "server.json").exists()
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_restart_keeps_key_port_and_jobs(tmp_path):
    with running_server(tmp_path) as server:
        before = (server.key, server.crn, server.port)
        body = {"program_id": "sampler", "backend": "sim_statevector", "params": {"pubs": [], "version": 2}}
        job = from_data(tmp_path).ask("POST", "/api/v1/jobs", body=body)["id"]
        server.restart()
        assert (server.key, server.crn, server.port) == before
        assert from_data(tmp_path).ask("GET", f"/api/v1/jobs/{job}")["id"] == job


def test_killed_server_starts_again(tmp_path):
    with running_server(tmp_path) as server:
        server.kill()
        server.start()
        assert from_data(tmp_path).ask("GET", "/api/v1/versions")["versions"]


def test_server_ends_with_the_process_that_started_it(tmp_path):
    code = f"""
from pathlib import Path
from coldplate.testing import Server
server = Server(Path({str(tmp_path)!r}))
server.start()
print(server.pid, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert wait_until_gone(int(done.stdout))


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


# --- its parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")],
)
def test_address_is_one_that_clients_can_use(host, told):
    settings = Settings(host=host, port=0)
    try:
        listener = listen(settings)
    except CannotStart:
        pytest.skip(f"{host} is not offered here")
    with listener:
        assert address(settings, listener) == f"{told}{listener.getsockname()[1]}"


def test_name_of_a_host_is_listened_on_as_well():
    with listen(Settings(host="localhost", port=0)) as listener:
        assert listener.family == socket.AF_INET


def test_backends_are_described_by_another_process():
    with start_describing(None) as describing:
        records = describe(describing)
    assert "sim_statevector" in {record.name for record in records}
