"""What is derived from a backend's record."""

from __future__ import annotations

import pytest

from coldplate.domain.backend import BackendRecord, PackedObject, read_record, written


@pytest.mark.parametrize(("status", "runs"), [("online", True), ("paused", False), ("offline", False)])
def test_jobs_start_only_while_it_is_online(status, runs):
    assert BackendRecord("heron", {"n_qubits": 133}, None, status=status).runs is runs


def test_number_of_qubits_is_the_configuration_s():
    assert BackendRecord("heron", {"n_qubits": 133}, None).num_qubits == 133


def test_record_is_read_as_it_was_written_and_what_is_large_stays_packed():
    record = BackendRecord("heron", {"n_qubits": 133, "gates": [{"name": "cz"}]}, {"qubits": []}, lanes=2)
    again = read_record(written(record))
    assert again == record
    assert isinstance(again.configuration, PackedObject) and isinstance(again.properties, PackedObject)
    assert written(again) == written(record)
    assert read_record(written(BackendRecord("ideal", {"n_qubits": 3}, None))).properties is None


def test_packed_object_is_read_field_by_field():
    packed = PackedObject(b'{"n_qubits": 133, "gates": [1, 2]}')
    assert (packed["n_qubits"], packed.get("dt"), dict(packed)) == (
        133,
        None,
        {"n_qubits": 133, "gates": [1, 2]},
    )
    assert written({"is": packed}) == b'{"is":{"n_qubits": 133, "gates": [1, 2]}}'
    with pytest.raises(TypeError):
        written({"is": object()})
