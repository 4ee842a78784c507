"""The executor program: quantum programs in, raw bits or IQ points out, nothing added or undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from numpy.random import Generator
from numpy.typing import NDArray

from coldplate.circuits.backend import Backend
from coldplate.circuits.isa import check_isa
from coldplate.circuits.program import Item, ItemOutcome, unpack_bits
from coldplate.engine.executor import circuit_item, samplex_item
from coldplate.engine.program import build, compiled
from coldplate.engine.report import Artifacts, Purpose, Ran, applied
from coldplate.engine.seeds import origin
from coldplate.programs.artifacts import archive
from coldplate.programs.registry import Answer, Context
from coldplate.wire.options import executor_artifacts, executor_options, executor_seed
from coldplate.wire.quantum_program import Chunk, CircuitItem, SamplexItem, decode, encode


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Run an executor job.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        ColdplateError: The inputs can't be run; told with the official code where there is one.
    """
    request = decode(params)
    execution = executor_options(request.schema_version, request.options)
    for asked in request.items:
        check_isa(asked.circuit, backend.target, simulator=backend.simulator)
    seed = executor_seed(request.options, request.passthrough_data)
    start = origin(seed, context.seed, now=datetime.now(UTC))
    for_samples, for_shots = start.generators()
    items = [
        to_item(asked, shots=request.shots, rng=for_samples, index=index)
        for index, asked in enumerate(request.items)
    ]
    made = [compiled(item, execution, backend.target) for item in items]
    items = [one.item for one in made]
    program = build(items, replace(execution, meas_level=request.meas_level), clock_start=start.clock_start)
    outcomes = backend.run(program, for_shots)
    purposes = [Purpose(index, what="item") for index in range(len(items))]
    report = applied([Ran(program, outcomes, purposes)], backend, seed=start.seed)
    body = encode(
        request,
        [arrays(item, outcome) for item, outcome in zip(items, outcomes.items, strict=True)],
        metadata=[
            {**one.official, **about(outcome, seed=start.seed)}
            for one, outcome in zip(made, outcomes.items, strict=True)
        ],
        chunks=[Chunk(*outcome.span, items=(index,)) for index, outcome in enumerate(outcomes.items)],
        applied=report,
    )
    keep = executor_artifacts(request.options)
    return Answer(
        body, usage_s=outcomes.usage_s, artifacts=archive(Artifacts(report, items)) if keep else None
    )


def to_item(asked: CircuitItem | SamplexItem, *, shots: int, rng: Generator, index: int) -> Item:
    """An item as a backend runs it."""
    if isinstance(asked, CircuitItem):
        return circuit_item(asked.circuit, asked.values, shape=asked.shape, shots=shots, index=index)
    return samplex_item(
        asked.circuit,
        asked.samplex,
        asked.arguments,
        shape=asked.shape,
        shots=shots,
        rng=rng,
        index=index,
    )


def arrays(item: Item, outcome: ItemOutcome) -> dict[str, NDArray[Any]]:
    """What an item's result holds: bits, IQ points, and what was drawn beside the angles."""
    found: dict[str, NDArray[Any]] = {}
    for register in item.circuit.cregs:
        name = register.name
        if name in outcome.bits:
            found[name] = unpack_bits(outcome.bits[name], len(register))
        if name in outcome.iq:
            averaged = outcome.iq[name].ndim == len(item.shape) + 1
            found[f"{name}_avg_iq" if averaged else f"{name}_iq"] = outcome.iq[name]
    return {**found, **item.side}


def about(outcome: ItemOutcome, *, seed: int) -> dict[str, Any]:
    """What an item's result says of its simulation."""
    return {"coldplate": {"seed": seed, **outcome.metadata}}
