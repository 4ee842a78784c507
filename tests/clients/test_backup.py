"""A backup taken while jobs run is whole, and a server that is started on it goes on from there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

from coldplate.backup import BackupFailed, back_up, restore
from coldplate.client import pointed_at
from coldplate.testing import running_server


def submit(client, shots: int, backend: str = "sim_statevector"):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=client.backend(backend)).run([circuit], shots=shots)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "coldplate", "db", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True)


def test_restored_backup_has_what_was_done_and_does_what_was_queued(catalog, tmp_path):
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    with running_server(catalog=catalog, lease_s=3) as server:
        with pointed_at(server.url, server.key, server.crn) as client:
            done = submit(client, 11)
            expected = done.result()[0].data.meas.get_counts()
            pending = [submit(client, 4000 + number, "emu_slow") for number in range(2)]
            made = command("backup", backup, "--data", server.data)
            assert made.returncode == 0, made.stderr
            assert "is whole" in made.stdout
            assert command("check", "--data", server.data).returncode == 0
    made = command("restore", backup, "--data", restored)
    assert made.returncode == 0, made.stderr
    assert command("restore", backup, "--data", restored).returncode == 1
    with running_server(restored, catalog=catalog, lease_s=3) as server:
        with pointed_at(server.url, server.key, server.crn) as client:
            assert client.job(done.job_id()).result()[0].data.meas.get_counts() == expected
            shots = [client.job(job.job_id()).result()[0].data.meas.num_shots for job in pending]
            assert shots == [4000, 4001]
            assert submit(client, 12).result()[0].data.meas.num_shots == 12


def test_backups_under_load_are_of_one_moment_each_and_only_add_what_is_new(server, service, tmp_path):
    backup, stop, jobs = tmp_path / "backup", threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            job = submit(service, 3)
            job.result()
            jobs.append(job.job_id())
            if len(jobs) % 2:
                service.delete_job(jobs[-1])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            assert back_up(server.data, backup).problems == []
    finally:
        stop.set()
        thread.join()
    found = back_up(server.data, backup)
    assert found.problems == []
    assert found.orphans == []
    restore(backup, tmp_path / "restored")


def test_damaged_backup_is_not_restored(server, service, tmp_path):
    submit(service, 3).result()
    back_up(server.data, tmp_path / "backup")
    file = next(path for path in (tmp_path / "backup" / "blobs" / "params").iterdir())
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(BackupFailed, match="is damaged"):
        restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored" / "coldplate.db").exists()


def test_directory_with_something_else_is_no_place_for_a_backup(server, tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(BackupFailed, match="neither empty nor a backup"):
        back_up(server.data, tmp_path)
    with pytest.raises(BackupFailed, match="is no backup"):
        restore(tmp_path, tmp_path / "new")
    shutil.rmtree(tmp_path)
