"""Every recipe points the unmodified client here: each runs in a process of its own, as a user's would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import trustme

from coldplate.testing import running_server

JOB = """
import sys, warnings
warnings.simplefilter("ignore")
from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2

def run(service):
    backend = service.backend("sim_statevector")
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    job = SamplerV2(mode=backend).run([transpile(circuit, backend)], shots=7)
    print(job.result()[0].data.meas.get_counts(), service.active_instance())
"""
PLAIN = JOB + "run(QiskitRuntimeService())"
NAMES = """
import os, socket
genuine = socket.getaddrinfo

def lookup(host, port, *rest, **more):
    if str(host).endswith("qc.test"):
        assert port == 443, port
        host, port = "127.0.0.1", int(os.environ["TEST_PORT"])
    return genuine(host, port, *rest, **more)

socket.getaddrinfo = lookup
"""


def run_client(code: str, variables: dict[str, str], home) -> str:
    """Output of a client process that has only these variables of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"HOME": str(home)} | variables,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected(server) -> str:
    return f"{{'01': 7}} {server.crn}\n"


def test_recipe_a_one_instance_by_environment(coldplate_server, tmp_path):
    server = coldplate_server
    variables = {
        "QISKIT_IBM_TOKEN": server.key,
        "QISKIT_IBM_INSTANCE": server.crn,
        "QISKIT_IBM_URL": f"{server.url}/experimental",
        "IAM_URL": server.url,
        "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
    }
    assert run_client(PLAIN, variables, tmp_path) == expected(server)


@pytest.mark.parametrize("instance", ["crn", "default", "auto", None])
def test_recipe_b_whole_account_by_environment(coldplate_server, tmp_path, instance):
    variables = dict(coldplate_server.env)
    del variables["QISKIT_IBM_INSTANCE"]
    if instance:
        variables["QISKIT_IBM_INSTANCE"] = coldplate_server.crn if instance == "crn" else instance
    assert run_client(PLAIN, variables, tmp_path) == expected(coldplate_server)


def test_recipe_b_with_an_account_file_and_one_variable(coldplate_server, tmp_path):
    server = coldplate_server
    account = {
        "channel": "ibm_quantum_platform",
        "token": server.key,
        "instance": server.crn,
        "url": f"{server.url}/experimental",
    }
    (tmp_path / ".qiskit").mkdir()
    file = tmp_path / ".qiskit" / "qiskit-ibm.json"
    file.write_text(json.dumps({"default-ibm-quantum-platform": account}))
    (tmp_path / "ibm-credentials.env").write_text(
        f"GLOBAL_SEARCH_URL={server.url}\nGLOBAL_CATALOG_URL={server.url}/api/v1\n"
    )
    assert run_client(PLAIN, {"IAM_URL": server.url}, tmp_path) == expected(server)


def test_recipe_d_as_the_http_proxy_of_names_that_do_not_resolve(coldplate_server, tmp_path):
    server = coldplate_server
    variables = {
        "QISKIT_IBM_TOKEN": server.key,
        "QISKIT_IBM_INSTANCE": server.crn,
        "QISKIT_IBM_URL": "http://qc.internal",
        "IAM_URL": "http://iam.qc.internal",
        "HTTP_PROXY": server.url,
    }
    assert run_client(PLAIN, variables, tmp_path) == expected(server)


def test_recipe_e_names_of_your_own_over_tls(tmp_path):
    authority = trustme.CA()
    wildcards = ("*.qc.test", "*.quantum.qc.test", "*.global-search-tagging.qc.test", "127.0.0.1")
    certificate = authority.issue_cert(*wildcards)
    files = {name: tmp_path / f"{name}.pem" for name in ("chain", "key", "authority")}
    certificate.private_key_pem.write_to_path(files["key"])
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(files["chain"], append=True)
    authority.cert_pem.write_to_path(files["authority"])
    with running_server(tmp_path / "data", tls_cert=files["chain"], tls_key=files["key"]) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        variables = {
            "QISKIT_IBM_TOKEN": server.key,
            "QISKIT_IBM_INSTANCE": server.crn,
            "QISKIT_IBM_URL": "https://qc.test",
            "IAM_URL": "https://iam.qc.test",
            "REQUESTS_CA_BUNDLE": str(files["authority"]),
            "TEST_PORT": str(server.port),
        }
        assert run_client(NAMES + PLAIN, variables, tmp_path) == expected(server)


def test_recipe_f_in_code_with_a_resolver_of_urls(coldplate_server, tmp_path):
    server = coldplate_server
    code = f"""
run(QiskitRuntimeService(
    channel="ibm_quantum_platform", token={server.key!r}, instance={server.crn!r}, url={server.url!r},
    url_resolver=lambda url, instance, private, channel: url + "/api/v1",
))"""
    variables = {"IAM_URL": server.url, "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"}
    assert run_client(JOB + code, variables, tmp_path) == expected(server)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("", id="the server of this data directory"),
        pytest.param("url, key", id="another server, the client chooses the instance"),
        pytest.param("url, key, 'default'", id="another server, instance by name"),
    ],
)
def test_connect_points_here(coldplate_server, tmp_path, arguments):
    server = coldplate_server
    code = f"""
from coldplate.client import connect
url, key = {server.url!r}, {server.key!r}
run(connect({arguments}))"""
    assert run_client(JOB + code, {"COLDPLATE_DATA": str(server.data)}, tmp_path) == expected(server)


def test_server_is_not_a_proxy_for_anything_else(coldplate_server):
    with socket.create_connection((coldplate_server.host, coldplate_server.port)) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        assert connection.recv(100).split()[1] in (b"400", b"404", b"405")
