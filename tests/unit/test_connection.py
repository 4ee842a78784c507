"""Where a server is: from variables, from a data directory, and in which order."""

from __future__ import annotations

import json

import pytest

from coldplate.connection import Connection, NoServer, find, from_data, from_environment, refusal

CRN = "crn:v1:coldplate:public:quantum-computing:us-east:a/local:default::"
GERMAN = CRN.replace("us-east", "eu-de")
VARIABLES = {
    "QISKIT_IBM_TOKEN": "cp_key",
    "QISKIT_IBM_INSTANCE": CRN,
    "QISKIT_IBM_URL": "http://127.0.0.1:8080/experimental",
}


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No variables, and a home of its own."""
    for name in (*VARIABLES, "COLDPLATE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return monkeypatch


def make_data(data, url="http://127.0.0.1:9999"):
    data.mkdir(parents=True)
    (data / "account.json").write_text(json.dumps({"key": "cp_local", "crn": CRN}))
    (data / "server.json").write_text(json.dumps({"pid": 1, "url": url}))
    return Connection(url, "cp_local", CRN)


def test_variables_of_recipe_b_are_read_back_as_the_same_connection():
    connection = Connection("http://127.0.0.1:8080", "cp_key", CRN)
    assert from_environment(connection.variables()) == connection
    assert from_environment(connection.variables(simple=True)) == connection


@pytest.mark.parametrize(
    ("url", "crn", "origin"),
    [
        ("http://127.0.0.1:8080/experimental", CRN, "http://127.0.0.1:8080"),
        ("https://qc.example.org", CRN, "https://quantum.qc.example.org"),
        ("https://qc.example.org", GERMAN, "https://eu-de.quantum.qc.example.org"),
        ("https://qc.example.org:444/x", CRN, "https://quantum.qc.example.org"),
        ("http://127.0.0.1:8080", "default", "http://127.0.0.1:8080"),
    ],
)
def test_origin_is_the_one_that_clients_derive(url, crn, origin):
    names = {"QISKIT_IBM_TOKEN": "k", "QISKIT_IBM_URL": url, "QISKIT_IBM_INSTANCE": crn}
    assert from_environment(names).url == origin


@pytest.mark.parametrize("url", ["https://cloud.ibm.com", "https://quantum.cloud.ibm.com/experimental"])
def test_key_of_the_official_service_is_never_taken(url):
    assert from_environment(VARIABLES | {"QISKIT_IBM_URL": url}) is None


@pytest.mark.parametrize("missing", ["QISKIT_IBM_TOKEN", "QISKIT_IBM_URL"])
def test_half_a_connection_is_none(missing):
    assert from_environment({k: v for k, v in VARIABLES.items() if k != missing}) is None


def test_named_directory_comes_before_variables_and_those_before_the_users_own(bare, tmp_path):
    named = make_data(tmp_path / "named", "http://127.0.0.1:1111")
    own = make_data(tmp_path / "home" / "coldplate", "http://127.0.0.1:2222")
    assert find() == own
    for name, value in VARIABLES.items():
        bare.setenv(name, value)
    assert find().url == "http://127.0.0.1:8080"
    assert find(tmp_path / "named") == named


def test_directory_without_a_server_says_what_to_do(bare, tmp_path):
    with pytest.raises(NoServer, match="was ever started") as told:
        from_data(tmp_path)
    assert "coldplate serve" in told.value.solution


def test_server_that_was_stopped_is_told_from_one_that_never_was(bare, tmp_path):
    make_data(tmp_path / "d")
    (tmp_path / "d" / "server.json").unlink()
    with pytest.raises(NoServer, match="is running"):
        from_data(tmp_path / "d")


def test_nobody_there_is_one_clear_error():
    with pytest.raises(NoServer, match="No answer from http://127.0.0.1:1:"):
        Connection("http://127.0.0.1:1", "k", CRN).ask("GET", "/api/v1/jobs")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"errors":[{"code":1291,"message":"No job x.","solution":"Look."}]}', r"No job x\. \(code 1291\)"),
        (b"<html>bad gateway</html>", "http://h/x answered with status 502"),
        (b'{"errors":[]}', "http://h/x answered with status 502"),
    ],
)
def test_refusal_repeats_what_the_server_said(body, message):
    error = refusal(502, body, "http://h/x")
    with pytest.raises(type(error), match=message):
        raise error
