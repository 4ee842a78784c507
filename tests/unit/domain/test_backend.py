"""What is derived from a backend's record."""

from __future__ import annotations

import pytest

from coldplate.domain.backend import BackendRecord


@pytest.mark.parametrize(("status", "runs"), [("online", True), ("paused", False), ("offline", False)])
def test_jobs_start_only_while_it_is_online(status, runs):
    assert BackendRecord("heron", {"n_qubits": 133}, None, status=status).runs is runs


def test_number_of_qubits_is_the_configuration_s():
    assert BackendRecord("heron", {"n_qubits": 133}, None).num_qubits == 133
