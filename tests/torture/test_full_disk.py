"""A disk that is really full: no job is taken, reads go on, ends are kept, and all recovers by itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from coldplate.testing import running_server

SIZE = 24 << 20  # bytes of the disk


@pytest.fixture
def disk(tmp_path):
    """A small disk of our own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def filled(disk: Path):
    """Not one byte is left inside."""
    balloon = disk / "balloon"
    with balloon.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    try:
        yield
    finally:
        balloon.unlink()


def ask(server, method: str, path: str, body: object = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    headers = {"Authorization": f"apikey {server.key}", "Service-CRN": server.crn}
    with contextlib.closing(connection):
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    return answer.status, json.loads(text) if text.startswith(b"{") else {}


def job(backend: str = "sim_statevector") -> dict:
    params = {"pubs": [], "options": {}, "version": 2, "support_qiskit": True}
    return {"program_id": "sampler", "backend": backend, "params": params}


def end_of(server, id: str) -> str:
    deadline = time.monotonic() + 60
    while (state := ask(server, "GET", f"/jobs/{id}")[1]["status"]) in ("Queued", "Running"):
        assert time.monotonic() < deadline, "the job never ended"
        time.sleep(0.05)
    return state


def test_full_disk_takes_no_job_answers_what_is_read_and_recovers(disk, tmp_path):
    os.environ.pop("COLDPLATE_FAILPOINTS", None)
    with running_server(disk / "data", lease_s=3) as server:
        status, before = ask(server, "POST", "/jobs", job())
        assert status == 200
        ended = end_of(server, before["id"])
        with filled(disk):
            for _ in range(3):
                status, told = ask(server, "POST", "/jobs", job())
                assert (status, told["errors"][0]["code"]) == (503, 3246)
            assert ask(server, "GET", f"/jobs/{before['id']}")[1]["status"] == ended
            assert ask(server, "GET", "/jobs")[1]["count"] == 1
            assert ask(server, "GET", "/backends")[0] == 200
        status, after = ask(server, "POST", "/jobs", job())
        assert status == 200
        assert end_of(server, after["id"]) == ended
        assert ask(server, "GET", "/jobs")[1]["count"] == 2
