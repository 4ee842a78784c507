"""State vectors of ideal static components, all elements at once in NumPy.

Elements that differ only in how they are measured share a state: rotations at the end of a qubit are
taken off first, and applied to a copy. One that only flips the bit is not even applied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Qubit

from coldplate.backends.blocks import evolve, merged
from coldplate.backends.sampling import WORKSPACE, Bits, Floats, Groups, marginal, sample
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.circuits.matrices import PAULIS, unitary

Complex = NDArray[np.complex128]

DIGITS = 10  # to which two measured directions are the same
NOTHING = frozenset({"delay", "id"})  # on an ideal simulator


@dataclass(frozen=True)
class Peeled:
    """An ideal component, with its last rotations taken off.

    Attributes:
        prefix: What comes before.
        tails: The last gates of measured qubits.
        measured: Measured qubits; bit k is the k-th of them.
    """

    prefix: tuple[CircuitInstruction, ...]
    tails: tuple[CircuitInstruction, ...]
    measured: tuple[Qubit, ...]


def can_run(component: Component) -> bool:
    """Whether a component has gates and final measurements only; a reset may come first."""
    if not component.is_static:
        return False
    used: set[Qubit] = set()
    for instruction in component.parts[0]:
        if instruction.name == "reset" and instruction.qubits[0] in used:
            return False
        used.update(instruction.qubits)
    return True


def peel(component: Component) -> Peeled:
    """Take the last one-qubit gates off."""
    body, final = component.parts
    measured = tuple(instruction.qubits[0] for instruction in final)
    prefix: list[CircuitInstruction] = []
    tails: list[CircuitInstruction] = []
    before: set[Qubit] = set()
    for instruction in reversed(body):
        name, qubits = instruction.name, instruction.qubits
        if name in NOTHING or name == "reset":
            continue
        if len(qubits) == 1 and qubits[0] not in before:
            if qubits[0] in measured:
                tails.append(instruction)
            continue
        before.update(qubits)
        prefix.append(instruction)
    return Peeled(tuple(reversed(prefix)), tuple(reversed(tails)), measured)


def group(peeled: Peeled, angles: Angles) -> Groups:
    """Elements with the same state before they are measured, and the same directions measured up to sign."""
    table = [angles.used_by(peeled.prefix)]
    flips = np.zeros((len(angles.values), len(peeled.measured)), dtype=bool)
    for turned, (qubit,) in merged(peeled.tails, lambda one: unitary(one, angles)):
        if turned.ndim == 2:
            continue
        measured = directions(turned)
        nonzero = np.abs(measured) > 0.5 * 10**-DIGITS
        leading = np.take_along_axis(measured, nonzero.argmax(axis=1)[:, None], axis=1)
        flips[:, peeled.measured.index(qubit)] = leading[:, 0] < 0
        table.append(np.round(measured * np.sign(leading), DIGITS) + 0.0)
    return Groups.by(np.concatenate(table, axis=1), flips)


def directions(turned: Complex) -> Floats:
    """Where on the Bloch sphere each measurement looks, as (z, x, y); shape ``(num_elements, 3)``."""
    letters = PAULIS[[3, 1, 2]]
    found: Floats = np.einsum("eki,kl,elj,pji->ep", turned.conj(), PAULIS[3], turned, letters).real / 2
    return found


def distributions(component: Component, peeled: Peeled, angles: Angles) -> Floats:
    """Exact probabilities of every outcome, shape ``(num_elements, 2**num_measured)``."""
    axis_of = component.place_of
    prefixes = Groups.by(angles.used_by(peeled.prefix))
    shared = angles.at(prefixes.first)
    state = ground(len(component.wires), len(prefixes.first))
    evolve(state, peeled.prefix, lambda one: unitary(one, shared), axis_of=axis_of)
    if len(prefixes.first) != len(prefixes.of) or np.any(prefixes.of[1:] < prefixes.of[:-1]):
        state = state[..., prefixes.of]
    evolve(state, peeled.tails, lambda one: unitary(one, angles), axis_of=axis_of)
    weights = state.real**2 + state.imag**2
    return marginal(weights, [axis_of[qubit] for qubit in peeled.measured])


def ground(num_qubits: int, num_elements: int) -> Complex:
    """All qubits 0."""
    state = np.zeros((*[2] * num_qubits, num_elements), dtype=np.complex128)
    state[(0,) * num_qubits] = 1
    return state


def run(component: Component, angles: Angles, *, shots: int, rng: Generator) -> Bits:
    """Shots of a component that `can_run`, bits in the order of its `clbits`.

    Returns:
        Shape ``(num_elements, shots, num_clbits)``.
    """
    peeled = peel(component)
    bits = sample(
        group(peeled, angles),
        lambda elements: distributions(component, peeled, angles.at(elements)),
        num_bits=len(peeled.measured),
        shots=shots,
        chunk=WORKSPACE // (32 << len(component.wires)),
        rng=rng,
    )
    return in_order(component, bits)


def in_order(component: Component, bits: Bits) -> Bits:
    """Bits of final measurements put in the order of a component's bits."""
    _, final = component.parts
    order = [component.bits.index(instruction.clbits[0]) for instruction in final]
    if order == list(range(len(order))):
        return bits
    placed = np.empty_like(bits)
    placed[..., order] = bits
    return placed
