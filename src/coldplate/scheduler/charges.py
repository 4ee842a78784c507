"""What an attempt that has ended is charged, in quantum seconds."""

from __future__ import annotations

from coldplate.domain.backend import BackendRecord
from coldplate.workers.pool import Receipt

CUT_SHORT_S = 2.0  # preparing a device costs this, even when nothing came of it


def charge_s(receipt: Receipt, backend: BackendRecord | None, *, held_s: float) -> float:
    """Quantum seconds charged: what the job used; when it was cut short, for how long it held the device.

    That is at least what it takes to prepare one. Dry runs (on mock backends) are free. A failed job is
    charged what it says it used: nothing, when it failed before the execution. `backend` is None when it has
    left the catalog.

    Args:
        held_s: Seconds that the job has held the device.
    """
    if backend is not None and backend.mock_of is not None:
        return 0.0
    if receipt.outcome == "Cancelled":
        return max(CUT_SHORT_S, held_s) if backend is not None and not backend.simulator else 0.0
    return receipt.usage_s
