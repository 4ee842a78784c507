"""Noise learner: layers and measurements -> the circuits that show their noise -> models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from numpy.random import Generator
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program
from coldplate.engine import program
from coldplate.engine.options import Execution
from coldplate.engine.report import LAYER, MEASUREMENT, Purpose
from coldplate.noise import fit, readout
from coldplate.noise.checks import report
from coldplate.noise.expected import expected
from coldplate.noise.learning import REGISTER, LearningOptions, Study, check_size, study
from coldplate.noise.local import neighbours
from coldplate.noise.model import LayerNoise
from coldplate.noise.readout import ReadoutNoise


@dataclass(frozen=True)
class Measured:
    """Qubits that are measured at once, ascending."""

    qubits: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """What is run to learn the noise of measurements."""

    qubits: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Prepared:
    """A learner's job that is ready to run: the items of all studies, in order."""

    program: Program
    studies: tuple[Study | Reading, ...]


@dataclass(frozen=True)
class Learnt:
    """What was learnt of one instruction.

    Attributes:
        fractions_kept: Of the shots, for each depth of a layer, 0 for a measurement.
        success_rates: How often each qubit passed the bit-flip checks, the same; empty without checks.
    """

    noise: LayerNoise | ReadoutNoise
    fractions_kept: Mapping[int, float] = field(default_factory=dict)
    success_rates: Mapping[int, Mapping[int, float]] = field(default_factory=dict)


def most_used(layers: Iterable[Layer], most: int | None) -> list[Layer]:
    """Different layers, the most frequent first, then those with most gates, at most so many.

    >>> [len(one.qubits) for one in most_used([Layer((), (1,)), Layer((), (2, 3)), Layer((), (2, 3))], 1)]
    [2]
    """
    counts = Counter(layers)
    order = sorted(counts, key=lambda layer: (-counts[layer], -len(layer.gates)))
    return order[:most]


def prepare(
    tasks: Sequence[Layer | Measured],
    options: LearningOptions,
    execution: Execution,
    *,
    target: Target,
    rng: Generator,
    clock_start: datetime,
) -> Prepared:
    """The program that shows the noise of layers and measurements.

    Raises:
        BadInput, IncompatibleOptions, LimitExceeded: See `noise.learning.study`.
    """
    studies = tuple(
        study(task, options, target, rng, coupling=execution.coupling)
        if isinstance(task, Layer)
        else reading(task, options, target, rng)
        for task in tasks
    )
    # what is learnt is the noise of layers as they are run: decoupled, where that is on
    items = [
        program.compiled(item, replace(execution, tell_times=False), target).item
        for one in studies
        for item in one.items
    ]
    return Prepared(program.build(items, execution, clock_start=clock_start), studies)


def purposes(prepared: Prepared) -> list[Purpose]:
    """What each item of a job is run for."""
    found = []
    for index, one in enumerate(prepared.studies):
        if isinstance(one, Study):
            found += [Purpose(what=LAYER, layer=index, depth=depth) for depth in one.depths]
        else:
            found.append(Purpose(what=MEASUREMENT, layer=index))
    return found


def factors(options: LearningOptions, *, gates: bool) -> dict[str, float]:
    """By how much each option multiplies the executions of a job; those that don't are left out.

    Args:
        gates: Layers of gates are learnt, not measurements only.
    """
    depths = len(set(options.pair_depths)) if gates else 1
    found = {"num_randomizations": float(options.num_randomizations), "layer_pair_depths": float(depths)}
    return {name: factor for name, factor in found.items() if factor != 1}


def reading(task: Measured, options: LearningOptions, target: Target, rng: Generator) -> Reading:
    """The circuits that show the noise of measurements."""
    pairs = neighbours(Layer((), task.qubits), target)
    check_size(options.num_randomizations, len(task.qubits))
    return Reading(task.qubits, pairs, (readout.item(task.qubits, options, target, rng),))


def combine(
    prepared: Prepared, outcomes: Outcomes, options: LearningOptions, *, target: Target
) -> list[Learnt]:
    """What the circuits showed, task by task; after a dry run, what is expected of layers."""
    left = iter(outcomes.items)
    return [
        learnt(one, [next(left) for _ in one.items], options, target if outcomes.made_up else None)
        for one in prepared.studies
    ]


def learnt(
    one: Study | Reading, outcomes: Sequence[ItemOutcome], options: LearningOptions, dry: Target | None
) -> Learnt:
    """What was learnt of one task.

    Args:
        dry: Nothing was run; what to expect of layers is from here.
    """
    qubits = one.layer.qubits if isinstance(one, Study) else one.qubits
    depths = one.depths if isinstance(one, Study) else (0,)
    checks, kept = options.checks, None
    fractions, rates = dict.fromkeys(depths, 1.0), {}
    if checks.before or checks.after:
        kept = [checks.kept(outcome, REGISTER, len(qubits), one.pairs) for outcome in outcomes]
        for depth, outcome, keep in zip(depths, outcomes, kept, strict=True):
            passed = checks.passed(outcome, REGISTER, len(qubits))
            fractions[depth], rates[depth] = report(passed, keep, qubits)
    noise: LayerNoise | ReadoutNoise
    if isinstance(one, Reading):
        noise = readout.learn(qubits, one.items[0], outcomes[0], None if kept is None else kept[0])
    elif dry is not None:
        noise = expected(one.layer, one.strings, dry)
    else:
        noise = fit.learn(one, fit.Readings.of(one, outcomes, kept))
    return Learnt(noise, fractions, rates)


def models(found: Iterable[Learnt]) -> Iterator[LayerNoise]:
    """The models of layers among what was learnt."""
    return (one.noise for one in found if isinstance(one.noise, LayerNoise))
