"""A server for clients of 2023, and processes of theirs that talk to it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from old_clients import client, extra

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


def cloud(server, **more):
    """The same of the channel `ibm_cloud`."""
    scheme, _, host = server.url.partition("://")
    variables = {
        "QISKIT_IBM_CHANNEL": "ibm_cloud",
        "QISKIT_IBM_TOKEN": server.key,
        "QISKIT_IBM_URL": f"{scheme}://experimental@{host}",
        "QISKIT_IBM_INSTANCE": server.crn,
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
    with client("0.12", SCRIPTS, cloud(old_server), tmp_path_factory.mktemp("cloud")) as process:
        yield process


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A private certificate authority: files of it, of a certificate for this machine, and of its key."""
    files = {name: tmp_path_factory.mktemp("tls") / f"{name}.pem" for name in ("chain", "key", "authority")}
    issuer = trustme.CA()
    certificate = issuer.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(files["key"])
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(files["chain"], append=True)
    issuer.cert_pem.write_to_path(files["authority"])
    return files


@pytest.fixture(scope="session")
def tls_server(authority):
    """The same server with https of its own, which runs programs that users upload."""
    tls = {"tls_cert": authority["chain"], "tls_key": authority["key"]}
    with running_server(catalog=CATALOG, run_uploads=True, **tls) as running:
        yield running


@pytest.fixture(scope="session")
def trusting(authority):
    """The variables of a client that trusts the authority, for requests and for streams."""
    return dict.fromkeys(["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"], str(authority["authority"]))


@pytest.fixture(scope="session")
def streaming(tls_server, trusting, tmp_path_factory):
    """The client of 2023 over https, with the websocket-client that it was made with."""
    variables = quantum(tls_server, **trusting)
    with client("0.12", SCRIPTS, variables, tmp_path_factory.mktemp("streaming")) as process:
        yield process


@pytest.fixture(scope="session")
def streaming_cloud(tls_server, trusting, tmp_path_factory):
    """The same through the channel `ibm_cloud`."""
    with client(
        "0.12", SCRIPTS, cloud(tls_server, **trusting), tmp_path_factory.mktemp("tls-cloud")
    ) as process:
        yield process


@pytest.fixture(scope="session")
def streaming_newest(tls_server, trusting, tmp_path_factory):
    """The same with the newest websocket-client."""
    home, newest = tmp_path_factory.mktemp("newest"), extra("websocket-newest")
    with client("0.12", SCRIPTS, quantum(tls_server, **trusting), home, before=newest) as process:
        yield process


@pytest.fixture(scope="session")
def not_streaming(tls_server, trusting, tmp_path_factory):
    """The newest again, sent to the address that says not to stream."""
    home, newest = tmp_path_factory.mktemp("polling"), extra("websocket-newest")
    variables = quantum(tls_server, **trusting, QISKIT_IBM_URL=f"{tls_server.url}/polling/api")
    with client("0.12", SCRIPTS, variables, home, before=newest) as process:
        yield process


@contextmanager
def proxied_client(server, authority, variables, home, *, before=None, own_host=False):
    """The client of 2023 that reaches a server of plain http through a proxy that ends TLS."""
    _, _, port = server.url.rpartition(":")
    command = [sys.executable, str(Path(__file__).with_name("tls_proxy.py"))]
    command += [str(authority["chain"]), str(authority["key"]), port, *(["--own-host"] if own_host else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            url = f"https://127.0.0.1:{proxy.stdout.readline().strip()}/api"
            told = quantum(server, **variables, QISKIT_IBM_URL=url)
            with client("0.12", SCRIPTS, told, home, before=before) as process:
                yield process
        finally:
            proxy.kill()


@pytest.fixture(scope="session")
def proxied(old_server, authority, trusting, tmp_path_factory):
    """The client behind a proxy that keeps the name that clients asked for."""
    home = tmp_path_factory.mktemp("proxied")
    with proxied_client(old_server, authority, trusting, home) as process:
        yield process


@pytest.fixture(scope="session")
def proxied_newest(old_server, authority, trusting, tmp_path_factory):
    """The newest websocket-client behind a proxy that puts the server's own name in its place."""
    home, newest = tmp_path_factory.mktemp("proxied-newest"), extra("websocket-newest")
    with proxied_client(old_server, authority, trusting, home, before=newest, own_host=True) as process:
        yield process
