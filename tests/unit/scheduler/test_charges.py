"""What an ended attempt is charged."""

from __future__ import annotations

import pytest

from coldplate.domain.backend import BackendRecord
from coldplate.scheduler.charges import charge_s
from coldplate.workers.pool import Receipt

DEVICE = BackendRecord("heron", {}, None)
SIMULATOR = BackendRecord("ideal", {}, None, simulator=True)
MOCK = BackendRecord("mock_heron", {}, None, mock_of="heron")


@pytest.mark.parametrize(
    ("outcome", "code", "backend", "charged_s"),
    [
        ("Completed", None, DEVICE, 7.5),
        ("Completed", None, SIMULATOR, 7.5),
        pytest.param("Completed", None, MOCK, 0.0, id="dry runs are free"),
        pytest.param("Completed", None, None, 7.5, id="backend has left the catalog"),
        pytest.param("Failed", 1517, DEVICE, 2.0, id="user's error at the device"),
        pytest.param("Failed", 1500, DEVICE, 0.0, id="our error"),
        pytest.param("Failed", 4004, DEVICE, 0.0, id="lost worker"),
        ("Failed", 1517, SIMULATOR, 0.0),
        pytest.param("Cancelled", None, DEVICE, 2.0, id="user's cancel"),
        pytest.param("Cancelled", 1305, DEVICE, 2.0, id="ran too long"),
        ("Cancelled", None, SIMULATOR, 0.0),
        ("Cancelled", None, MOCK, 0.0),
        ("Cancelled", None, None, 0.0),
    ],
)
def test_attempt_is_charged_by_its_outcome_and_backend(outcome, code, backend, charged_s):
    assert charge_s(Receipt("j", 1, outcome, code, usage_s=7.5), backend, held_s=1.5) == charged_s


@pytest.mark.parametrize(("backend", "charged_s"), [(DEVICE, 60.0), (SIMULATOR, 0.0), (MOCK, 0.0)])
def test_job_that_is_cut_short_is_charged_for_as_long_as_it_held_its_device(backend, charged_s):
    assert charge_s(Receipt("j", 1, "Cancelled"), backend, held_s=60) == charged_s


def test_job_that_failed_before_it_had_its_device_is_charged_nothing():
    assert charge_s(Receipt("j", 1, "Failed", 1517), DEVICE, held_s=0.0) == 0.0
