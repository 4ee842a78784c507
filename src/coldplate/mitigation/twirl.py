"""Pauli twirling of gates, and Paulis that are put beside a layer on purpose.

Before each layer of two-qubit gates its qubits get random Paulis, behind it those that undo them. What a
layer's noise does then becomes a Pauli channel, whatever it was. Neither costs a gate: both are absorbed by
the single-qubit gates between layers, whose angles are the only thing that differs between randomizations.

Noise that is to be amplified (PEA) or cancelled (PEC) is sampled here too: an `Injection` draws Paulis that
nothing undoes, and they are absorbed in the same way.

Sources: Wallman, Emerson, Phys. Rev. A 94, 052325 (2016), arXiv:1512.01098; van den Berg, Minev, Kandala,
Temme, Nature Physics 19, 1116 (2023), arXiv:2201.09866.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, QuantumCircuit, Qubit

from coldplate.circuits.angles import Angles
from coldplate.circuits.conjugation import conjugated, conjugation
from coldplate.circuits.dressing import Slot, Template, template
from coldplate.circuits.euler import chain_angles, dressed
from coldplate.circuits.layers import Layer, Strategy
from coldplate.circuits.rotation import Rotation

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paulis:
    """Paulis beside one use of a layer, for every element and randomization.

    Attributes:
        x, z: Their bits, shape ``(*shape, len(layer.qubits))``, in the order of ``layer.qubits``.
        negative: Whether the execution counts with a minus sign, shape `shape`; None: none does.
        site: Before the layer's gates, or after them.
    """

    x: Bools
    z: Bools
    negative: Bools | None = None
    site: Literal["before", "after"] = "after"


class Injection(Protocol):
    """Draws the Paulis that are put beside layers: noise that is added (PEA), or its inverse (PEC)."""

    def draw(self, layer: Layer, use: int, *, shape: tuple[int, ...], rng: Generator) -> Paulis | None:
        """Paulis for one use of a layer; None: nothing there.

        Args:
            layer: What it is; equal layers have equal noise.
            use: Its place among the layers of the circuit, in order.
            shape: Elements, then randomizations.
        """


@dataclass(frozen=True)
class Twirled:
    """A template circuit, and the angles of all elements and randomizations.

    Attributes:
        circuit: The template; its parameters are angles of single-qubit gates.
        values: In the order of ``circuit.parameters``, shape ``(*elements, num_randomizations,
            num_parameters)``.
        layers: The layers in order, one per use.
        negative: Whether an execution counts with a minus sign, shape ``(*elements, num_randomizations)``;
            None: none does.
    """

    circuit: QuantumCircuit
    values: Floats
    layers: tuple[Layer, ...]
    negative: Bools | None = None


def twirl(
    circuit: QuantumCircuit,
    values: Floats,
    *,
    strategy: Strategy,
    rotation: Rotation,
    num_randomizations: int,
    rng: Generator,
    flips: tuple[Sequence[Qubit], Bools] | None = None,
    injection: Injection | None = None,
) -> Twirled:
    """A circuit with its gates twirled: one template for all elements and randomizations.

    Args:
        values: Of the circuit's parameters, shape ``(*elements, num_parameters)``.
        flips: Qubits whose final measurements are flipped, and whether, shape
            ``(*elements, num_randomizations, len(qubits))``.
        injection: What is put beside the layers.

    Raises:
        FractionalConflict, IncompatibleOptions: See `circuits.layers.check_entanglers`.
    """
    elements = values.shape[:-1]
    shape = (*elements, num_randomizations)
    flipped = () if flips is None else tuple(flips[0])
    made = template(circuit, strategy=strategy, rotation=rotation, flipped=flipped)
    left, right, negative = frames(made, shape=shape, rng=rng, injection=injection)
    if flips is not None:
        for column, qubit in enumerate(flipped):
            left[0][..., made.final[qubit]] = flips[1][..., column]
    base = base_angles(made.slots, Angles(circuit.parameters, values.reshape(prod(elements), -1)))
    swept = elements if len(base) == prod(elements) else (1,) * len(elements)
    base = base.reshape(*swept, 1, len(made.slots), 3)
    found = dressed(base, left=left, right=right)
    if rotation.native:
        found[..., :2] += np.pi  # rz(phi + pi) sx rz(theta + pi) sx rz(lam)
    num_given = values.shape[-1]
    given = made.columns < num_given
    table = np.empty(
        (*shape, len(made.columns))
    )  # filled in two parts: all at once would take twice the memory
    table[..., given] = values[..., None, made.columns[given]]
    table[..., ~given] = found.reshape(*shape, -1)[..., made.columns[~given] - num_given]
    return Twirled(made.circuit, table, made.layers, negative)


def base_angles(slots: Sequence[Slot], angles: Angles) -> Floats:
    """Angles of the chains in the slots, shape ``(num_elements or 1, num_slots, 3)``."""
    known: dict[tuple[object, ...], Floats] = {}
    rows = []
    for slot in slots:
        key = tuple((one.name, *one.params) for one in slot.chain)
        if key not in known:
            known[key] = chain_angles(slot.chain, angles)
        rows.append(known[key])
    if not rows:
        return np.zeros((1, 0, 3))
    if all(row.ndim == 1 for row in known.values()):
        return np.stack(rows)[None]
    return np.stack([np.broadcast_to(row, (len(angles.values), 3)) for row in rows], axis=1)


Frame = tuple[Bools, Bools]


def frames(
    made: Template, *, shape: tuple[int, ...], rng: Generator, injection: Injection | None
) -> tuple[Frame, Frame, Bools | None]:
    """Paulis on the left and on the right of every slot, as x and z bits, and the signs of executions."""
    num_slots = len(made.slots)
    left: Frame = (np.zeros((*shape, num_slots), dtype=bool), np.zeros((*shape, num_slots), dtype=bool))
    right: Frame = (np.zeros((*shape, num_slots), dtype=bool), np.zeros((*shape, num_slots), dtype=bool))
    negative: Bools | None = None
    for use, (layer, before, after) in enumerate(zip(made.layers, made.before, made.after, strict=True)):
        x, z = (random_bits((*shape, len(layer.qubits)), rng) for _ in range(2))
        undo_x, undo_z = through(layer, made.gates[use], x, z)
        added = None if injection is None else injection.draw(layer, use, shape=shape, rng=rng)
        if added is not None:
            if added.site == "before":
                x, z = x ^ added.x, z ^ added.z
            else:
                undo_x, undo_z = undo_x ^ added.x, undo_z ^ added.z
            if added.negative is not None:
                negative = added.negative if negative is None else negative ^ added.negative
        left[0][..., before], left[1][..., before] = x, z
        seen = after >= 0  # behind the others nobody looks
        right[0][..., after[seen]], right[1][..., after[seen]] = undo_x[..., seen], undo_z[..., seen]
    return left, right, negative


def random_bits(shape: tuple[int, ...], rng: Generator) -> Bools:
    """Fair coins."""
    number = prod(shape)
    packed = np.frombuffer(rng.bytes(-(-number // 8)), dtype=np.uint8)
    return np.unpackbits(packed, count=number).view(bool).reshape(shape)


def through(layer: Layer, gates: Sequence[CircuitInstruction], x: Bools, z: Bools) -> Frame:
    """Paulis before a layer as Paulis behind it."""
    place = {qubit: column for column, qubit in enumerate(layer.qubits)}
    by_kind: dict[tuple[str, tuple[float, ...]], tuple[CircuitInstruction, list[list[int]]]] = {}
    for gate, instruction in zip(layer.gates, gates, strict=True):
        _, pairs = by_kind.setdefault((gate.name, gate.params), (instruction, []))
        pairs.append([place[qubit] for qubit in gate.qubits])
    out_x, out_z = x.copy(), z.copy()
    for instruction, pairs in by_kind.values():
        columns = np.array(pairs)
        out_x[..., columns], out_z[..., columns] = conjugated(
            conjugation(instruction.operation), x[..., columns], z[..., columns]
        )
    return out_x, out_z
