"""Chains of single-qubit gates as three angles, and what Paulis on both sides do to those.

Every single-qubit unitary is ``rz(phi) ry(theta) rz(lam)`` up to a phase. Y moves past a rotation about Z by
turning it round, and is half a turn of `theta`; Z is half a turn of `phi` or `lam`. So one set of angles per
chain serves all its twirls, by additions and signs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction

from coldplate.circuits.angles import Angles
from coldplate.circuits.matrices import Complex, unitary

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALL = 1e-9  # of an amplitude whose phase says nothing


def chain_angles(chain: Sequence[CircuitInstruction], angles: Angles) -> Floats:
    """theta, phi, lam of gates in order, shape ``(3,)``, or ``(num_elements, 3)`` where they are free."""
    total: Complex = np.eye(2, dtype=np.complex128)
    for instruction in chain:
        total = unitary(instruction, angles) @ total
    return euler(total)


def euler(matrices: Complex) -> Floats:
    """theta, phi and lam of unitaries of shape ``(..., 2, 2)``, stacked on the last axis.

    Where theta is 0 or pi only the sum or difference of phi and lam is determined: lam is then 0, so that all
    angles of a Clifford gate are quarter turns.
    """
    u00, u01 = matrices[..., 0, 0], matrices[..., 0, 1]
    u10, u11 = matrices[..., 1, 0], matrices[..., 1, 1]
    theta = 2 * np.arctan2(np.abs(u10), np.abs(u00))
    even, odd = np.abs(u00) > SMALL, np.abs(u10) > SMALL
    # the phase of the whole, from whichever pair is not zero
    phase = np.where(even, (np.angle(u11) + np.angle(u00)) / 2, (np.angle(u10) + np.angle(-u01)) / 2)
    half_sum = np.where(even, np.angle(u11) - phase, np.angle(u10) - phase)
    half_difference = np.where(odd, np.angle(u10) - phase, half_sum)
    return np.stack([theta, half_sum + half_difference, half_sum - half_difference], axis=-1)


def dressed(base: Floats, *, left: tuple[Bools, Bools], right: tuple[Bools, Bools]) -> Floats:
    """Angles of ``P_left U P_right``, up to a phase.

    Args:
        base: theta, phi and lam of U, shape ``(..., 3)``.
        left, right: x and z bits of the Paulis, broadcast with ``base[..., 0]``.
    """
    theta, phi, lam = base[..., 0], base[..., 1], base[..., 2]
    (left_x, left_z), (right_x, right_z) = left, right
    shape = np.broadcast_shapes(theta.shape, left_x.shape, right_x.shape)
    found = np.empty((*shape, 3))
    found[..., 0] = theta + np.pi * (left_x ^ right_x)
    # X is Y times Z, so x bits add half a turn beside turning round
    found[..., 1] = np.where(left_x, -phi, phi) + np.pi * (left_z ^ left_x)
    found[..., 2] = np.where(right_x, -lam, lam) + np.pi * (right_z ^ right_x)
    return found
