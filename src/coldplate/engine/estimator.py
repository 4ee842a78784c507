"""Estimator: pubs with observables -> one item each -> expectation values with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.primitives import DataBin, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.transpiler import Target
from scipy.sparse import csr_array

from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program, pack_bits
from coldplate.engine import program
from coldplate.engine.broadcast import Block
from coldplate.engine.budget import estimator_budget
from coldplate.engine.measuring import FLIPS, REGISTER, Plan, plan, to_item
from coldplate.engine.moments import moments
from coldplate.engine.options import EstimatorOptions
from coldplate.mitigation import trex
from coldplate.mitigation.trex import Readout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """An estimator job that is ready to run.

    Attributes:
        program: An item per plan that measures, then the readout's calibration.
        readout_qubits: What the calibration measures; empty: there is none.
    """

    program: Program
    plans: tuple[Plan, ...]
    readout_qubits: tuple[int, ...] = ()


def prepare(
    pubs: Sequence[EstimatorPub],
    options: EstimatorOptions,
    *,
    target: Target,
    rng: Generator,
    clock_start: datetime,
) -> Prepared:
    """The program of a job: every parameter set, basis and randomization of a pub is in one item.

    Raises:
        ObservableWidth, DynamicInEstimator, BadInput: See `engine.measuring.plan`.
        IncompatibleOptions: The shots given for twirling are too few.
    """
    plans = []
    for index, pub in enumerate(pubs):
        program.check_restrictions(pub.circuit, options.execution, index=index)
        budget = estimator_budget(
            pub.precision,
            default_shots=options.default_shots,
            default_precision=options.default_precision,
            twirling=options.twirling,
        )
        plans.append(plan(pub, budget, index=index))
    measuring = [one for one in plans if one.measures]
    items = [to_item(one, target, rng) for one in measuring]
    qubits: tuple[int, ...] = ()
    if options.trex is not None and measuring:
        qubits = tuple(sorted({qubit for one in measuring for qubit in one.terms.qubits}))
        items.append(
            trex.calibration(
                qubits,
                target,
                num_qubits=max(one.pub.circuit.num_qubits for one in measuring),
                options=options.trex,
                shots=max(one.budget.total for one in measuring),
                rng=rng,
            )
        )
    return Prepared(program.build(items, options.execution, clock_start=clock_start), tuple(plans), qubits)


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
    pairs = iter(ran)
    results = []
    for one in prepared.plans:
        shown = next(pairs) if one.measures else None
        evs, variances = known(one) if shown is None else estimate(one, unflipped(*shown), readout)
        stds = np.sqrt(variances)
        data = DataBin(evs=evs, stds=stds, ensemble_standard_error=stds.copy(), shape=one.pub.shape)
        metadata = describe(one, options, None if shown is None else shown[1])
        if lost := int(np.isnan(evs).sum()):
            metadata["coldplate"]["too_noisy_to_mitigate"] = lost
        results.append(PubResult(data, metadata=metadata))
    return PrimitiveResult(results, metadata={**options.metadata, "version": 2})


def unflipped(item: Item, outcome: ItemOutcome) -> NDArray[np.uint8]:
    """Measured bits with the twirl undone, shape ``(num_elements, num_shots, num_bytes)``."""
    bits = outcome.bits[REGISTER]
    if FLIPS in item.side:
        bits = bits ^ pack_bits(item.side[FLIPS])
    return bits.reshape(item.shape[0], -1, bits.shape[-1])


def known(one: Plan) -> tuple[Floats, Floats]:
    """Values and variances of observables that are only identities."""
    constants = one.terms.constants.reshape(one.pub.observables.shape)
    return np.broadcast_to(constants, one.pub.shape).copy(), np.zeros(one.pub.shape)


def estimate(one: Plan, bits: NDArray[np.uint8], readout: Readout | None) -> tuple[Floats, Floats]:
    """Values and variances of a pub's observables, each of the pub's shape.

    Raises:
        ReadoutTooNoisy: Readout error leaves too little of every observable; of some: those are NaN.
    """
    evs, variances = np.zeros(one.pub.shape), np.zeros(one.pub.shape)
    supports, support_of = np.unique(one.terms.support, axis=0, return_inverse=True)
    if readout is None:
        readings, scale = None, np.ones(len(one.terms.x))
    else:
        readings = readout.signs(one.terms.qubits, supports)
        scale = 1 / trex.damping(readings)[support_of.ravel()]
    for block in one.blocks:
        sums = one.terms.coefficients[block.observables].multiply(scale).tocsr()
        means, spread = measure(one, block, bits, sums)
        evs.flat[block.cells] = one.terms.constants[block.observables] + (sums @ means.T).T
        if readings is not None:
            weights = derivatives(sums, means * scale, support_of.ravel(), len(supports))
            spread += trex.damping_variance(readings, weights).reshape(spread.shape)
        variances.flat[block.cells] = spread
    if readings is not None and evs.size and np.isnan(evs).all():
        raise trex.too_noisy(readings)
    return evs, variances


def measure(one: Plan, block: Block, bits: NDArray[np.uint8], sums: csr_array) -> tuple[Floats, Floats]:
    """Means of every string, shape ``(params, strings)``, and variances of sums, ``(params, sums)``."""
    means = np.zeros((len(block.params), len(one.terms.x)))
    variances = np.zeros((len(block.params), sums.shape[0]))
    for basis, first in block.parts:
        shown = one.bases.terms[basis]
        means[:, shown], added = moments(
            bits[first : first + len(block.params)],
            len(one.terms.qubits),
            masks=one.terms.masks[shown],
            coefficients=csr_array(sums[:, shown]),
        )
        variances += added  # bases are run in shots of their own
    return means, variances


def derivatives(
    sums: csr_array, mitigated: Floats, support_of: NDArray[np.intp], num_supports: int
) -> csr_array:
    """How each sum for each parameter set moves with each damping, shape ``(params * sums, supports)``."""
    entries = sums.tocoo()
    data = -entries.data * mitigated[:, entries.col]
    rows = np.arange(len(mitigated))[:, None] * sums.shape[0] + entries.row
    columns = np.broadcast_to(support_of[entries.col], rows.shape)
    shape = (len(mitigated) * sums.shape[0], num_supports)
    return csr_array((data.ravel(), (rows.ravel(), columns.ravel())), shape=shape)


def describe(one: Plan, options: EstimatorOptions, outcome: ItemOutcome | None) -> dict[str, Any]:
    """The metadata of a pub's result."""
    precision = one.pub.precision
    if precision is None:
        by_shots = options.default_shots or options.twirling.product
        precision = options.default_precision if by_shots is None else one.budget.total**-0.5
    metadata: dict[str, Any] = {
        "shots": one.budget.total,
        "target_precision": precision,
        "circuit_metadata": one.pub.circuit.metadata or {},
        "resilience": {},
        "num_randomizations": one.budget.num_randomizations or 1,
        "coldplate": {
            "bases": len(one.bases.terms),
            "shots_per_basis": one.budget.total,
            **({} if outcome is None else outcome.metadata),
        },
    }
    return metadata
