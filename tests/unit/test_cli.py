"""The command: what it prints, how it fails, and what it does to the data directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coldplate import __version__
from coldplate.auth import Auth
from coldplate.cli.terminal import show
from coldplate.domain.backend import BackendRecord
from coldplate.domain.instance import Instance, InstanceId
from coldplate.settings import Settings
from coldplate.store.store import Store

COMMAND = [sys.executable, "-P", "-m", "coldplate"]
CRN = "crn:v1:coldplate:public:quantum-computing:us-east:a/local:default::"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell that has no variables of ours but these."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "COLDPLATE_", "IAM_"))}
    return subprocess.run([*COMMAND, *arguments], env=clean | variables, capture_output=True, text=True)


@pytest.fixture
def data(tmp_path) -> Path:
    """A data directory with a database, as a first start leaves it, but for the server."""
    settings = Settings(data=tmp_path)
    store = Store(settings.database_url)
    store.migrate()
    store.close()
    (tmp_path / "account.json").write_text(json.dumps({"key": "cp_it's $HOME", "crn": CRN}))
    (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:1"}))
    return tmp_path


def test_version_is_told():
    assert run("--version").stdout == f"coldplate {__version__}\n"


@pytest.mark.parametrize("simple", [False, True])
def test_exports_survive_the_shell(data, simple):
    option = "--simple" if simple else ""
    command = " ".join(COMMAND)
    before = "export QISKIT_FUNCTIONS_EXPERIMENTAL=x GLOBAL_SEARCH_URL=y"
    script = f'{before}; eval "$({command} env --data {data} {option})"; env'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert told["QISKIT_IBM_TOKEN"] == "cp_it's $HOME"
    assert told["QISKIT_IBM_INSTANCE"] == CRN
    assert told["QISKIT_IBM_URL"] == "http://127.0.0.1:1/experimental"
    assert told["IAM_URL"] == "http://127.0.0.1:1"
    assert told.get("QISKIT_FUNCTIONS_EXPERIMENTAL") == ("1" if simple else None)
    assert told.get("GLOBAL_SEARCH_URL") == (None if simple else "http://127.0.0.1:1")


def test_exports_for_clients_before_2025_leave_nothing_of_the_others(data):
    before = f"export QISKIT_IBM_INSTANCE={CRN} QISKIT_FUNCTIONS_EXPERIMENTAL=x"
    script = f'{before}; eval "$({" ".join(COMMAND)} env --data {data} --before-2025)"; env'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert told["QISKIT_IBM_CHANNEL"] == "ibm_quantum"
    assert told["QISKIT_IBM_URL"] == "http://127.0.0.1:1/api"
    assert not told.keys() & {"QISKIT_IBM_INSTANCE", "QISKIT_FUNCTIONS_EXPERIMENTAL"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["env", "--data", "/nowhere"], "No server was ever started", id="no server"),
        pytest.param(["keys", "list", "--data", "/nowhere"], "No server was ever started", id="no store"),
        pytest.param(["serve", "--port", "70000"], "Setting port: ", id="setting out of range"),
        pytest.param(["serve", "--tls-cert", "/nowhere"], "tls_key", id="half a certificate"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_1(arguments, message):
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("coldplate: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nobody_answering_is_told_with_what_to_do(data):
    done = run("jobs", "list", "--data", str(data))
    assert done.returncode == 1
    assert done.stderr.startswith("coldplate: No answer from http://127.0.0.1:1: ")
    assert "coldplate serve" in done.stderr


def test_wrong_usage_is_exit_code_2():
    assert run("jobs", "show").returncode == 2


def test_created_key_works_until_it_is_revoked(data):
    run("users", "create", "ada", "--data", str(data))
    key = run("keys", "create", "ada's laptop", "--user", "ada", "--data", str(data)).stdout.strip()
    store = Store(Settings(data=data).database_url)
    try:
        who = Auth(store, Settings(data=data)).from_key(key)
        assert (who.user, who.account) == ("ada", "local")
        (listed,) = json.loads(run("keys", "list", "--json", "--data", str(data)).stdout)
        assert (listed["name"], listed["revoked"]) == ("ada's laptop", None)
        assert key not in json.dumps(listed)
        assert run("keys", "revoke", listed["id"], "--data", str(data)).returncode == 0
        with pytest.raises(Exception, match="could not be found"):
            Auth(store, Settings(data=data)).from_key(key)
        assert run("keys", "revoke", listed["id"], "--data", str(data)).returncode == 1
    finally:
        store.close()


def test_created_instance_is_stored_under_the_crn_that_is_printed(data):
    done = run("instances", "create", "chem", "--limit", "600", "--region", "eu-de", "--data", str(data))
    store = Store(Settings(data=data).database_url)
    try:
        instance = store.instance(done.stdout.strip())
        assert (instance.name, instance.limit_s, instance.region) == ("chem", 600, "eu-de")
        assert instance.id.split(":")[5] == "eu-de"
    finally:
        store.close()


def test_users_are_made_granted_and_removed(data):
    at = ("--data", str(data))
    crn = run("instances", "create", "chem", "--account", "lab", *at).stdout.strip()
    made = run("users", "create", "bot", "--account", "lab", "--service-id", "--role", "reader", *at)
    assert made.returncode == 0
    assert run("users", "create", "bot", "--account", "lab", *at).returncode == 1
    assert run("users", "grant", "bot", "manager", "--account", "lab", "--instance", crn, *at).returncode == 0
    (user,) = json.loads(run("users", "list", "--json", *at).stdout)
    assert (user["name"], user["kind"]) == ("bot", "service-id")
    assert user["roles"] == f"reader in *, manager in {crn}"
    assert run("keys", "create", "k", "--user", "bot", "--account", "lab", *at).stdout.startswith("cp_")
    (account,) = json.loads(run("accounts", "list", "--json", *at).stdout)
    assert account == {"account": "lab", "instances": 1, "users": 1, "keys": 1}
    assert run("users", "remove", "bot", "--account", "lab", *at).returncode == 0
    (key,) = json.loads(run("keys", "list", "--account", "lab", "--json", *at).stdout)
    assert key["revoked"] is not None
    assert json.loads(run("users", "list", "--json", *at).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["users", "create", "a b"], "no user's name"),
        (["users", "create", "ada", "--role", "king"], "no role"),
        (["users", "create", "ada", "--instance", CRN], "no instance"),
        (["users", "grant", "ada", "writer"], "no user"),
        (["users", "remove", "ada"], "no user"),
        (["keys", "create", "k", "--user", "ada"], "no user"),
        (["keys", "revoke", "ada"], "no working key"),
        (["instances", "update", CRN, "--name", "x"], "no instance"),
    ],
)
def test_what_names_nobody_changes_nothing(data, arguments, message):
    done = run(*arguments, "--data", str(data))
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr


def test_instance_is_changed_where_it_is_said(data):
    at = ("--data", str(data))
    crn = run("instances", "create", "chem", "--limit", "600", "--cap", "900", *at).stdout.strip()
    done = run("instances", "update", crn, "--allocation", "60", "--clear", "limit", "--backend", "b", *at)
    assert done.returncode == 0, done.stderr
    (listed,) = json.loads(run("instances", "list-all", "--json", *at).stdout)
    assert (listed["name"], listed["limit"], listed["allocation"]) == ("chem", None, 60)
    assert listed["cap"] == 900
    assert listed["backends"] == "b"


def test_whole_database_passes_and_a_damaged_one_does_not(data):
    assert run("db", "check", "--data", str(data)).returncode == 0
    file = data / "coldplate.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    file.write_bytes(content)
    done = run("db", "check", "--data", str(data))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_table_shows_what_users_wrote_as_it_is(capsys):
    show([{"id": "a" * 20, "tags": "[bold]not markup[/bold]"}, {"id": "b" * 20, "tags": None}], as_json=False)
    told = capsys.readouterr().out
    assert "[bold]not markup[/bold]" in told
    assert "a" * 20 in told


def test_command_starts_without_the_server_or_the_lab():
    code = "import sys, coldplate.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"qiskit", "numpy", "fastapi", "sqlalchemy", "pydantic", "uvicorn"} & set(done.stdout.split())


def test_backends_are_paused_reserved_and_released(data):
    store = Store(Settings(data=data).database_url)
    store.put_backends([BackendRecord("emu_torino", {"n_qubits": 133}, None)], datetime.now(UTC))
    store.add_instance(Instance(InstanceId(CRN), "default"))
    assert run("queue", "pause", "emu_torino", "--data", str(data)).stdout == "emu_torino is paused.\n"
    assert store.backend("emu_torino").status == "paused"
    assert run("queue", "resume", "emu_torino", "--data", str(data)).stdout == "emu_torino is online.\n"
    window = ["emu_torino", "dedicated", "--minutes", "5", "--instance", CRN, "--data", str(data)]
    id = run("queue", "reserve", *window).stdout.strip()
    listed = json.loads(run("queue", "reservations", "--json", "--data", str(data)).stdout)
    assert [(each["id"], each["claim"], each["instance"]) for each in listed] == [(id, "dedicated", CRN)]
    assert run("queue", "release", id, "--data", str(data)).returncode == 0
    assert store.reservations(datetime.now(UTC)) == []
    store.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["pause", "emu_none"], "There is no backend emu_none", id="backend"),
        pytest.param(["reserve", "x_x", "alone", "--minutes", "5"], "There is no claim alone", id="claim"),
        pytest.param(
            ["reserve", "x_x", "priority", "--minutes", "5"], "is for an --instance", id="for nobody"
        ),
        pytest.param(["release", "none"], "There is no reservation none", id="reservation"),
    ],
)
def test_queue_commands_say_what_does_not_exist(data, arguments, message):
    done = run("queue", *arguments, "--data", str(data))
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr


# --- device -------------------------------------------------------------------------------------------

DRIFTING = """
[[backends]]
name = "emu_a"
kind = "emulated"
snapshot = "lagos"
zz_khz = { "1-3" = 12.5 }
over_rotation = 0.02
"""


@pytest.fixture
def drifting(tmp_path) -> str:
    path = tmp_path / "devices.toml"
    path.write_text(DRIFTING)
    return str(path)


def test_truth_of_a_device_is_told_as_tables_and_as_json(drifting):
    tables = run("device", "truth", "emu_a", "--catalog", drifting).stdout
    assert "emu_a: emulated, from the snapshot lagos, noise 1\n" in tables
    assert "H / hbar = 2 pi" in tables
    assert "Over-rotation of two-qubit gates: 0.02" in tables
    assert any(line.split() == ["1-3", "12.5"] for line in tables.splitlines())
    found = json.loads(run("device", "truth", "emu_a", "--json", COLDPLATE_CATALOG=drifting).stdout)
    assert len(found["qubits"]) == 7
    assert {len(gate["pauli_lindblad"]) for gate in found["gates"] if gate["gate"] == "cx"} == {15}


def test_truth_of_what_is_no_device_is_refused_in_one_line(drifting):
    assert run("device", "truth", "emu_b", "--catalog", drifting).stderr.startswith(
        "coldplate: There is no backend 'emu_b'."
    )
    assert "is an ideal simulator" in run("device", "truth", "sim_mps").stderr


def test_trace_is_made_up_written_and_simulated(tmp_path):
    trace = str(tmp_path / "trace")
    made = run("simulate", "--users", "20", "--devices", "2", "--hours", "0.1", "--export", trace)
    assert made.returncode == 0
    figures = json.loads(run("simulate", trace, "--json").stdout)
    assert figures["jobs"] == figures["completed"] + figures["failed"] > 0
    assert 0 < figures["utilisation"]["mean"] <= 1


def test_jobs_of_a_server_are_a_trace(data):
    done = run("simulate", "--data", str(data), "--export", str(data / "trace"))
    assert "lines" in done.stdout
    assert '"kind":"instance"' in (data / "trace").read_text() or (data / "trace").read_text() == ""
