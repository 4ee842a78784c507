"""Accounts, users, roles and keys through the real client; the operator's commands change them meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.accounts.exceptions import InvalidAccountError
from qiskit_ibm_runtime.exceptions import IBMRuntimeError, RuntimeJobNotFound

from coldplate.auth import Auth
from coldplate.client import pointed_at
from coldplate.settings import Settings
from coldplate.store.store import Store

REVOKED_S = 5.0  # promised: a revoked key opens nothing any more


def command(server, *arguments: str) -> str:
    """An operator's command beside the running server; what it prints."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "COLDPLATE_", "IAM_"))}
    words = [sys.executable, "-P", "-m", "coldplate", *arguments, "--data", str(server.data)]
    return subprocess.run(words, env=clean, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def chem(server) -> str:
    """The CRN of an instance of another account."""
    return command(server, "instances", "create", "chem", "--account", "chem")


@pytest.fixture(scope="module")
def user(server, chem):
    """Makes a user of the other account, and gives a key."""

    def make(name: str, role: str, *more: str) -> str:
        command(server, "users", "create", name, "--account", "chem", "--role", role, *more)
        return command(server, "keys", "create", "laptop", "--user", name, "--account", "chem")

    return make


def run(service):
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=service.backend("sim_statevector")).run([circuit], shots=5)


def test_writer_runs_jobs_and_reader_only_sees_them(server, chem, user):
    writer, reader = user("wanda", "writer"), user("rita", "reader")
    with pointed_at(server.url, writer, chem) as service:
        job = run(service)
        assert job.result()[0].data.meas.get_counts() == {"1": 5}
    with pointed_at(server.url, reader, chem) as service:
        seen = service.job(job.job_id())
        assert seen.status() == "DONE"
        assert seen.result()[0].data.meas.get_counts() == {"1": 5}
        with pytest.raises(IBMRuntimeError, match="1200"):
            run(service)
        with pytest.raises(IBMRuntimeError, match="1200"):
            service.delete_job(job.job_id())


def test_job_of_another_account_is_not_found(server, service, chem, user):
    job = run(service)
    job.result()
    with pointed_at(server.url, user("mallory", "manager"), chem) as other:
        with pytest.raises(RuntimeJobNotFound) as foreign:
            other.job(job.job_id())
        with pytest.raises(RuntimeJobNotFound) as never:
            other.job("a" * 20)
        assert str(foreign.value).replace(job.job_id(), "a" * 20) == str(never.value)
        assert job.job_id() not in [each.job_id() for each in other.jobs(limit=None)]


def test_user_finds_only_the_instances_that_have_a_role_for_them(server, chem, user):
    private = command(server, "instances", "create", "private", "--account", "chem")
    with pointed_at(server.url, user("paul", "writer", "--instance", chem)) as service:
        assert [instance["crn"] for instance in service.instances()] == [chem]
    with pytest.raises(Exception, match="instance"):
        with pointed_at(server.url, user("petra", "writer", "--instance", chem), private):
            pass


def test_revoked_key_opens_nothing_any_more_and_others_of_the_user_still_do(server, chem, user):
    first = user("rob", "writer")
    second = command(server, "keys", "create", "desktop", "--user", "rob", "--account", "chem")
    with pointed_at(server.url, first, chem) as service:
        service.jobs()
        listed = command(server, "keys", "list", "--account", "chem")
        id = next(line.split()[0] for line in listed.splitlines() if " rob " in line and "laptop" in line)
        command(server, "keys", "revoke", id)
        deadline = time.monotonic() + REVOKED_S
        with pytest.raises(Exception, match="401"):
            while time.monotonic() < deadline:
                service.jobs()
                time.sleep(0.2)
    with pytest.raises(InvalidAccountError):
        with pointed_at(server.url, first, chem):
            pass
    with pointed_at(server.url, second, chem) as service:
        service.jobs()


def test_key_opens_nothing_after_its_time(server, chem, user):
    user("tim", "writer")
    settings = Settings(data=server.data)
    with closing(Store(settings.database_url)) as store:
        expires = datetime.now(UTC) + timedelta(seconds=3)
        key = Auth(store, settings).issue_key("tim", "chem", "short", expires)
    with pointed_at(server.url, key, chem) as service:
        service.jobs()
        with pytest.raises(Exception, match="401"):
            while datetime.now(UTC) < expires + timedelta(seconds=REVOKED_S):
                service.jobs()
                time.sleep(0.2)
    assert datetime.now(UTC) >= expires


def test_program_runs_jobs_with_a_service_id(server, chem, user):
    with pointed_at(server.url, user("nightly", "writer", "--service-id"), chem) as service:
        assert run(service).result()[0].data.meas.num_shots == 5
