"""An estimator pub as one item: a template circuit that measures in any basis, and all its angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, ClassicalRegister, QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.transpiler import Target

from coldplate.circuits.bases import Bases, Terms, collect, group
from coldplate.circuits.content import content_of, derived
from coldplate.circuits.layers import Layer, Strategy, layers
from coldplate.circuits.program import Item
from coldplate.circuits.rotation import Rotation, columns, fresh_names, split
from coldplate.engine.broadcast import Block, elements, lay_out
from coldplate.engine.budget import Budget
from coldplate.engine.options import Twirling
from coldplate.engine.variants import Variant
from coldplate.errors import BadInput, DynamicInEstimator, ObservableWidth
from coldplate.mitigation.trex import flip_table
from coldplate.mitigation.twirl import twirl

Floats = NDArray[np.float64]

REGISTER = "_meas"
FLIPS = f"measurement_flips.{REGISTER}"
NEGATIVE = "negative"
DYNAMIC = frozenset({"if_else", "while_loop", "for_loop", "switch_case", "store"})


@dataclass(frozen=True)
class Plan:
    """How one pub is measured.

    Attributes:
        blocks: Which parameter sets are measured in which bases.
        budget: Shots of each element.
    """

    pub: EstimatorPub
    terms: Terms
    bases: Bases
    blocks: tuple[Block, ...]
    budget: Budget

    @property
    def measures(self) -> bool:
        """Whether anything has to be measured; identities are known."""
        return any(block.parts for block in self.blocks)


def plan(pub: EstimatorPub, budget: Budget, *, index: int) -> Plan:
    """Terms, bases and blocks of a pub.

    Raises:
        ObservableWidth: An observable is not as wide as the circuit.
        DynamicInEstimator: The circuit has control flow.
        BadInput: The parameter values don't fit the circuit.
    """
    check(pub, index)
    terms = collect(pub.observables.sparse_observables_array().ravel().tolist())
    bases = group(terms)
    blocks = lay_out(
        terms,
        bases,
        params_shape=pub.parameter_values.shape,
        observables_shape=pub.observables.shape,
    )
    return Plan(pub, terms, bases, blocks, budget)


def check(pub: EstimatorPub, index: int) -> None:
    """Refuse a pub that has no expectation values."""
    width = pub.circuit.num_qubits
    if pub.observables.size and pub.observables.num_qubits != width:
        raise ObservableWidth(
            f"Pub {index} has observables on {pub.observables.num_qubits} qubits, but a circuit on {width}."
        )
    given, needed = pub.parameter_values.num_parameters, pub.circuit.num_parameters
    if given != needed:
        raise BadInput(f"Pub {index} has values for {given} parameters, but a circuit with {needed}.")
    dynamic = sorted(DYNAMIC.intersection(pub.circuit.count_ops()))
    if dynamic:
        raise DynamicInEstimator(f"The circuit of pub {index} is dynamic: it has {', '.join(dynamic)}.")


def to_item(one: Plan, variant: Variant, twirling: Twirling, *, target: Target, rng: Generator) -> Item:
    """The item that measures a plan: its axes are elements, and randomizations when twirling is on.

    Only qubits that observables touch are measured, and one that is only ever read along Z and never
    flipped gets no gates.

    Raises:
        FractionalConflict, IncompatibleOptions: The circuit can't be twirled.
    """
    sets, bases = elements(one.blocks)
    number = variant.num_randomizations or one.budget.num_randomizations
    shape = (len(sets),) if number is None else (len(sets), number)
    num_bits = len(one.terms.qubits)
    flips = np.zeros((*shape, num_bits), dtype=bool)
    if twirling.measure:
        flips = flip_table(shape, num_bits, rng)
    side: dict[str, NDArray[Any]] = {FLIPS: flips[..., None, :]} if twirling.measure else {}
    rotation = Rotation.of(target)
    given = one.pub.parameter_values.as_array(one.pub.circuit.parameters)
    given = given.reshape(prod(given.shape[:-1]), given.shape[-1])[sets]
    shots = one.budget.shots_per_run
    if not twirling.gates:
        x, z = one.bases.x[bases], one.bases.z[bases]
        rotated = np.full(num_bits, twirling.measure) | np.any(one.bases.x, axis=0)
        if number is not None:
            given, x, z = given[:, None], x[:, None], z[:, None]
        parts = [given, rotation.turns(x, flips=flips), rotation.phases(x, z)]
        circuit, order = template(one, variant.circuit, rotation, rotated=rotated)
        content = template_content(one, variant.circuit, rotation, rotated=rotated)
        return Item(circuit, joined(parts, shape, order), shots, side=side, content=content)
    absorbed = Rotation(native=False)
    x, z = one.bases.x[bases], one.bases.z[bases]
    parts = [given, absorbed.turns(x, flips=np.zeros_like(x)), absorbed.phases(x, z)]
    rotated = np.asarray(np.any(one.bases.x, axis=0))
    circuit, order = template(one, variant.circuit, absorbed, rotated=rotated)
    turned = np.flatnonzero(rotated | twirling.measure)
    made = twirl(
        circuit,
        joined(parts, (len(sets),), order),
        strategy=twirling.strategy,
        rotation=rotation,
        num_randomizations=number or 1,
        rng=rng,
        flips=([circuit.qubits[one.terms.qubits[bit]] for bit in turned], flips[..., turned]),
        injection=variant.injection,
    )
    if made.negative is not None:
        side[NEGATIVE] = made.negative
    return Item(made.circuit, made.values, shots, side=side)


def layers_of(one: Plan, strategy: Strategy) -> list[Layer]:
    """The layers of a plan's circuit as they are twirled, one per use.

    Raises:
        FractionalConflict, IncompatibleOptions: The circuit can't be twirled.
    """
    rotated = np.asarray(np.any(one.bases.x, axis=0))
    circuit, _ = template(one, one.pub.circuit, Rotation(native=False), rotated=rotated)
    return layers(without_final_measurements(circuit), strategy)


def joined(parts: Sequence[Floats], shape: tuple[int, ...], order: NDArray[np.intp]) -> Floats:
    """Values from several sources, each broadcast to `shape`, in the order of a template's parameters."""
    values = np.concatenate([np.broadcast_to(part, (*shape, part.shape[-1])) for part in parts], axis=-1)
    return np.ascontiguousarray(values[..., order])


def template(
    one: Plan, source: QuantumCircuit, rotation: Rotation, *, rotated: NDArray[np.bool_]
) -> tuple[QuantumCircuit, NDArray[np.intp]]:
    """A circuit without its final measurements, then a rotation and a measurement per qubit.

    Args:
        source: The pub's circuit, or a variant of it.
        rotated: Which measured qubits are rotated.

    Returns:
        The template, and the source of each of its parameters: those of the pub's circuit, then `turn` of
        every measured qubit, then `phase`.
    """
    circuit = without_final_measurements(source)
    num_bits = len(one.terms.qubits)
    register = ClassicalRegister(num_bits, REGISTER)
    circuit.add_register(register)
    turns, phases = (fresh_names(source, name, num_bits) for name in ("turn", "phase"))
    phased = np.any(one.bases.x & one.bases.z, axis=0)
    for bit in np.flatnonzero(rotated):
        qubit = circuit.qubits[one.terms.qubits[bit]]
        rotation.append(circuit, qubit, turn=turns[bit], phase=phases[bit] if phased[bit] else None)
    circuit.measure(list(one.terms.qubits), register)
    names = [parameter.name for parameter in (*one.pub.circuit.parameters, *turns, *phases)]
    return circuit, columns(circuit, {name: place for place, name in enumerate(names)})


def template_content(
    one: Plan, source: QuantumCircuit, rotation: Rotation, *, rotated: NDArray[np.bool_]
) -> bytes | None:
    """The name of a template's contents: all that `template` depends on."""
    phased = np.any(one.bases.x & one.bases.z, axis=0)
    how = (rotation, one.terms.qubits, rotated.tolist(), phased.tolist())
    return derived(content_of(source), "in bases", *how)


def without_final_measurements(circuit: QuantumCircuit) -> QuantumCircuit:
    """A copy without final measurements and registers; bits of measurements inside stay, unread."""
    if not circuit.clbits:
        return circuit.copy()
    body, _ = split(list(circuit.data))
    return rebuilt(circuit, body)


def rebuilt(circuit: QuantumCircuit, body: list[CircuitInstruction]) -> QuantumCircuit:
    """A circuit on the same qubits with other instructions, and only the bits that they use."""
    used = {bit for instruction in body for bit in instruction.clbits}
    copy = QuantumCircuit(circuit.qubits, [bit for bit in circuit.clbits if bit in used])
    for stretch in circuit.iter_stretches():
        copy.add_stretch(stretch)
    copy.data = body
    return copy
