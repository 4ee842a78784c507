"""Exponential decays a exp(b d), fitted to many series at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 50
SETTLED = 1e-10  # change of a logarithm
STEEPEST = 12.0  # exponent between neighbouring depths; below, nothing is left to see
SMALLEST = 1e-3  # amplitude to begin with


@dataclass(frozen=True)
class Decays:
    """Fitted decays.

    Attributes:
        slopes: b of each series, shape ``(num_series,)``.
        sensitivities: How each slope moves with each value, shape ``(num_series, num_depths)``.
        variances: Of the slopes, from those given for the values.
    """

    slopes: Floats
    sensitivities: Floats
    variances: Floats


def fit(depths: Floats, values: Floats, variances: Floats) -> Decays:
    """Weighted least squares for ``a exp(b d)``, by damped Gauss-Newton steps in a and b.

    Args:
        depths: Shape ``(num_depths,)``, at least two different ones.
        values: Shape ``(num_series, num_depths)``.
        variances: Of the values, positive, same shape.
    """
    weights = 1 / variances
    a, b = first_guess(depths, values, weights)
    cost = residues(depths, values, weights, a, b)
    damping = np.full(len(values), 1e-3)
    for _ in range(STEPS):
        normal, slope, _ = system(depths, values, weights, a, b)
        for axis in (0, 1):
            normal[:, axis, axis] *= 1 + damping
        step = np.linalg.solve(normal, slope[..., None])[..., 0]
        tried_a, tried_b = a + step[:, 0], b + step[:, 1]
        tried_b = np.maximum(tried_b, steepest(depths))
        found = residues(depths, values, weights, tried_a, tried_b)
        better = found <= cost
        change = np.abs(np.where(better, tried_b - b, 0.0)) * depths.max()
        a, b, cost = np.where(better, tried_a, a), np.where(better, tried_b, b), np.minimum(found, cost)
        damping = np.where(better, damping / 10, damping * 10).clip(1e-12, 1e12)
        if change[better].max(initial=0.0) < SETTLED and damping[~better].min(initial=1.0) > 0.5:
            break
    normal, _, jacobian = system(depths, values, weights, a, b)
    solved = np.linalg.solve(normal, (jacobian * weights[..., None]).swapaxes(-1, -2))
    sensitivities: Floats = np.asarray(solved[:, 1], dtype=np.float64)
    return Decays(b, sensitivities, (sensitivities**2 * variances).sum(axis=1))


def first_guess(depths: Floats, values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """A straight line through the logarithms of what is well above nothing."""
    usable = values > np.maximum(2 / np.sqrt(weights), SMALLEST)
    own = np.where(usable, weights * values.clip(0) ** 2, 0.0)  # weights of the logarithms
    logs = np.log(np.where(usable, values, 1.0))
    total = own.sum(axis=1).clip(1e-300)
    mean_d, mean_y = (own * depths).sum(axis=1) / total, (own * logs).sum(axis=1) / total
    spread = (own * (depths - mean_d[:, None]) ** 2).sum(axis=1)
    joint = (own * (depths - mean_d[:, None]) * (logs - mean_y[:, None])).sum(axis=1)
    seen = usable.sum(axis=1) > 1
    slope = joint / np.where(seen, spread, 1.0).clip(1e-300)
    # where all is gone by the second depth, it is gone fast
    b = np.where(seen, slope, steepest(depths) / 6).clip(steepest(depths), 0.0)
    return np.exp((mean_y - b * mean_d).clip(np.log(SMALLEST), 0.0)), b


def steepest(depths: Floats) -> float:
    """The steepest slope that is looked for."""
    return -STEEPEST / float(np.diff(depths).min())


def residues(depths: Floats, values: Floats, weights: Floats, a: Floats, b: Floats) -> Floats:
    """Weighted sums of squares."""
    exponents = (b[:, None] * depths).clip(None, 1.0)
    return np.asarray((weights * (values - a[:, None] * np.exp(exponents)) ** 2).sum(axis=1))


def system(
    depths: Floats, values: Floats, weights: Floats, a: Floats, b: Floats
) -> tuple[Floats, Floats, Floats]:
    """Normal matrix, shape ``(num_series, 2, 2)``, right side, and Jacobian of the model."""
    powers = np.exp((b[:, None] * depths).clip(None, 1.0))
    jacobian = np.stack([powers, a[:, None] * depths * powers], axis=-1)
    weighted = jacobian * weights[..., None]
    normal = np.einsum("sdi,sdj->sij", weighted, jacobian)
    # a series without any signal has no slope; a ridge keeps its variance finite, but large
    normal[:, 1, 1] += 1e-12 * normal[:, 0, 0] + 1e-300
    slope = np.einsum("sdi,sd->si", weighted, values - a[:, None] * powers)
    return normal, slope, jacobian
