"""Programs that users upload, as clients of 2023 can; stored and shown, not run."""

from __future__ import annotations

import msgspec

MAX_DATA = 750_000  # bytes of a program's text, the documented limit
MAX_NAME, MAX_DESCRIPTION = 128, 10_000  # characters


class Upload(msgspec.Struct, frozen=True):
    """A program. Times are ISO 8601, UTC."""

    id: str
    account: str
    user: str
    name: str
    data: str
    created: str
    updated: str
    description: str = ""
    cost: int = 0  # maximum execution time, seconds
    is_public: bool = False
    spec: dict[str, object] = {}


# What the server itself runs, as the list of programs tells it.
OWN = {
    "sampler": "Quasi-distributions of circuits.",
    "estimator": "Expectation values of observables.",
    "circuit-runner": "Counts of circuits.",
    "qasm3-runner": "Counts of circuits, OpenQASM 3 included.",
}
