"""What a hostile client sends ends in a clear 4xx or a Failed job; the server stays as it was."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
from qiskit import QuantumCircuit, qpy

GROWTH = 50 << 20  # bytes the server may grow by
BELL = QuantumCircuit(2, name="bell")
BELL.h(0)
BELL.cx(0, 1)
BELL.measure_all()


class Attacker:
    """Speaks plain HTTP to the server, with a valid key: the main enemy is a tenant."""

    def __init__(self, server):
        self.server = server
        self.headers = {"Authorization": f"apikey {server.key}", "Service-CRN": server.crn}

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        try:
            connection.request(method, path, body, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def submit(self, params: object, program: str = "sampler") -> tuple[int, dict]:
        body = {"program_id": program, "backend": "sim_statevector", "params": params}
        status, answer = self.ask("POST", "/api/v1/jobs", json.dumps(body).encode())
        return status, json.loads(answer)

    def end_of(self, job: str) -> dict:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status, answer = self.ask("GET", f"/api/v1/jobs/{job}?exclude_params=true")
            assert status == 200
            found = json.loads(answer)
            if found["state"]["status"] in ("Completed", "Failed", "Cancelled"):
                return found
        raise AssertionError("the job never ended")


@pytest.fixture
def attacker(coldplate_server) -> Iterator[Attacker]:
    """An attacker; afterwards the server is the same process, no larger, and still runs good jobs."""
    process = psutil.Process(coldplate_server.pid)
    good = Attacker(coldplate_server)
    run_good_job(good)
    before = process.memory_info().rss
    yield good
    assert process.is_running()
    assert psutil.Process(coldplate_server.pid).create_time() == process.create_time()
    assert process.memory_info().rss - before < GROWTH
    run_good_job(good)


def run_good_job(client: Attacker) -> None:
    status, answer = client.submit(sampler_params(circuit_value(BELL)))
    assert status == 200, answer
    assert client.end_of(answer["id"])["state"]["status"] == "Completed"


def sampler_params(circuit: object, values: object | None = None) -> dict:
    return {"pubs": [[circuit, values or ndarray_value(npy(np.zeros(0))), 16]], "options": {}, "version": 2}


def circuit_value(circuit: QuantumCircuit) -> dict:
    stream = io.BytesIO()
    qpy.dump(circuit, stream, version=15)
    return qpy_value(stream.getvalue())


def qpy_value(raw: bytes) -> dict:
    return tagged("QuantumCircuit", zlib.compress(raw))


def ndarray_value(raw: bytes) -> dict:
    return tagged("ndarray", zlib.compress(raw))


def tagged(name: str, raw: bytes) -> dict:
    return {"__type__": name, "__value__": base64.b64encode(raw).decode()}


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def qpy_claiming(num_qubits: int) -> bytes:
    """A small QPY file whose circuit header claims many qubits."""
    stream = io.BytesIO()
    qpy.dump(QuantumCircuit(7, name="w"), stream, version=13)
    raw = stream.getvalue()
    claimed = raw.replace(struct.pack("!II", 7, 0), struct.pack("!II", num_qubits, 0))
    assert claimed != raw
    return claimed


def npy_claiming(shape: str, dtype: str) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


GOOD = circuit_value(BELL)
BAD_PARAMS: dict[str, Callable[[], dict]] = {
    "zlib bomb for a circuit": lambda: sampler_params(tagged("QuantumCircuit", bomb())),
    "zlib bomb for an array": lambda: sampler_params(GOOD, tagged("ndarray", bomb())),
    "array that claims 2^60 elements": lambda: sampler_params(
        GOOD, ndarray_value(npy_claiming("(1152921504606846976,)", "|V0"))
    ),
    "array of objects": lambda: sampler_params(GOOD, ndarray_value(npy_claiming("(1,)", "|O"))),
    "QPY that claims 20 million qubits": lambda: sampler_params(qpy_value(qpy_claiming(20_000_000))),
    "QPY cut short": lambda: sampler_params(qpy_value(qpy_claiming(8)[:60])),
    "gadget settings": lambda: sampler_params(
        {
            "__type__": "settings",
            "__module__": "subprocess",
            "__class__": "Popen",
            "__value__": {"args": "id"},
        }
    ),
    "gadget expression": lambda: sampler_params(tagged("ParameterExpression", b"__import__('os').abort()")),
    "shots beyond the limit": lambda: {**sampler_params(GOOD), "pubs": [[GOOD, None, 2_147_483_647]]},
}


def bomb() -> bytes:
    """A megabyte that inflates to a gigabyte."""
    deflate = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    return b"".join([deflate.compress(zeros) for _ in range(1024)]) + deflate.flush()


@pytest.mark.parametrize("name", BAD_PARAMS)
def test_bad_params_end_in_a_refusal_or_a_failed_job_with_a_reason(attacker, name):
    status, answer = attacker.submit(BAD_PARAMS[name]())
    if status == 200:
        state = attacker.end_of(answer["id"])["state"]
        assert state["status"] == "Failed"
        assert state["reason"]
        assert state["reason_code"] >= 1000
    else:
        assert 400 <= status < 500
        assert answer["errors"][0]["message"]


BAD_BODIES: dict[str, bytes] = {
    "not JSON": b"{",
    "an array": b"[]",
    "NaN": b'{"program_id":"sampler","backend":"sim_statevector","params":{"options":{"default_shots":NaN}}}',
    "NUL in a tag": b'{"program_id":"sampler","backend":"sim_statevector","params":{},"tags":["a\\u0000b"]}',
    "lone surrogate": b'{"program_id":"sampler","backend":"sim_statevector","params":{},"tags":["\\ud800"]}',
    "broken UTF-8": b'{"program_id":"sampler","backend":"\xff\xfe","params":{}}',
    "deep JSON": b'{"program_id":"sampler","backend":"sim_statevector","params":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "deep options": b'{"program_id":"sampler","backend":"sim_statevector","params":{"pubs":[],"options":'
    + b'{"experimental":' * 100_000
    + b"{}"
    + b"}" * 100_000
    + b"}}",
    "huge integer": b'{"program_id":"sampler","backend":"sim_statevector","params":{},"cost":'
    + b"9" * 5000
    + b"}",
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body_is_refused_with_our_error_shape(attacker, name):
    status, answer = attacker.ask("POST", "/api/v1/jobs", BAD_BODIES[name])
    assert 400 <= status < 500
    error = json.loads(answer)["errors"][0]
    assert error["code"]
    assert error["message"]


def raw_socket(server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def head(server, *lines: str) -> bytes:
    fixed = [
        "POST /api/v1/jobs HTTP/1.1",
        "Host: x",
        f"Authorization: apikey {server.key}",
        f"Service-CRN: {server.crn}",
    ]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def test_declared_gigabyte_is_refused_before_it_is_sent(attacker):
    with raw_socket(attacker.server) as connection:
        connection.sendall(head(attacker.server, f"Content-Length: {1 << 30}"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_undeclared_gigabyte_is_cut_off(attacker):
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    answer = b""
    with raw_socket(attacker.server) as connection:
        connection.sendall(head(attacker.server, "Transfer-Encoding: chunked"))
        try:
            for _ in range(1024):
                connection.sendall(chunk)
        except OSError:
            pass
        else:
            raise AssertionError("the server took a gigabyte")
        try:
            answer = connection.recv(4096)
        except OSError:
            return  # it closed without a word, which is as good
    assert answer.startswith(b"HTTP/1.1 413") or not answer


def test_header_that_never_ends_is_cut_off_and_others_are_served_meanwhile(attacker):
    with raw_socket(attacker.server) as connection:
        connection.sendall(b"GET /api/v1/backends HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        run_good_job(attacker)
        connection.settimeout(20)
        assert closed_by_server(connection)


def closed_by_server(connection: socket.socket) -> bool:
    """Whether the server ends the connection before the socket's time-out, with or without a 408."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def test_header_of_megabytes_is_refused(attacker):
    with raw_socket(attacker.server) as connection:
        try:
            connection.sendall(b"GET /api/v1/backends HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * (4 << 20))
        except OSError:
            return
        assert closed_by_server(connection)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs/../../etc/passwd",
        "/api/v1/jobs/..%2f..%2f..%2fetc%2fpasswd/results",
        "/api/v1/jobs/" + "a" * 5000,
        "/api/v1/jobs/%00",
        "/api/v1/backends/%ff/configuration",
        "/api/v1/sessions/<script>alert(1)</script>",
        "/nowhere",
    ],
)
def test_strange_paths_are_not_found(attacker, path):
    status, answer = attacker.ask("GET", path)
    assert status in (400, 404)
    assert json.loads(answer)["errors"][0]["message"]
