"""Points that only torture has: where mistakes are made on purpose, and where a device is driven."""

from __future__ import annotations

from coldplate.failpoints import POINTS

CLAIM_DECIDED = "claim-decided"  # between the look at the queue and the write
END_TO_TELL = "end-to-tell"  # between the death of a job's process and the write
DEVICE_DRIVEN = "device-driven"  # in a job's process, which has its device to itself

ALL = (*POINTS, CLAIM_DECIDED, END_TO_TELL, DEVICE_DRIVEN)
