"""What an estimator job knows of the noise of its layers: what the user gave, or what it learns first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from numpy.random import Generator
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.circuits.program import Outcomes, Program
from coldplate.engine import learner
from coldplate.engine.estimator import plans_of, uses
from coldplate.engine.options import EstimatorOptions
from coldplate.engine.report import Purpose
from coldplate.noise.model import LayerNoise

Run = Callable[[Program, Sequence[Purpose]], Outcomes]


@dataclass(frozen=True)
class Knowledge:
    """The noise that is known, and what it took to learn it.

    Attributes:
        models: By layer, as layers are twirled; layers without one count as free of noise.
        clock_stop: When learning ended, on the emulated clock.
        usage_s: Quantum seconds.
        executions: Shots over all learning circuits.
    """

    models: Mapping[Layer, LayerNoise] = field(default_factory=dict)
    clock_stop: datetime | None = None
    usage_s: float = 0.0
    executions: int = 0


def knowledge(
    pubs: Sequence[EstimatorPub],
    options: EstimatorOptions,
    *,
    target: Target,
    run: Run,
    rng: Generator,
    clock_start: datetime,
) -> Knowledge:
    """What is known of the layers of some pubs, where a technique needs it.

    Args:
        run: Runs what has to be learnt from, and is told why.

    Raises:
        BadInput, IncompatibleOptions: See `engine.estimator.prepare` and `noise.learning.study`.
    """
    if not options.needs_layer_noise:
        return Knowledge()
    found = [layer for one in plans_of(pubs, options, target) for layer in uses(one, options)]
    if options.layer_noise is not None:
        return Knowledge(matched(found, options.layer_noise))
    wanted = learner.most_used(found, options.max_layers_to_learn)
    if not wanted:
        return Knowledge()
    prepared = learner.prepare(
        wanted, options.learning, options.execution, target=target, rng=rng, clock_start=clock_start
    )
    outcomes = run(prepared.program, learner.purposes(prepared))
    learnt = learner.models(learner.combine(prepared, outcomes, options.learning, target=target))
    return Knowledge(
        {model.layer: model for model in learnt},
        clock_stop=max((one.span[1] for one in outcomes.items), default=clock_start),
        usage_s=outcomes.usage_s,
        executions=sum(item.executions for item in prepared.program.items),
    )


def matched(layers: Iterable[Layer], models: Sequence[LayerNoise]) -> dict[Layer, LayerNoise]:
    """The model of each layer, where there is one: of the same gates and qubits, or of the same gates.

    In the second case what the model says of qubits that are twirled with both layers is used.
    """
    exact = {model.layer: model for model in models}
    by_gates = {model.layer.gates: model for model in reversed(models)}
    found = {}
    for layer in dict.fromkeys(layers):
        if layer in exact:
            found[layer] = exact[layer]
        elif layer.gates in by_gates:
            found[layer] = by_gates[layer.gates].on(layer)
    return found


def continued(program: Program, knowledge: Knowledge) -> Program:
    """A program that goes on where learning ended."""
    if knowledge.clock_stop is None:
        return program
    return replace(program, clock_start=knowledge.clock_stop, started=True)
