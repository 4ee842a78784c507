"""The noise learner: circuits (version 2) or twirled boxes (version 3) in, models of their noise out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qiskit.circuit import QuantumCircuit

from coldplate.circuits.backend import Backend
from coldplate.circuits.isa import check_isa
from coldplate.circuits.layers import Layer, layers
from coldplate.engine import learner
from coldplate.engine.learner import Learnt, Measured
from coldplate.engine.options import Execution
from coldplate.engine.program import check_restrictions, check_twirl
from coldplate.engine.seeds import origin
from coldplate.noise.action import append
from coldplate.noise.learning import LearningOptions
from coldplate.programs.registry import Answer, Context
from coldplate.wire.learner import read_circuits, read_instructions, write_layer_errors, write_learnt
from coldplate.wire.options import learner_options, learner_v3_options
from coldplate.wire.params import read


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
        check_twirl(circuit, backend.target, index=index)
        found += layers(circuit, options.strategy)
    tasks = learner.most_used(found, options.max_layers)
    learnt, usage_s, _ = learn(
        tasks, options.learning, options.execution, backend, seeds=(options.seed, context.seed)
    )
    metadata = {"backend": backend.name, "input_options": dict(options.metadata)}
    body = write_layer_errors(list(learner.models(learnt)), metadata=metadata, plain=options.plain)
    return Answer(body, usage_s=usage_s)


def run_v3(fields: Mapping[str, Any], backend: Backend, context: Context) -> Answer:
    """Learn boxes, each by itself."""
    options = learner_v3_options(fields)
    width = backend.target.num_qubits or 0
    tasks = read_instructions(fields, num_qubits=width)
    for task in tasks:
        check_isa(as_circuit(task, width), backend.target, simulator=backend.simulator)
    learnt, usage_s, seed = learn(
        tasks, options.learning, options.execution, backend, seeds=(options.seed, context.seed)
    )
    body = write_learnt(options.schema_version, learnt, metadata={"seed": seed, "backend": backend.name})
    return Answer(body, usage_s=usage_s)


def as_circuit(task: Layer | Measured, width: int) -> QuantumCircuit:
    """What has to fit the backend."""
    circuit = QuantumCircuit(width)
    for gate in task.gates if isinstance(task, Layer) else ():
        append(gate, circuit, gate.qubits)
    return circuit


def learn(
    tasks: Sequence[Layer | Measured],
    options: LearningOptions,
    execution: Execution,
    backend: Backend,
    *,
    seeds: tuple[int | None, ...],
) -> tuple[list[Learnt], float, int]:
    """What was learnt of each task, the quantum seconds that it took, and the seed."""
    start = origin(*seeds, now=datetime.now(UTC))
    for_twirls, for_shots = start.generators()
    prepared = learner.prepare(
        tasks, options, execution, target=backend.target, rng=for_twirls, clock_start=start.clock_start
    )
    outcomes = backend.run(prepared.program, for_shots)
    found = learner.combine(prepared, outcomes, options, target=backend.target)
    return found, outcomes.usage_s, start.seed
