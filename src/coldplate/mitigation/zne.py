"""Zero-noise extrapolation: circuits run with more than their own noise, and fits that go back to none.

Folding repeats a two-qubit gate with its inverse, G -> G G^-1 G, which multiplies its noise. What is
measured at several noise factors is then fitted, string by string, with the errors of the measurements as
absolute ones, so that the error of the extrapolated value is what their propagation says.

Sources: Temme, Bravyi, Gambetta, PRL 119, 180509 (2017), arXiv:1612.02058; Giurgica-Tiron et al.,
arXiv:2005.10921 (folding); Kim et al., Nature 618, 500 (2023) (amplified layer noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from coldplate.domain.extrapolators import least_factors
from coldplate.mitigation.folding import fold_globally, inverse, is_folded

Floats = NDArray[np.float64]

Amplifier = Literal[
    "gate_folding",
    "gate_folding_front",
    "gate_folding_back",
    "pea",
    "cx_folding",
    "local_folding",
    "global_folding",  # of V1 alone
]
THRESHOLD = 1.0  # the largest error of a mean that counts as a success, and the slack of its range
STEPS = 60  # of a nonlinear fit
SEEN = 4.0  # standard errors by which a signal stands out
GROWTH = 2.0  # of an exponential from no noise to the largest factor, that statistics may feign
FARTHEST = 50.0  # exponent of a fit
SMALL, TINY = 1e-12, 1e-300  # what keeps equations solvable


@dataclass(frozen=True)
class ZneOptions:
    """How noise is amplified and extrapolated.

    Attributes:
        extrapolators: Names of models, the preferred first.
        points: Noise factors at which every model is reported.
    """

    amplifier: Amplifier = "gate_folding"
    noise_factors: tuple[float, ...] = (1, 3, 5)
    extrapolators: tuple[str, ...] = ("exponential", "linear")
    points: tuple[float, ...] = (0, 1, 3, 5)


def fold(
    circuit: QuantumCircuit, factor: float, *, amplifier: Amplifier, native: bool, rng: Generator
) -> tuple[QuantumCircuit, float]:
    """A circuit whose two-qubit gates are folded, and the noise factor that was reached.

    Each gate is folded equally often, and one time more those that are needed to come close to the factor:
    chosen at random, or from the front or the back. A circuit without two-qubit gates is left alone, and
    counts as having reached the factor: its noise is none.

    Args:
        native: Gates must stay those of a device.

    Raises:
        IncompatibleOptions: A gate's inverse is not a gate of the device.
    """
    if amplifier == "global_folding":
        return fold_globally(circuit, factor, native=native)
    places = [place for place, one in enumerate(circuit.data) if is_folded(one, amplifier)]
    if not places:
        return circuit, factor
    folds = round((factor - 1) / 2 * len(places))
    each = floor(folds / len(places))
    number = folds - each * len(places)
    if amplifier == "gate_folding_front":
        chosen = places[:number]
    elif amplifier == "gate_folding_back":
        chosen = places[len(places) - number :]
    else:
        chosen = rng.choice(places, number, replace=False).tolist()
    more = set(chosen)
    folded = circuit.copy_empty_like()
    entanglers = set(places)
    for place, one in enumerate(circuit.data):
        folded._append(one)
        if place in entanglers:
            for _ in range(each + (place in more)):
                for back in inverse(one, native=native):
                    folded._append(back)
                folded._append(one)
    return folded, 1 + 2 * folds / len(places)


@dataclass(frozen=True)
class Fit:
    """A model fitted to many strings.

    Attributes:
        values: At each point, shape ``(num_strings, num_points)``; NaN where there is no fit.
        gradients: How they move with the data, shape ``(num_strings, num_points, num_factors)``.
        sensible: Whether a string's fit is what noise can do, shape ``(num_strings,)``; None: all are.
            See `curve` for exponentials, which may not be.
        steep: Whether a string falls too steeply for its value at the first point to be told; None: none.
    """

    values: Floats
    gradients: Floats
    sensible: NDArray[np.bool_] | None = None
    steep: NDArray[np.bool_] | None = None

    def errors(self, variances: Floats) -> Floats:
        """Standard errors of the values, from variances of the data, shape ``(num_strings, num_factors)``."""
        found: Floats = np.sqrt(np.einsum("npk,nk->np", self.gradients**2, variances))
        return found


def fit(
    extrapolator: str, factors: Sequence[float], data: Floats, errors: Floats, points: Sequence[float]
) -> Fit:
    """A model fitted to strings by least squares with known errors.

    Args:
        factors: Noise factors of the data.
        data: Shape ``(num_strings, num_factors)``.
        errors: Standard errors, same shape, above 0.
        points: Noise factors to evaluate at.
    """
    x, at = np.asarray(factors, dtype=np.float64), np.asarray(points, dtype=np.float64)
    if len(np.unique(x)) < least_factors(extrapolator):
        return Fit(np.full((len(data), len(at)), np.nan), np.zeros((len(data), len(at), len(x))))
    if extrapolator == "fallback":
        gradients = np.zeros((len(data), len(at), len(x)))
        gradients[..., np.argmin(x)] = 1
        return Fit(np.repeat(data[:, np.argmin(x), None], len(at), axis=1), gradients)
    unit = x.max()
    if extrapolator in EXPONENTIALS:
        return curve(extrapolator, x / unit, data, errors, at / unit)
    return polynomial(least_factors(extrapolator) - 1, x / unit, data, errors, at / unit)


def polynomial(degree: int, x: Floats, data: Floats, errors: Floats, at: Floats) -> Fit:
    """A polynomial fitted to every string."""
    rows = np.vander(x, degree + 1)
    gradients = np.vander(at, degree + 1) @ slopes(np.broadcast_to(rows, (len(data), *rows.shape)), errors)
    return Fit(np.einsum("npk,nk->np", gradients, data), gradients)


def slopes(jacobian: Floats, errors: Floats) -> Floats:
    """How least-squares parameters move with the data, shape ``(num_strings, num_parameters, num_factors)``.

    Args:
        jacobian: Shape ``(num_strings, num_factors, num_parameters)``.
    """
    scaled = jacobian / errors[..., None]
    if jacobian.shape[-1] <= 2:  # quicker, and exact enough
        square = normal(scaled, np.full(len(scaled), SMALL))
        back: Floats = np.asarray(np.linalg.solve(square, np.moveaxis(scaled, -1, -2)), dtype=np.float64)
    else:
        back = np.asarray(np.linalg.pinv(scaled, rcond=1e-10), dtype=np.float64)
    return back / errors[:, None, :]


def sum_of_exponentials(parameters: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Sums of ``a exp(b x)``, and their derivatives by every a and b.

    Args:
        parameters: a, b, a, b ..., shape ``(num_strings, num_parameters)``.
    """
    heights, rates = parameters[:, None, 0::2], parameters[:, None, 1::2]
    powers = np.exp(np.clip(rates * x[:, None], -FARTHEST, FARTHEST))
    jacobian = np.empty((len(parameters), len(x), parameters.shape[1]))
    jacobian[..., 0::2] = powers
    jacobian[..., 1::2] = heights * powers * x[:, None]
    return (heights * powers).sum(axis=-1), jacobian


def start_one(x: Floats, data: Floats, errors: Floats) -> Floats:
    """Where the fit of an exponential begins: a line through logarithms."""
    sign = np.sign(np.einsum("nk,nk->n", data, 1 / errors**2))
    sign[sign == 0] = 1
    heights = np.maximum(data * sign[:, None], errors / 2)
    rows = np.broadcast_to(np.vander(x, 2), (len(data), len(x), 2))
    line = np.einsum("npk,nk->np", slopes(rows, errors / heights), np.log(heights))
    return np.stack([sign * np.exp(np.clip(line[:, 1], -FARTHEST, 5)), line[:, 0]], axis=-1)


def start_two(x: Floats, data: Floats, errors: Floats) -> Floats:
    """Where the fit of two exponentials begins: one that fits, split into a slow and a fast half."""
    one = descend(x, data, errors, start_one(x, data, errors))
    rate = np.where(np.abs(one[:, 1]) < 0.1, -0.1, one[:, 1])
    rate = np.where(np.isfinite(rate), rate, -1.0)
    heights = np.where(np.isfinite(one[:, 0]), one[:, 0], data[:, 0])
    return np.stack([heights / 2, rate / 2, heights / 2, rate * 2], axis=-1)


EXPONENTIALS = {"exponential": start_one, "double_exponential": start_two}


def curve(extrapolator: str, x: Floats, data: Floats, errors: Floats, at: Floats) -> Fit:
    """A sum of exponentials fitted to every string at once.

    Where next to nothing is left of a signal the fit follows chance, in one of two ways. It grows with the
    noise, with a value and an error of almost 0 without noise: then a line is taken, which an exponential is
    to first order. Or it falls so steeply that without noise it could be anything, 1e16 as well: then what
    is known of any Pauli string is all that can be said, that its value is from -1 to 1. Neither counts as
    sensible.
    """
    found = descend(x, data, errors, EXPONENTIALS[extrapolator](x, data, errors))
    lost = ~np.isfinite(found).all(axis=1)
    found[lost] = 0.0
    _, jacobian = sum_of_exponentials(found, x)
    values, moves = sum_of_exponentials(found, at)
    gradients = moves @ slopes(jacobian, errors)
    ends, _ = sum_of_exponentials(found, np.array([0.0, x.max()]))
    astray = lost | (np.abs(ends[:, 1]) > GROWTH * np.abs(ends[:, 0]))
    line = polynomial(1, x, data, errors, at)
    values[astray], gradients[astray] = line.values[astray], line.gradients[astray]
    told, plain = (np.sqrt(np.einsum("npk,nk->np", way**2, errors**2)) for way in (gradients, line.gradients))
    wild = (told > THRESHOLD) | (np.abs(values) + told > 1 + THRESHOLD)
    wanted = np.where(np.abs(values) > 1 + THRESHOLD, 1.0, told.clip(0, 1))  # the steepest tell no error
    gradients[wild] = (line.gradients * (wanted / plain)[..., None])[wild]
    values[wild] = values[wild].clip(-1, 1)
    return Fit(values, gradients, ~(astray | wild.any(axis=1)), wild[:, 0] & ~astray)


def descend(x: Floats, data: Floats, errors: Floats, start: Floats) -> Floats:
    """Parameters of least squares by Levenberg and Marquardt's method, for all strings at once."""
    found, damp, left = start.copy(), np.full(len(start), 1e-3), np.arange(len(start))
    for _ in range(STEPS):
        now, wanted, sigma = found[left], data[left], errors[left]
        values, jacobian = sum_of_exponentials(now, x)
        missing, scaled = (wanted - values) / sigma, jacobian / sigma[..., None]
        square = normal(scaled, damp[left])
        step = np.linalg.solve(square, np.einsum("nkp,nk->np", scaled, missing)[..., None])[..., 0]
        tried = now + step
        cost = (missing**2).sum(axis=1)
        gain = cost - (((wanted - sum_of_exponentials(tried, x)[0]) / sigma) ** 2).sum(axis=1)
        better = gain >= 0
        found[left[better]] = tried[better]
        damp[left] = np.where(better, damp[left] / 5, damp[left] * 4).clip(1e-12, 1e12)
        done = (better & (gain <= 1e-10 * (cost + 1e-10))) | (damp[left] >= 1e10)
        left = left[~done]
        if not len(left):
            break
    return found


def normal(scaled: Floats, damp: Floats) -> Floats:
    """Matrices of the normal equations, damped so that they can be solved."""
    square: Floats = np.einsum("nkp,nkq->npq", scaled, scaled)
    diagonal = np.einsum("npp->np", square)
    diagonal += damp[:, None] * np.maximum(diagonal, SMALL * diagonal.max(axis=1, keepdims=True)) + TINY
    return square


def choose(fits: Sequence[Fit], variances: Floats, point: int) -> NDArray[np.intp]:
    """Which fit each string takes at one point: the first that succeeds, else the one with the smallest
    error.

    A fit succeeds when its value and error are finite, the error is at most 1, and value and error stay
    within [-2, 2]: the range of a Pauli string, widened by 1; and when it is sensible.

    Args:
        fits: In order of preference.
        variances: Of the data, shape ``(num_strings, num_factors)``.
    """
    values = np.stack([one.values[:, point] for one in fits])
    errors = np.stack([one.errors(variances)[:, point] for one in fits])
    finite = np.isfinite(values) & np.isfinite(errors)
    with np.errstate(invalid="ignore"):
        good = finite & (errors <= THRESHOLD) & (np.abs(values) + errors <= 1 + THRESHOLD)
    for row, one in zip(good, fits, strict=True):
        if one.sensible is not None:
            row &= one.sensible
    smallest = np.argmin(np.where(finite, errors, np.inf), axis=0)
    chosen: NDArray[np.intp] = np.where(good.any(axis=0), np.argmax(good, axis=0), smallest)
    return chosen


def missed(
    fits: Sequence[Fit], chosen: NDArray[np.intp], factors: Sequence[float], data: Floats, errors: Floats
) -> Floats:
    """How far off the values at the first point may be where another model stands in for a steep decay.

    A signal that is there at the smallest factor and gone at the next decays, so a line through it is too
    low, and its error, which is that of a line, is far too small: the value is anywhere from the line's to
    the largest that a Pauli string can have. What is given is the root mean square distance to there, with
    its sign.

    Args:
        chosen: Which fit each string takes.
        data, errors: As for `fit`.

    Returns:
        Shape ``(num_strings,)``; 0 where nothing points to a decay.
    """
    first = int(np.argmin(factors))
    seen = np.abs(data[:, first]) > SEEN * errors[:, first]
    replaced = np.zeros(len(data), dtype=bool)
    for place, one in enumerate(fits):
        if one.steep is not None:
            replaced |= one.steep & (chosen > place)
    values = np.stack([one.values[:, 0] for one in fits])[chosen, np.arange(len(data))].clip(-1, 1)
    found: Floats = np.where(seen & replaced, np.sign(data[:, first]) - values, 0.0) / np.sqrt(3)
    return found
