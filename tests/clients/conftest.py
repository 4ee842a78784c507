"""One server with the catalog of these tests, and a service of the unmodified client that talks to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldplate.client import pointed_at
from coldplate.testing import running_server

CATALOG = Path(__file__).with_name("catalog.toml")


@pytest.fixture(scope="session")
def catalog() -> Path:
    """The catalog of `server`, for tests that start one of their own."""
    return CATALOG


@pytest.fixture(scope="session")
def server():
    """The server that tests share; a test leaves its backends free and its queue empty."""
    with running_server(catalog=CATALOG) as running:
        yield running


@pytest.fixture(scope="session")
def service(server):
    """The official client's service, of `server`."""
    with pointed_at(server.url, server.key, server.crn) as pointed:
        yield pointed
