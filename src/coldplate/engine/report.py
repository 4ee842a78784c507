"""What was applied to a job, and what was run for it: for the result's metadata and for its artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from numpy.typing import NDArray
from qiskit.transpiler import Target

from coldplate.circuits.backend import Backend
from coldplate.circuits.program import Item, Outcomes, Program

READOUT = "readout calibration"


@dataclass(frozen=True)
class Purpose:
    """What an item was run for.

    Attributes:
        pub: Index of a pub; None: of all.
        noise_factor: As reached.
    """

    pub: int | None = None
    noise_factor: float | None = None
    what: str = "pub"


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
    program: Program,
    outcomes: Outcomes,
    purposes: Sequence[Purpose],
    backend: Backend,
    *,
    seed: int,
    factors: Mapping[str, float],
    learning: Sequence[Outcomes] = (),
) -> dict[str, Any]:
    """A report of what was run: plain JSON values.

    Args:
        purposes: One per item.
        factors: By how much options multiply the executions.
        learning: What was run before, to learn noise.
    """
    items = [
        {
            "what": purpose.what,
            **({} if purpose.pub is None else {"pub": purpose.pub}),
            **({} if purpose.noise_factor is None else {"noise_factor": purpose.noise_factor}),
            "circuits": prod(item.shape),
            "shots_per_circuit": item.shots,
            "executions": item.executions,
            "circuit_duration_s": outcome.duration_s,
        }
        for purpose, item, outcome in zip(purposes, program.items, outcomes.items, strict=True)
    ]
    made = [*learning, outcomes]
    seconds: dict[str, float | None] = {"usage_s": sum(one.usage_s for one in made)}
    if outcomes.made_up:
        told: list[float | None] = [one.metadata.get("estimated_usage_s") for one in made]
        known = [one for one in told if one is not None]
        seconds = {"estimated_usage_s": sum(known) if len(known) == len(told) else None}
    elif backend.simulator:  # the time it took, another each time
        seconds = {}
    return {
        "backend": backend.name,
        "backend_snapshot": None if backend.simulator else fingerprint(backend.target),
        "seed": seed,
        "circuits": sum(prod(item.shape) for item in program.items),
        "total_executions": sum(item.executions for item in program.items),
        "items": items,
        "factors": dict(factors),
        **seconds,
    }


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
