"""Pytest plugin: a server of your own, and a service of the official client that talks to it.

Installing Coldplate makes both fixtures known to pytest; nothing is started or imported before a
test asks for one.

    def test_my_library(coldplate_service):
        backend = coldplate_service.least_busy()
        ...

`coldplate_server` is a real server process on a free port, with its data in a temporary directory;
one for the whole run. To change its settings, override `coldplate_settings` in a conftest.py:

    @pytest.fixture(scope="session")
    def coldplate_settings():
        return {"slots": 4, "catalog": Path(__file__).parent / "devices.toml"}
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

READY_S = 60.0  # a server is ready in a second or two; a machine may be busy
STOP_S = 20.0


class Server:
    """A Coldplate server process and all that a client needs to reach it.

    Args:
        data: Its data directory.
        settings: Settings by name, as in `coldplate.settings.Settings`.
    """

    host = "127.0.0.1"
    module = "coldplate"  # what is run; a subclass may wrap it

    def __init__(self, data: Path, **settings: Any):
        self.data = data
        self.settings = settings
        self.url = self.key = self.crn = ""
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the server; it changes with `restart`."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    @property
    def env(self) -> dict[str, str]:
        """Variables for a process whose unmodified client shall talk to this server."""
        from coldplate.connection import Connection

        return Connection(self.url, self.key, self.crn).variables()

    @property
    def log(self) -> str:
        """What the server has written to its log so far."""
        return (self.data / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers; a second start uses the same port."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        variables = {f"COLDPLATE_{name.upper()}": str(value) for name, value in self.settings.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COLDPLATE_")}
        command = [sys.executable, "-P", "-m", self.module, "serve", "--with-parent"]
        command += ["--host", self.host, "--port", str(self.port), "--data", str(self.data)]
        with (self.data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=clean | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_S
        while (told := read(self.data / "server.json")).get("pid") != self._process.pid:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The Coldplate server did not start.\n{self.log[-4000:]}")
            time.sleep(0.01)
        account = read(self.data / "account.json")
        self.url = told["url"]
        self.port = urlsplit(self.url).port or 0
        self.key, self.crn = account["key"], account["crn"]

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Stop it, if it still runs, and start it again on the same port with the same data."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self.start()


def read(file: Path) -> dict[str, Any]:
    """A JSON file; empty while it is not there."""
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return content


@contextlib.contextmanager
def running_server(data: Path | None = None, **settings: Any) -> Iterator[Server]:
    """A server for a `with` block; without `data`, what it stored is deleted at the end."""
    with contextlib.ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coldplate-")))
        server = Server(data, **settings)
        try:
            server.start()
            yield server
        finally:
            if server._process is not None and server._process.poll() is None:
                server.stop()


@pytest.fixture(scope="session")
def coldplate_settings() -> dict[str, Any]:
    """Settings of `coldplate_server` by name; override it to change them."""
    return {}


@pytest.fixture(scope="session")
def coldplate_server(
    coldplate_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running Coldplate server: `url`, `key`, `crn`, `env`, `data`, `pid`, `restart()`."""
    with running_server(tmp_path_factory.mktemp("coldplate"), **coldplate_settings) as server:
        yield server


@pytest.fixture(scope="session")
def coldplate_service(coldplate_server: Server) -> Iterator[QiskitRuntimeService]:
    """A `QiskitRuntimeService` of the official client that talks to `coldplate_server`."""
    from coldplate.client import pointed_at

    server = coldplate_server
    with pointed_at(server.url, server.key, server.crn) as service:
        yield service
