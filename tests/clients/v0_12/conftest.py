"""A server for clients of 2023, and processes of theirs that talk to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from old_clients import client

from coldplate.testing import running_server

SCRIPTS = Path(__file__).with_name("scripts")
CATALOG = Path(__file__).with_name("catalog.toml")


@pytest.fixture(scope="session")
def old_server():
    """The server that tests of old clients share."""
    with running_server(catalog=CATALOG) as running:
        yield running


def quantum(server, **more):
    """The variables of a client of the channel `ibm_quantum`."""
    variables = {
        "QISKIT_IBM_CHANNEL": "ibm_quantum",
        "QISKIT_IBM_TOKEN": server.key,
        "QISKIT_IBM_URL": f"{server.url}/api",
    }
    return variables | more


@pytest.fixture(scope="session")
def old(old_server, tmp_path_factory):
    """The client of 2023, pointed at the server through the channel `ibm_quantum`."""
    with client("0.12", SCRIPTS, quantum(old_server), tmp_path_factory.mktemp("quantum")) as process:
        yield process


@pytest.fixture(scope="session")
def old_cloud(old_server, tmp_path_factory):
    """The same client, pointed at it through the channel `ibm_cloud`."""
    scheme, _, host = old_server.url.partition("://")
    variables = {
        "QISKIT_IBM_CHANNEL": "ibm_cloud",
        "QISKIT_IBM_TOKEN": old_server.key,
        "QISKIT_IBM_URL": f"{scheme}://experimental@{host}",
        "QISKIT_IBM_INSTANCE": old_server.crn,
    }
    with client("0.12", SCRIPTS, variables, tmp_path_factory.mktemp("cloud")) as process:
        yield process
