"""What an attempt that has ended is charged, in quantum seconds."""

from __future__ import annotations

from coldplate.domain.backend import BackendRecord
from coldplate.errors import JobFailure, WorkerLost
from coldplate.workers.pool import Receipt

CUT_SHORT_S = 2.0  # preparing a device costs this, even when nothing came of it
OURS = frozenset({None, JobFailure.code, WorkerLost.code})  # failures that are not the user's


def charge_s(receipt: Receipt, backend: BackendRecord | None, *, held_s: float) -> float:
    """Quantum seconds charged: what the job used; when it was cut short, for how long it held the device.

    That is at least what it takes to prepare one. A job that failed is charged only if it had its device and
    the service is not to blame. Dry runs (on mock backends) are free, and so is all that does not complete on
    simulators. `backend` is None when it has left the catalog.

    Args:
        held_s: Seconds that the job has held the device.
    """
    if receipt.outcome == "Completed":
        return 0.0 if backend is not None and backend.mock_of is not None else receipt.usage_s
    if backend is None or not backend.exclusive:
        return 0.0
    if receipt.outcome == "Failed" and (held_s == 0 or receipt.code in OURS):
        return 0.0
    return max(CUT_SHORT_S, held_s)
