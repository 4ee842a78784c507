"""Sampler: pubs -> one item each -> bits or IQ points of every classical register."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, QuantumCircuit, Qubit
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import Target

from coldplate.circuits.content import content_of
from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program, pack_bits
from coldplate.circuits.rotation import Rotation, columns, fresh_names, split
from coldplate.engine import program
from coldplate.engine.budget import Budget, sampler_budget
from coldplate.engine.options import SamplerOptions, Twirling
from coldplate.engine.program import Compiled
from coldplate.engine.readout import Calibration, tell
from coldplate.engine.report import READOUT, Purpose
from coldplate.engine.spans import DoubleSliceSpan, ExecutionSpans, TwirledSliceSpanV2
from coldplate.errors import BadInput, IncompatibleOptions
from coldplate.mitigation.trex import flip_table
from coldplate.mitigation.twirl import twirl

FLIPS = "measurement_flips."
# names that a DataBin keeps for itself
RESERVED = frozenset({"shape", "size", "ndim", "keys", "values", "items", "_data", "_shape", "self"})


@dataclass(frozen=True)
class Prepared:
    """A sampler job that is ready to run: per pub an item and a budget.

    Attributes:
        calibration: What shows how qubits are read; its item is the last of the program. None: there is none.
    """

    program: Program
    pubs: tuple[SamplerPub, ...]
    budgets: tuple[Budget, ...]
    compiled: tuple[Compiled, ...]
    calibration: Calibration | None = None


def purposes(prepared: Prepared) -> list[Purpose]:
    """What each item of a job is run for."""
    found = [Purpose(index) for index in range(len(prepared.pubs))]
    return [*found, Purpose(what=READOUT)] if prepared.calibration else found


def factors(prepared: Prepared) -> dict[str, float]:
    """By how much each option multiplies the executions of a job; those that don't are left out."""
    pairs = list(zip(prepared.program.items, prepared.budgets, strict=False))
    main = sum(item.executions for item, _ in pairs)
    if not main:
        return {}
    asked = sum(item.executions // budget.total * budget.shots for item, budget in pairs)
    total = sum(item.executions for item in prepared.program.items)
    found = {"twirling": main / asked, "experimental.readout_mitigation": total / main}
    return {name: factor for name, factor in found.items() if factor != 1}


def prepare(
    pubs: Sequence[SamplerPub],
    options: SamplerOptions,
    *,
    target: Target,
    rng: Generator,
    clock_start: datetime,
) -> Prepared:
    """The program of a job: every parameter set and randomization of a pub is in one item.

    Raises:
        BadInput: A pub's parameter values don't fit its circuit.
        IncompatibleOptions: A circuit can't be twirled, or the shots given for twirling are too few.
    """
    items, budgets = [], []
    for index, pub in enumerate(pubs):
        check(pub, index)
        program.check_restrictions(pub.circuit, options.execution, index=index)
        if options.twirling.gates:
            program.check_twirl(pub.circuit, target, index=index)
        budget = sampler_budget(pub.shots, default_shots=options.default_shots, twirling=options.twirling)
        values = pub.parameter_values.as_array(pub.circuit.parameters)
        item = Item(pub.circuit, values, budget.shots_per_run, content=content_of(pub.circuit))
        if budget.num_randomizations is not None:
            make = gates_twirled if options.twirling.gates else twirled
            item = make(item, budget.num_randomizations, options.twirling, target=target, rng=rng)
        items.append(program.compiled(item, options.execution, target))
        budgets.append(budget)
    calibration = None
    if options.m3 and pubs:
        shots = max(budget.total for budget in budgets)
        calibration = Calibration.of(pubs, target, shots=shots, rng=rng)
    run = [one.item for one in items] + ([calibration.item] if calibration else [])
    built = program.build(run, options.execution, clock_start=clock_start)
    return Prepared(built, tuple(pubs), tuple(budgets), tuple(items), calibration)


def check(pub: SamplerPub, index: int) -> None:
    """Refuse a pub whose values don't fit, or whose result could not be told."""
    given, needed = pub.parameter_values.num_parameters, pub.circuit.num_parameters
    if given != needed:
        raise BadInput(f"Pub {index} has values for {given} parameters, but a circuit with {needed}.")
    for register in pub.circuit.cregs:
        if register.name in RESERVED or register.name.isupper() and register.name.startswith("_"):
            raise BadInput(f"Pub {index} has a classical register {register.name!r}, a reserved name.")


def gates_twirled(
    item: Item, num_randomizations: int, twirling: Twirling, *, target: Target, rng: Generator
) -> Item:
    """An item whose gates are twirled, and its final measurements if they are too.

    Raises:
        FractionalConflict, IncompatibleOptions: The circuit can't be twirled.
    """
    check_twirl(item.circuit)
    _, measurements = split(list(item.circuit.data))
    qubits = list(dict.fromkeys(one.qubits[0] for one in measurements)) if twirling.measure else []
    flips = flip_table((*item.shape, num_randomizations), len(qubits), rng)
    made = twirl(
        item.circuit,
        item.values,
        strategy=twirling.strategy,
        rotation=Rotation.of(target),
        num_randomizations=num_randomizations,
        rng=rng,
        flips=(qubits, flips),
    )
    side = flip_tables(made.circuit, measurements, qubits, flips) if twirling.measure else {}
    return Item(made.circuit, made.values, item.shots, side=side)


def check_twirl(circuit: QuantumCircuit) -> None:
    """Refuse a circuit in which bits can't be flipped back."""
    if "store" in circuit.count_ops():
        raise IncompatibleOptions("A circuit with store instructions can't be twirled.")


def twirled(
    item: Item, num_randomizations: int, _twirling: Twirling, *, target: Target, rng: Generator
) -> Item:
    """An item whose final measurements are flipped at random, with a last axis over randomizations.

    Measurements inside a circuit stay as they are: what follows them would have to know of the flip.
    """
    check_twirl(item.circuit)
    rotation = Rotation.of(target)
    body, measurements = split(list(item.circuit.data))
    circuit = item.circuit.copy_empty_like()
    circuit.data = body
    qubits = list(dict.fromkeys(one.qubits[0] for one in measurements))
    turns = fresh_names(item.circuit, "turn", len(qubits))
    for qubit, turn in zip(qubits, turns, strict=True):
        rotation.append(circuit, qubit, turn=turn, phase=None)
    for one in measurements:
        circuit.append(one)
    shape = (*item.shape, num_randomizations)
    flips = flip_table(shape, len(qubits), rng)
    angles = rotation.turns(np.zeros(len(qubits), dtype=bool), flips=flips)
    given = np.broadcast_to(item.values[..., None, :], (*shape, item.values.shape[-1]))
    names = [parameter.name for parameter in (*item.circuit.parameters, *turns)]
    order = columns(circuit, {name: place for place, name in enumerate(names)})
    values = np.concatenate([given, angles], axis=-1)[..., order]
    side = flip_tables(circuit, measurements, qubits, flips)
    return Item(circuit, np.ascontiguousarray(values), item.shots, side=side)


def flip_tables(
    circuit: QuantumCircuit,
    measurements: Sequence[CircuitInstruction],
    qubits: Sequence[Qubit],
    flips: NDArray[np.bool_],
) -> dict[str, NDArray[np.bool_]]:
    """What was flipped in each register, by name, shape ``(*shape, 1, num_bits)``."""
    place = {one.clbits[0]: qubits.index(one.qubits[0]) for one in measurements}
    found = {}
    for register in circuit.cregs:
        table = np.zeros((*flips.shape[:-1], 1, len(register)), dtype=bool)
        for bit, clbit in enumerate(register):
            if clbit in place:
                table[..., 0, bit] = flips[..., place[clbit]]
        found[FLIPS + register.name] = table
    return found


def combine(prepared: Prepared, outcomes: Outcomes) -> PrimitiveResult[SamplerPubResult]:
    """What every register showed, per pub, and when it was taken."""
    results, spans = [], []
    calibration, rates = prepared.calibration, None
    if calibration is not None and not outcomes.made_up:
        rates = calibration.rates(outcomes.items[-1])
    for index, (pub, budget) in enumerate(zip(prepared.pubs, prepared.budgets, strict=True)):
        item, outcome = prepared.program.items[index], outcomes.items[index]
        data = DataBin(**registers(pub.circuit, item, budget, outcome), shape=pub.shape)
        metadata: dict[str, Any] = {"circuit_metadata": pub.circuit.metadata or {}}
        if budget.num_randomizations is not None:
            metadata["num_randomizations"] = budget.num_randomizations
        made = prepared.compiled[index]
        if made.official:
            metadata["compilation"] = made.official
        metadata["coldplate"] = {**made.own, **outcome.metadata}
        if calibration is not None and rates is not None:
            twirled = any(name.startswith(FLIPS) for name in item.side)
            told = tell(pub.circuit, data, calibration, rates, twirled=twirled)
            metadata["coldplate"]["readout_mitigation"] = told
        results.append(SamplerPubResult(data, metadata=metadata))
        spans.append(span(index, item, budget, outcome))
    return PrimitiveResult(
        results, metadata={"execution": {"execution_spans": ExecutionSpans(tuple(spans))}, "version": 2}
    )


def registers(
    circuit: QuantumCircuit, item: Item, budget: Budget, outcome: ItemOutcome
) -> dict[str, BitArray | NDArray[np.complex128]]:
    """The data of each register: bits when there are bits, else IQ points."""
    if outcome.iq:
        return {register.name: points(outcome.iq[register.name], item, budget) for register in circuit.cregs}
    found: dict[str, BitArray | NDArray[np.complex128]] = {}
    for register in circuit.cregs:
        bits = outcome.bits[register.name]
        if budget.num_randomizations is not None:
            if FLIPS + register.name in item.side:
                bits = bits ^ pack_bits(item.side[FLIPS + register.name])
            # a pub has the shots it asked for, though its randomizations may make a few more
            bits = bits.reshape(*item.shape[:-1], budget.total, -1)[..., : budget.shots, :]
        found[register.name] = BitArray(bits, len(register))
    return found


def points(plane: NDArray[np.complex128], item: Item, budget: Budget) -> NDArray[np.complex128]:
    """IQ points of a pub's shots, or their average, whatever randomizations they were taken in."""
    if budget.num_randomizations is None:
        return plane
    if plane.ndim == len(item.shape) + 1:
        averaged: NDArray[np.complex128] = plane.mean(axis=-2)
        return averaged
    return plane.reshape(*item.shape[:-1], budget.total, plane.shape[-1])[..., : budget.shots, :]


def span(
    index: int, item: Item, budget: Budget, outcome: ItemOutcome
) -> DoubleSliceSpan | TwirledSliceSpanV2:
    """When a pub's shots were taken."""
    shape, elements, shots = (*item.shape, item.shots), slice(0, prod(item.shape)), slice(0, item.shots)
    if budget.num_randomizations is None:
        return DoubleSliceSpan(*outcome.span, {index: (shape, elements, shots)})
    return TwirledSliceSpanV2(*outcome.span, {index: (shape, False, elements, shots, budget.shots)})
