"""An estimator pub as one item: a template circuit that measures in any basis, and all its angles."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, ClassicalRegister, Parameter, QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.transpiler import Target

from coldplate.circuits.bases import Bases, Terms, collect, group
from coldplate.circuits.program import Item
from coldplate.circuits.rotation import Rotation, columns, fresh_names, split
from coldplate.engine.broadcast import Block, elements, lay_out
from coldplate.engine.budget import Budget
from coldplate.errors import BadInput, DynamicInEstimator, ObservableWidth
from coldplate.mitigation.trex import flip_table

REGISTER = "_meas"
FLIPS = f"measurement_flips.{REGISTER}"
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


def to_item(one: Plan, target: Target, rng: Generator) -> Item:
    """The item that measures a plan: its axes are elements, and randomizations when twirling is on.

    Only qubits that observables touch are measured, and one that is only ever read along Z and never
    flipped gets no gates.
    """
    rotation = Rotation.of(target)
    sets, bases = elements(one.blocks)
    number = one.budget.num_randomizations
    shape = (len(sets),) if number is None else (len(sets), number)
    num_bits = len(one.terms.qubits)
    x, z = one.bases.x, one.bases.z
    rotated = np.full(num_bits, number is not None) | np.any(x, axis=0)
    phased = np.asarray(np.any(x & z, axis=0))
    if number is None:
        flips = np.zeros((*shape, num_bits), dtype=bool)
        x, z = x[bases], z[bases]
    else:
        flips = flip_table(shape, num_bits, rng)
        x, z = x[bases, None], z[bases, None]
    turns = fresh_names(one.pub.circuit, "turn", num_bits)
    phases = fresh_names(one.pub.circuit, "phase", num_bits)
    circuit = template(one, rotation, turns=keep(turns, rotated), phases=keep(phases, phased))
    names = [parameter.name for parameter in (*one.pub.circuit.parameters, *turns, *phases)]
    given = one.pub.parameter_values.as_array(one.pub.circuit.parameters)
    given = given.reshape(prod(given.shape[:-1]), given.shape[-1])[sets]
    given = given if number is None else given[:, None]
    parts = [given, rotation.turns(x, flips=flips), rotation.phases(x, z)]
    values = np.concatenate([np.broadcast_to(part, (*shape, part.shape[-1])) for part in parts], axis=-1)
    order = columns(circuit, {name: place for place, name in enumerate(names)})
    side: dict[str, NDArray[Any]] = {} if number is None else {FLIPS: flips[..., None, :]}
    return Item(circuit, np.ascontiguousarray(values[..., order]), one.budget.shots_per_run, side=side)


def keep(parameters: list[Parameter], needed: NDArray[np.bool_]) -> list[Parameter | None]:
    """The parameters that are needed, None for the others."""
    return [parameter if use else None for parameter, use in zip(parameters, needed, strict=True)]


def template(
    one: Plan, rotation: Rotation, *, turns: list[Parameter | None], phases: list[Parameter | None]
) -> QuantumCircuit:
    """The pub's circuit without its final measurements, then a rotation and a measurement per qubit."""
    circuit = without_final_measurements(one.pub.circuit)
    register = ClassicalRegister(len(one.terms.qubits), REGISTER)
    circuit.add_register(register)
    for place, turn, phase in zip(one.terms.qubits, turns, phases, strict=True):
        if turn is not None:
            rotation.append(circuit, circuit.qubits[place], turn=turn, phase=phase)
    circuit.measure(list(one.terms.qubits), register)
    return circuit


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
    copy.data = body
    return copy
