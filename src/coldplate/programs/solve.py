"""An estimator job from pubs to values: what has to be learnt, what is run, what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qiskit.primitives import PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from coldplate.circuits.backend import Backend
from coldplate.circuits.program import Outcomes, Program
from coldplate.engine.estimator import Prepared, combine, prepare, purposes
from coldplate.engine.layer_noise import Knowledge, continued, knowledge
from coldplate.engine.options import EstimatorOptions
from coldplate.engine.report import Purpose, Ran
from coldplate.engine.seeds import Origin

Ready = Callable[[Knowledge, Prepared], None]


@dataclass(frozen=True)
class Solved:
    """The result of an estimator job, and how it came about.

    Attributes:
        learning: What was run first, to learn noise.
    """

    result: PrimitiveResult[PubResult]
    known: Knowledge
    prepared: Prepared
    outcomes: Outcomes
    learning: tuple[Ran, ...] = ()

    @property
    def ran(self) -> list[Ran]:
        """All that was run."""
        return [*self.learning, Ran(self.prepared.program, self.outcomes, purposes(self.prepared))]

    @property
    def usage_s(self) -> float:
        """Quantum seconds, of learning too."""
        return self.known.usage_s + self.outcomes.usage_s


def nothing(_known: Knowledge, _prepared: Prepared) -> None:
    """Nobody is told."""


def solve(
    pubs: Sequence[EstimatorPub],
    options: EstimatorOptions,
    backend: Backend,
    start: Origin,
    *,
    ready: Ready = nothing,
) -> Solved:
    """Values of all pubs; for errors see `engine.layer_noise.knowledge` and `engine.estimator.prepare`.

    Args:
        ready: Told what was learnt and what will be run, before it is.
    """
    for_twirls, for_shots = start.generators()
    learning: list[Ran] = []

    def learn(program: Program, purposes: Sequence[Purpose]) -> Outcomes:
        learning.append(Ran(program, backend.run(program, for_shots), purposes))
        return learning[-1].outcomes

    known = knowledge(
        pubs,
        options,
        target=backend.target,
        run=learn,
        rng=for_twirls,
        clock_start=start.clock_start,
    )
    prepared = prepare(
        pubs,
        options,
        models=known.models,
        target=backend.target,
        rng=for_twirls,
        clock_start=start.clock_start,
    )
    ready(known, prepared)
    outcomes = backend.run(continued(prepared.program, known), for_shots)
    return Solved(combine(prepared, outcomes, options), known, prepared, outcomes, tuple(learning))
