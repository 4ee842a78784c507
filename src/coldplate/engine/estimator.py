"""Estimator: pubs with observables -> items -> expectation values with their errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator
from qiskit.primitives import DataBin, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program
from coldplate.circuits.rotation import Rotation
from coldplate.engine import program
from coldplate.engine.budget import estimator_budget
from coldplate.engine.estimates import Floats, Shown, estimate
from coldplate.engine.extrapolation import extrapolate
from coldplate.engine.measuring import Plan, layers_of, plan, to_item
from coldplate.engine.options import EstimatorOptions
from coldplate.engine.program import Compiled
from coldplate.engine.report import READOUT, Purpose
from coldplate.engine.variants import Variant, variants
from coldplate.mitigation import trex
from coldplate.mitigation.injected import Known
from coldplate.mitigation.trex import Readout, TrexOptions
from coldplate.noise.model import LayerNoise

NOTHING_KNOWN: Mapping[Layer, LayerNoise] = MappingProxyType({})


@dataclass(frozen=True)
class Prepared:
    """An estimator job that is ready to run.

    Attributes:
        program: The items of every plan that measures, one per variant, then the readout's calibration.
        runs: The variants of each plan; none where nothing is measured.
        compiled: Of every variant, as the items.
        known: The noise of each plan's layers, where a technique needs it.
        readout_qubits: What the calibration measures; empty: there is none.
    """

    program: Program
    plans: tuple[Plan, ...]
    runs: tuple[tuple[Variant, ...], ...]
    compiled: tuple[Compiled, ...]
    known: tuple[Known, ...]
    readout_qubits: tuple[int, ...] = ()


def plans_of(pubs: Sequence[EstimatorPub], options: EstimatorOptions, target: Target) -> list[Plan]:
    """How every pub of a job is measured.

    Raises:
        ObservableWidth, DynamicInEstimator, BadInput: See `engine.measuring.plan`.
        IncompatibleOptions: The shots given for twirling are too few, or a circuit can't be twirled.
    """
    plans = []
    for index, pub in enumerate(pubs):
        program.check_restrictions(pub.circuit, options.execution, index=index)
        if options.twirling.gates:
            program.check_twirl(pub.circuit, target, index=index, twirler=f"options.{options.twirled_for}")
        budget = estimator_budget(
            pub.precision,
            default_shots=options.default_shots,
            default_precision=options.default_precision,
            twirling=options.twirling,
        )
        plans.append(plan(pub, budget, index=index))
    return plans


def purposes(prepared: Prepared) -> list[Purpose]:
    """What each item of a job is run for."""
    found = [Purpose(index, variant.factor) for index, ways in enumerate(prepared.runs) for variant in ways]
    return [*found, Purpose(what=READOUT)] if prepared.readout_qubits else found


def factors(prepared: Prepared, options: EstimatorOptions, *, learning: int = 0) -> dict[str, float]:
    """By how much each option multiplies the executions of a job; those that don't are left out.

    Args:
        learning: Executions that were needed to learn noise.
    """
    asked = budgeted = main = 0
    items = iter(prepared.program.items)
    for one, ways in zip(prepared.plans, prepared.runs, strict=True):
        own = [next(items) for _ in ways]
        number = own[0].shape[0] if own else 0
        asked, budgeted = asked + number * one.budget.shots, budgeted + number * one.budget.total
        main += sum(item.executions for item in own)
    if not main:
        return {}
    amplified = "resilience.pec_mitigation" if options.pec else "resilience.zne_mitigation"
    total = main + sum(item.executions for item in items)
    found = {
        "twirling": budgeted / asked,
        amplified: main / budgeted,
        "resilience.measure_mitigation": total / main,
        "resilience.layer_noise_learning": (total + learning) / total,
    }
    return {name: factor for name, factor in found.items() if factor != 1}


def prepare(
    pubs: Sequence[EstimatorPub],
    options: EstimatorOptions,
    *,
    models: Mapping[Layer, LayerNoise] = NOTHING_KNOWN,
    target: Target,
    rng: Generator,
    clock_start: datetime,
) -> Prepared:
    """The program of a job: every parameter set, basis and randomization of a variant is in one item.

    Args:
        models: What is known of the noise of layers.

    Raises:
        ObservableWidth, DynamicInEstimator, BadInput: See `engine.measuring.plan`.
        IncompatibleOptions: The shots given for twirling are too few, or a circuit can't be twirled.
        LimitExceeded: Cancelling the noise takes more randomizations than a job can have.
    """
    plans = plans_of(pubs, options, target)
    known = [Known.of(uses(one, options), models) for one in plans]
    runs = tuple(
        variants(
            one.pub.circuit,
            options,
            known=noise,
            num_randomizations=one.budget.num_randomizations or 1,
            native=Rotation.of(target).native,
            rng=rng,
        )
        if one.measures
        else ()
        for one, noise in zip(plans, known, strict=True)
    )
    made = [
        program.compiled(
            to_item(one, variant, options.twirling, target=target, rng=rng), options.execution, target
        )
        for one, ways in zip(plans, runs, strict=True)
        for variant in ways
    ]
    items = [one.item for one in made]
    qubits: tuple[int, ...] = ()
    if options.trex is not None and items:
        qubits, calibration = calibrate(plans, options.trex, target=target, rng=rng)
        items.append(calibration)
    built = program.build(items, options.execution, clock_start=clock_start)
    return Prepared(built, tuple(plans), runs, tuple(made), tuple(known), qubits)


def uses(one: Plan, options: EstimatorOptions) -> list[Layer]:
    """The layers of a plan, one per use, where their noise is needed."""
    return layers_of(one, options.twirling.strategy) if options.needs_layer_noise and one.measures else []


def calibrate(
    plans: Sequence[Plan], options: TrexOptions, *, target: Target, rng: Generator
) -> tuple[tuple[int, ...], Item]:
    """The qubits that any plan measures, and the item that shows how they are read."""
    measuring = [one for one in plans if one.measures]
    qubits = tuple(sorted({qubit for one in measuring for qubit in one.terms.qubits}))
    item = trex.calibration(
        qubits,
        target,
        num_qubits=max(one.pub.circuit.num_qubits for one in measuring),
        options=options,
        shots=max(one.budget.total for one in measuring),
        rng=rng,
    )
    return qubits, item


def combine(prepared: Prepared, outcomes: Outcomes, options: EstimatorOptions) -> PrimitiveResult[PubResult]:
    """Expectation values and standard errors of every pub.

    Raises:
        ReadoutTooNoisy: Readout error leaves too little of every observable of a pub.
    """
    ran = list(zip(prepared.program.items, outcomes.items, strict=True))
    readout = None
    if prepared.readout_qubits:
        item, outcome = ran.pop()
        if not outcomes.made_up:  # bits at random tell of no readout to undo
            readout = Readout.of(prepared.readout_qubits, item, outcome)
    pairs, compiled = iter(ran), iter(prepared.compiled)
    results = []
    for one, ways, noise in zip(prepared.plans, prepared.runs, prepared.known, strict=True):
        shown = shows(one, ways, pairs)
        metadata = describe(one, options, shown, [next(compiled) for _ in ways])
        if options.needs_layer_noise:
            metadata["resilience"]["layer_noise"] = noise.metadata()
        if not shown:
            fields = known(one, options)
        elif options.zne is None:
            fields = estimate(one, shown, readout, by_twirl=options.twirling.gates)
        else:
            found = extrapolate(one, shown, readout, options.zne, by_twirl=options.twirling.gates)
            fields = found.fields
            metadata["resilience"]["zne"] = {"extrapolator": nested(found.extrapolators, one.pub.shape)}
            metadata["coldplate"]["noise_factors_reached"] = [way.factor for way in ways]
        if lost := int(np.isnan(fields["evs"]).sum()):
            metadata["coldplate"]["too_noisy_to_mitigate"] = lost
        results.append(PubResult(DataBin(**fields, shape=one.pub.shape), metadata=metadata))
    return PrimitiveResult(results, metadata={**options.metadata, "version": 2})


def shows(one: Plan, ways: Sequence[Variant], pairs: Iterator[tuple[Item, ItemOutcome]]) -> list[Shown]:
    """What each variant of a plan showed, taken from the items that were run."""
    return [Shown.of(variant, *next(pairs), num_bits=len(one.terms.qubits)) for variant in ways]


def known(one: Plan, options: EstimatorOptions) -> dict[str, Floats]:
    """The fields of a result whose observables are only identities."""
    constants = one.terms.constants.reshape(one.pub.observables.shape)
    sure = np.broadcast_to(constants, one.pub.shape)
    axes: dict[str, tuple[int, ...]] = {"evs": (), "stds": (), "ensemble_standard_error": ()}
    if options.zne is not None:
        factors = (len(options.zne.noise_factors),)
        by_model = (len(options.zne.extrapolators), len(options.zne.points))
        axes |= {"evs_noise_factors": factors, "stds_noise_factors": factors}
        axes |= {"ensemble_stds_noise_factors": factors}
        axes |= {"evs_extrapolated": by_model, "stds_extrapolated": by_model}
    return {
        name: np.broadcast_to(
            (sure if name.startswith("evs") else np.zeros(one.pub.shape))[(..., *[None] * len(more))],
            (*one.pub.shape, *more),
        ).copy()
        for name, more in axes.items()
    }


def nested(words: list[str], shape: tuple[int, ...]) -> Any:
    """Words in nested lists of a shape; one word for all where they agree."""
    if len(set(words)) == 1:
        return words[0]
    return np.array(words, dtype=object).reshape(shape).tolist()


def describe(
    one: Plan, options: EstimatorOptions, shown: Sequence[Shown], compiled: Sequence[Compiled]
) -> dict[str, Any]:
    """The metadata of a pub's result; of its variants the first tells how it was compiled and simulated."""
    precision = one.pub.precision
    if precision is None:
        by_shots = options.default_shots or options.twirling.product
        precision = options.default_precision if by_shots is None else one.budget.total**-0.5
    number = shown[0].variant.num_randomizations if shown else None
    number = number or one.budget.num_randomizations or 1
    shots = number * one.budget.shots_per_run
    metadata: dict[str, Any] = {
        "shots": shots,
        "target_precision": precision,
        "circuit_metadata": one.pub.circuit.metadata or {},
        "resilience": {},
        "num_randomizations": number,
        "coldplate": {
            "bases": len(one.bases.terms),
            "shots_per_basis": shots,
            **(compiled[0].own if compiled else {}),
            **(shown[0].metadata if shown else {}),
        },
    }
    if compiled and compiled[0].official:
        metadata["compilation"] = compiled[0].official
    if options.pec is not None and shown:
        way = shown[0].variant
        scaling = number / (one.budget.num_randomizations or 1)
        metadata["resilience"]["pec"] = {"num_randomizations_scaling": scaling}
        metadata["coldplate"]["pec"] = {"noise_gain": way.factor, "gamma": way.scale}
    return metadata
