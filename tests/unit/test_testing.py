"""The pytest plugin: a server of one's own, for tests and for `with` blocks."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from coldplate.connection import Connection, from_data, from_environment
from coldplate.testing import Server, running_server

pytest_plugins = ["pytester"]


def test_server_tells_all_that_a_client_needs(coldplate_server):
    server = coldplate_server
    assert server.url == f"http://{server.host}:{server.port}"
    assert from_environment(server.env) == Connection(server.url, server.key, server.crn)
    assert from_data(server.data) == Connection(server.url, server.key, server.crn)
    assert psutil.Process(server.pid).status() != psutil.STATUS_ZOMBIE


def test_service_of_the_official_client_sees_the_servers_backends(coldplate_service):
    assert {"sim_statevector", "emu_eagle"} <= {backend.name for backend in coldplate_service.backends()}


def test_settings_are_the_servers():
    with running_server(slots=3, max_body=2048) as server:
        connection = from_data(server.data)
        assert 'coldplate_slots{state="free"} 3.0' in connection.ask("GET", "/metrics")
        with pytest.raises(Exception, match="larger than the limit of 2048 bytes"):
            connection.ask("POST", "/api/v1/jobs", body={"params": "x" * 4096})


def test_nothing_is_left_of_a_server_after_its_block():
    with running_server() as server:
        pid, data = server.pid, server.data
    assert not psutil.pid_exists(pid)
    assert not data.exists()


def test_server_that_can_not_start_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="Setting slots: "):
        Server(tmp_path, slots=0).start()


def test_callers_own_server_is_not_disturbed(tmp_path, monkeypatch):
    monkeypatch.setenv("COLDPLATE_DATA", "/nowhere")
    monkeypatch.setenv("COLDPLATE_SLOTS", "nonsense")
    with running_server(tmp_path) as server:
        assert (tmp_path / "account.json").exists()
        assert server.stop() == 0


def test_fixtures_are_known_where_coldplate_is_installed(pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def coldplate_settings():
            return {"slots": 1}
        """
    )
    pytester.makepyfile(
        """
        def test_mine(coldplate_server):
            assert coldplate_server.settings == {"slots": 1}
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_plugin_costs_nothing_until_it_is_asked_for():
    code = "import sys, coldplate.testing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"qiskit", "pydantic", "fastapi", "sqlalchemy", "numpy"} & set(done.stdout.split())
