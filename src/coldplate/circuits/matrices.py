"""Matrices of gates, for all elements at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Gate, Operation

from coldplate.circuits.angles import Angles, is_free

Complex = NDArray[np.complex128]
Angle = Any  # float, or one per element

PAULIS: Complex = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def unitary(instruction: CircuitInstruction, angles: Angles) -> Complex:
    """The unitary of an instruction; see `matrix`."""
    known = None if instruction.is_parameterized() else instruction.matrix  # without making the gate
    return matrix(instruction.operation, angles) if known is None else known


def matrix(operation: Operation, angles: Angles) -> Complex:
    """The unitary of a gate, first qubit least significant.

    Returns:
        Shape ``(d, d)``, or ``(num_elements, d, d)`` where it depends on parameters.
    """
    params = operation.params
    if not any(is_free(value) for value in params):
        return np.asarray(operation.to_matrix(), dtype=np.complex128)
    values = [angles.of(value) for value in params]
    if operation.name in FORMULAS:
        return FORMULAS[operation.name](*values)
    return by_rows(operation, values)


def by_rows(operation: Gate, values: Sequence[Angle]) -> Complex:
    """Any gate's matrix, once per different set of angles."""
    table = np.stack(np.broadcast_arrays(*values), axis=-1)
    rows, inverse = np.unique(table, axis=0, return_inverse=True)
    found = []
    for row in rows.tolist():
        bound = operation.to_mutable() if hasattr(operation, "to_mutable") else operation.copy()
        bound.params = row
        found.append(bound.to_matrix())
    return np.array(found, dtype=np.complex128)[inverse.ravel()]


def rz(angle: Angle) -> Complex:
    """A rotation about Z."""
    return diagonal(-np.asarray(angle) / 2, np.asarray(angle) / 2)


def p(angle: Angle) -> Complex:
    """A phase of 1."""
    return diagonal(np.zeros_like(angle), angle)


def rzz(angle: Angle) -> Complex:
    """A rotation about ZZ."""
    half = np.asarray(angle) / 2
    return diagonal(-half, half, half, -half)


def cp(angle: Angle) -> Complex:
    """A phase of 11."""
    zero = np.zeros_like(angle)
    return diagonal(zero, zero, zero, angle)


def diagonal(*phases: Angle) -> Complex:
    """A diagonal matrix of phases."""
    angles = np.stack(np.broadcast_arrays(*phases), axis=-1)
    found = np.zeros((*angles.shape, len(phases)), dtype=np.complex128)
    np.einsum("...ii->...i", found)[...] = np.exp(1j * angles)
    return found


def turn(*axis: int) -> Callable[[Angle], Complex]:
    """Rotations about a Pauli string, its first letter on the gate's last qubit."""
    string: Complex = np.ones((1, 1), dtype=np.complex128)
    for letter in axis:
        string = np.kron(string, PAULIS[letter])

    def rotation(angle: Angle) -> Complex:
        half = np.asarray(angle)[..., None, None] / 2
        return np.cos(half) * np.eye(len(string)) - 1j * np.sin(half) * string

    return rotation


def u(theta: Angle, phi: Angle, lam: Angle) -> Complex:
    """Qiskit's u: ``rz(phi) ry(theta) rz(lam)`` up to a phase."""
    theta, phi, lam = np.broadcast_arrays(theta, phi, lam)
    found = np.empty((*theta.shape, 2, 2), dtype=np.complex128)
    found[..., 0, 0] = np.cos(theta / 2)
    found[..., 0, 1] = -np.exp(1j * lam) * np.sin(theta / 2)
    found[..., 1, 0] = np.exp(1j * phi) * np.sin(theta / 2)
    found[..., 1, 1] = np.exp(1j * (phi + lam)) * np.cos(theta / 2)
    return found


FORMULAS: dict[str, Callable[..., Complex]] = {
    "rz": rz,
    "p": p,
    "u1": p,
    "rx": turn(1),
    "ry": turn(2),
    "rzz": rzz,
    "rxx": turn(1, 1),
    "ryy": turn(2, 2),
    "cp": cp,
    "u": u,
    "u3": u,
}
