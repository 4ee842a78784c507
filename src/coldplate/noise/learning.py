"""Learning the noise of a layer: the circuits to run, each depth as one item.

Qubits are prepared along a product basis, the twirled layer is run an even number of times, in which it
undoes itself, and they are measured along the same basis. Every Pauli string that the basis shows decays by
its pair fidelity with each pair of layers, whatever preparation and measurement do to it. All bases and
randomizations of a depth are the same template circuit at other angles.

Source: van den Berg, Minev, Kandala, Temme, Nature Physics 19, 1116 (2023), arXiv:2201.09866.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumCircuit, Qubit
from qiskit.circuit.library import RZGate, SXGate
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.circuits.program import Item
from coldplate.circuits.rotation import GENERAL, Rotation
from coldplate.errors import BadInput, LimitExceeded
from coldplate.noise.action import append, conjugate, square
from coldplate.noise.checks import Checks
from coldplate.noise.local import local_strings, neighbours, product_bases
from coldplate.noise.model import Strings

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]

REGISTER = "meas"
FLIPS = f"measurement_flips.{REGISTER}"
MOST_ANGLES = 1 << 27  # of one depth


@dataclass(frozen=True)
class LearningOptions:
    """How much is run to learn one layer.

    Attributes:
        pair_depths: How many pairs of the layer circuits have.
        checks: Which shots are kept.
    """

    num_randomizations: int = 32
    shots_per_randomization: int = 128
    pair_depths: tuple[int, ...] = (0, 1, 2, 4, 16, 32)
    checks: Checks = Checks()


@dataclass(frozen=True)
class Study:
    """What is run to learn a layer.

    Attributes:
        pairs: Places of qubits whose joint noise is in the model.
        strings: The model's generators, and the strings whose decay is observed.
        bases: Product bases that show them all.
        depths: Pairs of layers, one for each item, ascending.
        items: Elements: bases x randomizations.
    """

    layer: Layer
    pairs: tuple[tuple[int, int], ...]
    strings: Strings
    bases: Strings
    depths: tuple[int, ...]
    items: tuple[Item, ...]


def study(
    layer: Layer,
    options: LearningOptions,
    target: Target,
    rng: Generator,
    *,
    coupling: Collection[tuple[int, int]] | None = None,
) -> Study:
    """The circuits that show the noise of a layer.

    Args:
        coupling: Pairs of qubits whose joint noise is looked for; None: those that the target couples.

    Raises:
        BadInput: There are fewer than two depths.
        LimitExceeded: The circuits have more angles than a job can hold.
        IncompatibleOptions: A gate is not a Clifford gate that is its own inverse, or the target can't
            rotate its qubits.
    """
    depths = tuple(sorted(set(options.pair_depths)))
    if len(depths) < 2:
        raise BadInput(
            f"layer_pair_depths has {len(depths)} different values; a decay needs at least 2.",
            solution="Give depths like [0, 1, 2, 4, 16, 32].",
        )
    square(layer)  # refuses layers that don't undo themselves, at depths where it makes no flips too
    pairs = neighbours(layer, target, coupling)
    bases = product_bases(len(layer.qubits), pairs)
    check_size(len(bases) * options.num_randomizations, 4 * len(layer.qubits) * (depths[-1] + 1))
    items = tuple(item(layer, bases, depth, target, options=options, rng=rng) for depth in depths)
    return Study(layer, pairs, local_strings(len(layer.qubits), pairs), bases, depths, items)


def check_size(num_elements: int, num_angles: int) -> None:
    """Refuse what does not fit into memory.

    Raises:
        LimitExceeded: There are more than `MOST_ANGLES` angles.
    """
    if num_elements * num_angles > MOST_ANGLES:
        raise LimitExceeded(
            f"Learning takes {num_elements} circuits of {num_angles} angles at one depth, more than "
            f"{MOST_ANGLES} together.",
            solution="Use fewer randomizations, smaller depths, or fewer qubits in a layer.",
        )


def item(
    layer: Layer,
    bases: Strings,
    depth: int,
    target: Target,
    *,
    options: LearningOptions,
    rng: Generator,
) -> Item:
    """All bases and randomizations of one depth.

    Paulis between layers are drawn independently, as the products of one twirl's end and the next one's
    beginning are; what they do to the measured bits is followed to the end.
    """
    num_qubits, num_layers, rotation = len(layer.qubits), 2 * depth, Rotation.of(target)
    shape = (len(bases), options.num_randomizations)

    def coins(*more: int) -> Bits:
        return rng.integers(0, 2, size=(*shape, *more, num_qubits), dtype=np.uint8).astype(bool)

    starts, flips = coins(), coins()
    twirls_x, twirls_z = coins(num_layers), coins(num_layers)
    x, z = bases.x[:, None], bases.z[:, None]
    parts = [prepared(x, z, starts, rotation)]
    frame_x, frame_z = np.zeros_like(starts), np.zeros_like(starts)
    for one in range(num_layers):
        drawn_x, drawn_z = twirls_x[..., one, :], twirls_z[..., one, :]
        parts.append(twirled(drawn_x, drawn_z, rotation))
        frame_x, frame_z = conjugate(layer, frame_x ^ drawn_x, frame_z ^ drawn_z)
    parts += [rotation.turns(x, flips=flips), np.broadcast_to(rotation.phases(x, z), flips.shape)]
    turned = starts ^ flips ^ (frame_x & z) ^ (frame_z & x)
    if depth % 2:
        square_x, square_z = square(layer)
        turned = turned ^ (square_x & x) ^ (square_z & z)
    circuit = template(layer, num_layers, target, checks=options.checks)
    values = np.concatenate(parts, axis=-1)
    return Item(circuit, values, options.shots_per_randomization, side={FLIPS: turned[..., None, :]})


def prepared(x: Bits, z: Bits, starts: Bits, rotation: Rotation) -> Floats:
    """Angles that prepare eigenstates of a basis: those of 1 where `starts`, else of 0."""
    along = ~x & z
    turns = np.where(along, np.where(starts, np.pi, 0.0), np.pi / 2)
    phases = np.where(along, 0.0, np.where(starts, np.pi, 0.0) + np.where(z, np.pi / 2, 0.0))
    if rotation.native:  # rz(phase + pi) sx rz(turn + pi) sx is U(turn, phase, 0)
        turns, phases = turns + np.pi, phases + np.pi
    return np.concatenate([turns, phases], axis=-1)


def twirled(x: Bits, z: Bits, rotation: Rotation) -> Floats:
    """Angles that apply Pauli strings."""
    if rotation.native:  # sx rz(pi) sx rz(phase) is rz(phase + pi), and sx rz(0) sx is X
        turns, phases = np.where(x, 0.0, np.pi), np.where(x ^ z, 0.0, np.pi)
        return np.concatenate([turns, phases], axis=-1)
    return np.concatenate([np.where(x, np.pi, 0.0), np.where(x ^ z, np.pi, 0.0)], axis=-1)


def template(layer: Layer, num_layers: int, target: Target, *, checks: Checks) -> QuantumCircuit:
    """Prepare, then twirl and run the layer as often as asked, then measure.

    Its parameters are in the order of the angles: for each slot of rotations all turns, then all phases.
    """
    num_qubits, rotation = len(layer.qubits), Rotation.of(target)
    circuit = QuantumCircuit(target.num_qubits or max(layer.qubits) + 1)
    register = ClassicalRegister(num_qubits, REGISTER)
    circuit.add_register(register)
    qubits = [circuit.qubits[qubit] for qubit in layer.qubits]
    angles = ParameterVector("a", 2 * num_qubits * (num_layers + 2))

    def slot(number: int) -> zip[tuple[Qubit, object, object]]:
        own = angles[2 * num_qubits * number : 2 * num_qubits * (number + 1)]
        return zip(qubits, own[:num_qubits], own[num_qubits:], strict=True)

    checks.begin(circuit, qubits, target)
    for qubit, turn, phase in slot(0):
        if rotation.native:
            circuit._append(SXGate(), [qubit], [])
            circuit._append(RZGate(turn), [qubit], [])
            circuit._append(SXGate(), [qubit], [])
            circuit._append(RZGate(phase), [qubit], [])
        else:
            circuit._append(GENERAL[rotation.name](turn, phase, 0.0), [qubit], [])
    for one in range(num_layers):
        for qubit, turn, phase in slot(one + 1):
            rotation.append(circuit, qubit, turn=turn, phase=phase)
        circuit.barrier(qubits)
        for gate in layer.gates:
            append(gate, circuit, gate.qubits)
        circuit.barrier(qubits)
    for qubit, turn, phase in slot(num_layers + 1):
        rotation.append(circuit, qubit, turn=turn, phase=phase)
    circuit.measure(qubits, register)
    checks.end(circuit, qubits, target)
    return circuit
