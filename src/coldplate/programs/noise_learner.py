"""The noise learner: circuits (version 2) or twirled boxes (version 3) in, models of their noise out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qiskit.circuit import QuantumCircuit

from coldplate.circuits.backend import Backend
from coldplate.circuits.isa import check_isa
from coldplate.circuits.layers import Layer, layers
from coldplate.circuits.program import Item
from coldplate.engine import learner
from coldplate.engine.learner import Learnt, Measured
from coldplate.engine.options import LearnerOptions
from coldplate.engine.program import check_restrictions, check_twirl
from coldplate.engine.report import Artifacts, Ran, applied
from coldplate.engine.seeds import origin
from coldplate.noise.action import append
from coldplate.noise.readout import ReadoutNoise
from coldplate.programs.artifacts import archive
from coldplate.programs.registry import Answer, Context
from coldplate.wire.layer_noise import write_layer_noise
from coldplate.wire.learner import read_circuits, read_instructions, write_layer_errors, write_learnt
from coldplate.wire.options import learner_options, learner_v3_options
from coldplate.wire.params import check_tags, read


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Run a noise learner job.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        ColdplateError: The inputs can't be run; told with the official code where there is one.
    """
    fields = read(params)
    if "schema_version" in fields:
        return run_v3(fields, backend, context)
    return run_v2(fields, backend, context)


def run_v2(fields: Mapping[str, Any], backend: Backend, context: Context) -> Answer:
    """Learn the layers of circuits, the most frequent first."""
    options = learner_options(fields)
    found: list[Layer] = []
    for index, circuit in enumerate(read_circuits(fields)):
        check_isa(circuit, backend.target, simulator=backend.simulator)
        check_restrictions(circuit, options.execution, index=index)
        check_twirl(circuit, backend.target, index=index, twirler="the noise learner")
        found += layers(circuit, options.strategy)
    learnt, about = learn(learner.most_used(found, options.max_layers), options, backend, context)
    metadata = {
        "backend": backend.name,
        "input_options": dict(options.metadata),
        "coldplate": {"applied": about.report},
    }
    body = write_layer_errors(list(learner.models(learnt)), metadata=metadata, plain=options.plain)
    return Answer(body, usage_s=about.usage_s, artifacts=about.artifacts)


def run_v3(fields: Mapping[str, Any], backend: Backend, context: Context) -> Answer:
    """Learn boxes, each by itself."""
    check_tags(fields, allowed=(), where="A job of this schema")  # there are none, nor would they be read
    options = learner_v3_options(fields)
    width = backend.target.num_qubits or 0
    tasks = read_instructions(fields, num_qubits=width)
    for task in tasks:
        check_isa(as_circuit(task, width), backend.target, simulator=backend.simulator)
    learnt, about = learn(tasks, options, backend, context)
    metadata = {"seed": about.report["seed"], "backend": backend.name, "applied": about.report}
    body = write_learnt(options.schema_version, learnt, metadata=metadata)
    return Answer(body, usage_s=about.usage_s, artifacts=about.artifacts)


def as_circuit(task: Layer | Measured, width: int) -> QuantumCircuit:
    """What has to fit the backend."""
    circuit = QuantumCircuit(width)
    for gate in task.gates if isinstance(task, Layer) else ():
        append(gate, circuit, gate.qubits)
    return circuit


@dataclass(frozen=True)
class About:
    """What learning took, and what is kept beside its result."""

    usage_s: float  # quantum seconds
    report: dict[str, Any]
    artifacts: bytes | None


def learn(
    tasks: Sequence[Layer | Measured], options: LearnerOptions, backend: Backend, context: Context
) -> tuple[list[Learnt], About]:
    """What was learnt of each task."""
    start = origin(options.seed, context.seed, now=datetime.now(UTC))
    for_twirls, for_shots = start.generators()
    prepared = learner.prepare(
        tasks,
        options.learning,
        options.execution,
        target=backend.target,
        rng=for_twirls,
        clock_start=start.clock_start,
    )
    outcomes = backend.run(prepared.program, for_shots)
    found = learner.combine(prepared, outcomes, options.learning, target=backend.target)
    costs = learner.factors(options.learning, gates=any(isinstance(task, Layer) for task in tasks))
    ran = Ran(prepared.program, outcomes, learner.purposes(prepared))
    report = applied([ran], backend, seed=start.seed, factors=costs)
    kept = archive(artifacts(report, prepared.program.items, found)) if options.artifacts else None
    return found, About(outcomes.usage_s, report, kept)


def artifacts(report: Mapping[str, Any], items: Sequence[Item], found: Sequence[Learnt]) -> Artifacts:
    """What is kept of a job: models of layers, and the rates of measurements, each by its place."""
    rates = {
        f"instruction{index}.{name}": getattr(one.noise, name)
        for index, one in enumerate(found)
        if isinstance(one.noise, ReadoutNoise)
        for name in ("rates", "stds")
    }
    return Artifacts(report, items, rates, [write_layer_noise(model) for model in learner.models(found)])
