"""What was applied to a job, and what was run for it: for the result's metadata and for its artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

from numpy.typing import NDArray
from qiskit.transpiler import Target

from coldplate.circuits.backend import Backend
from coldplate.circuits.program import Item, Outcomes, Program

READOUT = "readout calibration"
LAYER, MEASUREMENT = "layer noise", "readout noise"  # that are learnt
NO_FACTORS: Mapping[str, float] = {}


@dataclass(frozen=True)
class Purpose:
    """What an item was run for.

    Attributes:
        pub: Index of a pub, or of an item of the executor's; None: of all.
        noise_factor: As reached.
        layer: Index of a layer, or of an instruction, whose noise is learnt.
        depth: How often a pair of them is in the circuits.
    """

    pub: int | None = None
    noise_factor: float | None = None
    what: str = "pub"
    layer: int | None = None
    depth: int | None = None

    def told(self) -> dict[str, Any]:
        """What there is to say of it."""
        places = {
            name: getattr(self, name)
            for name in ("pub", "noise_factor", "layer", "depth")
            if getattr(self, name) is not None
        }
        return {"what": self.what, **places}


@dataclass(frozen=True)
class Ran:
    """What was run at once.

    Attributes:
        purposes: One per item.
    """

    program: Program
    outcomes: Outcomes
    purposes: Sequence[Purpose]

    def rows(self) -> list[dict[str, Any]]:
        """What there is to say of each item."""
        return [
            {
                **purpose.told(),
                "circuits": prod(item.shape),
                "shots_per_circuit": item.shots,
                "executions": item.executions,
                "circuit_duration_s": outcome.duration_s,
            }
            for purpose, item, outcome in zip(
                self.purposes, self.program.items, self.outcomes.items, strict=True
            )
        ]


@dataclass(frozen=True)
class Artifacts:
    """What is kept of a job beside its result, when that is asked for.

    Attributes:
        report: See `applied`.
        items: As they were run: ISA circuits, angles of all elements, and what was drawn beside them.
        values: Arrays by name, such as raw values at each noise factor.
        models: Noise models that were learnt or given, as plain JSON values.
    """

    report: Mapping[str, Any]
    items: Sequence[Item]
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    models: Sequence[Any] = ()


def applied(
    ran: Sequence[Ran], backend: Backend, *, seed: int, factors: Mapping[str, float] = NO_FACTORS
) -> dict[str, Any]:
    """A report of what was run: plain JSON values.

    Args:
        ran: In order.
        factors: By how much options multiply the executions.
    """
    items = [row for one in ran for row in one.rows()]
    made_up = any(one.outcomes.made_up for one in ran)
    seconds: dict[str, float | None] = {"usage_s": sum(one.outcomes.usage_s for one in ran)}
    if made_up:
        told: list[float | None] = [one.outcomes.metadata.get("estimated_usage_s") for one in ran]
        known = [one for one in told if one is not None]
        seconds = {"estimated_usage_s": sum(known) if len(known) == len(told) else None}
    elif backend.simulator:  # the time it took, another each time
        seconds = {}
    return {
        "backend": backend.name,
        "backend_snapshot": None if backend.simulator else fingerprint(backend.target),
        "seed": seed,
        "circuits": sum(row["circuits"] for row in items),
        "total_executions": sum(row["executions"] for row in items),
        "items": items,
        "factors": dict(factors),
        **seconds,
    }


# milliseconds for a large device, and a target does not change: a rehearsal has it done
@lru_cache(maxsize=2)
def fingerprint(target: Target) -> str:
    """A name for the calibration that a target holds: equal numbers, equal names."""
    digest = hashlib.sha256()
    for name in sorted(target.operation_names):
        places = target[name]
        for qubits in sorted(places, key=lambda place: place or ()):
            properties = places[qubits]
            figures = getattr(properties, "duration", None), getattr(properties, "error", None)
            digest.update(repr((name, qubits, figures)).encode())
    for qubit in target.qubit_properties or ():
        digest.update(repr((qubit.t1, qubit.t2) if qubit else None).encode())
    return digest.hexdigest()[:16]
