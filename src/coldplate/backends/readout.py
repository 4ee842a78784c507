"""How a device tells 0 from 1: points in the IQ plane, and bits that are misread.

Both come from the same two figures of a qubit, its probabilities to read 1 for 0 and 0 for 1. Points lie
in two Gaussian blobs on a line, 0 on its negative side; reading the sign of their place on the line
misreads exactly as often as the figures say.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Points = NDArray[np.complex128]

LEAST = 1e-6  # misreading that a perfect qubit's blobs still overlap by
SCALE = 1e6  # arbitrary units, of the size that devices return
GOLDEN = np.pi * (3 - np.sqrt(5))  # between the lines of neighbouring qubits


def misread(bits: Bits, errors: Floats, rng: Generator) -> None:
    """Flip bits as often as they are misread, in place.

    Args:
        bits: Shape ``(..., num_bits)``.
        errors: Probabilities to read 1 for 0 and 0 for 1, shape ``(num_bits, 2)``.
    """
    for bit in np.flatnonzero(errors.any(axis=1)):
        column = bits[..., bit]
        column ^= rng.random(column.shape) < np.where(column, errors[bit, 1], errors[bit, 0])


def points(bits: Bits, errors: Floats, rng: Generator) -> Points:
    """Points as a device measures them, without directions: the real part tells the bit by its sign.

    Args:
        bits: What the qubits were, shape ``(..., num_bits)``.
        errors: As for `misread`.
    """
    distances: Floats = ndtri(np.clip(errors, LEAST, 1 - LEAST))
    centres = np.where(bits, -distances[:, 1], distances[:, 0])
    found: Points = rng.standard_normal((*bits.shape, 2)).view(np.complex128)[..., 0]
    found += centres
    return found


def turned(found: Points, qubits: NDArray[np.intp]) -> Points:
    """Points in the plane of each qubit: its line has a direction of its own, in arbitrary units."""
    directions: Points = SCALE * np.exp(1j * GOLDEN * qubits)
    return found * directions
