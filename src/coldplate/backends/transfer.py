"""Noisy static components of a few qubits, exactly: states as Pauli vectors, gates as transfer matrices.

A state of n qubits is 4**n real numbers, the values of all Pauli strings; gates, relaxation,
depolarization and resets are real matrices on them, and gates of one qubit that follow each other, noise
included, are one.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction

from coldplate.backends.blocks import evolve
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.sampling import WORKSPACE, Bits, Floats, Groups, marginal, sample
from coldplate.backends.statevector import in_order
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.circuits.matrices import PAULIS, unitary
from coldplate.circuits.timing import delay_seconds

RESET = np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 0]])


def to_transfer(unitary: NDArray[np.complex128]) -> Floats:
    """Pauli transfer matrices of unitaries: ``tr(P_i U P_j U^dagger) / d``.

    Args:
        unitary: Shape ``(..., d, d)``.
    """
    dim = unitary.shape[-1]
    strings = PAULIS
    while strings.shape[-1] < dim:
        strings = np.einsum("aij,bkl->abikjl", strings, PAULIS).reshape(
            -1, 2 * strings.shape[-1], 2 * strings.shape[-1]
        )
    turned = unitary[..., None, :, :] @ strings @ unitary.conj().swapaxes(-1, -2)[..., None, :, :]
    found: Floats = np.einsum("ikl,...jlk->...ij", strings, turned, optimize=True).real / dim
    found[np.abs(found) < 1e-15] = 0.0
    return found


def run(
    component: Component,
    angles: Angles,
    noise: DeviceNoise | None,
    *,
    shots: int,
    dt: float | None,
    rng: Generator,
) -> Bits:
    """Shots of a static component, bits in the order of its `clbits`.

    Args:
        noise: The device's; None: the component is ideal.
        dt: Unit of delays, seconds.

    Returns:
        Shape ``(num_elements, shots, num_clbits)``.
    """
    body, final = component.parts
    bits = sample(
        Groups.by(angles.used_by(one for one in body if one.name != "delay")),
        lambda elements: distributions(component, angles.at(elements), noise, dt=dt),
        num_bits=len(final),
        shots=shots,
        chunk=WORKSPACE // (24 << 2 * len(component.wires)),
        rng=rng,
    )
    return in_order(component, bits)


def distributions(
    component: Component, angles: Angles, noise: DeviceNoise | None, *, dt: float | None
) -> Floats:
    """Exact probabilities of every outcome, shape ``(num_elements, 2**num_measured)``."""
    body, final = component.parts
    axis_of = component.place_of

    def matrix_of(instruction: CircuitInstruction) -> Floats:
        name, qubits = instruction.name, tuple(component.qubit_of[wire] for wire in instruction.qubits)
        if name == "reset":
            return RESET
        if name == "delay":
            seconds = delay_seconds(instruction.operation, dt=dt) if noise else 0.0
            return noise.relaxation(qubits[0], seconds).transfer if noise else np.eye(4)
        transfer = to_transfer(unitary(instruction, angles))
        after = noise.gate(name, qubits) if noise else None
        return transfer if after is None else after.transfer @ transfer

    num_qubits = len(component.wires)
    state = np.zeros((*[4] * num_qubits, len(angles.values)))
    state[np.ix_(*[[0, 3]] * num_qubits, range(len(angles.values)))] = 1.0
    evolve(state, body, matrix_of, axis_of=axis_of)
    measured = [axis_of[instruction.qubits[0]] for instruction in final]
    letters = [[0, 3] if axis in measured else [0] for axis in range(num_qubits)]
    kept = state[np.ix_(*letters, range(len(angles.values)))]
    for axis in measured:
        identity, z = np.take(kept, [0], axis=axis), np.take(kept, [1], axis=axis)
        kept = np.concatenate([identity + z, identity - z], axis=axis) / 2
    return marginal(kept, measured)
