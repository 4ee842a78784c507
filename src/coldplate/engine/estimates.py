"""Bits of an estimator pub -> values and errors of its observables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coldplate.circuits.parity import Words, to_words
from coldplate.circuits.program import Item, ItemOutcome, pack_bits, unpack_bits
from coldplate.engine.broadcast import Block
from coldplate.engine.measuring import FLIPS, NEGATIVE, REGISTER, Plan
from coldplate.engine.moments import moments, string_means
from coldplate.engine.variants import Variant
from coldplate.mitigation import trex
from coldplate.mitigation.injected import unseen
from coldplate.mitigation.trex import Readout

Floats = NDArray[np.float64]
FEWEST_PAIRS = 8  # of randomizations whose spread tells an error
FEWEST = 4  # randomizations, the same


@dataclass(frozen=True)
class Shown:
    """What one variant of a pub showed.

    Attributes:
        bits: Measured bits with the twirl undone, shape ``(num_elements, num_randomizations, shots,
            num_bytes)``. Where executions count with a sign, it is one more bit: 1 for minus.
        signed: Whether there is that bit.
        num_bits: Bits of a shot, with it.
    """

    variant: Variant
    bits: NDArray[np.uint8]
    signed: bool
    num_bits: int
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, variant: Variant, item: Item, outcome: ItemOutcome, *, num_bits: int) -> Shown:
        """What an item's outcome shows."""
        bits = outcome.bits[REGISTER]
        if FLIPS in item.side:
            bits = bits ^ pack_bits(item.side[FLIPS])
        bits = bits.reshape(item.shape[0], -1, *bits.shape[-2:])
        signed = NEGATIVE in item.side
        if signed:
            sign = np.broadcast_to(item.side[NEGATIVE][..., None, None], (*bits.shape[:-1], 1))
            bits = pack_bits(np.concatenate([unpack_bits(bits, num_bits), sign], axis=-1))
        return cls(variant, bits, signed, num_bits + signed, outcome.metadata)

    def unseen(self, means: Floats) -> Floats:
        """Variances of means that the spread over randomizations does not show."""
        return unseen(means, self.variant.draws, self.bits.shape[1])

    def masks(self, one: Plan) -> Words:
        """Which bits each string reads: its own, and the sign."""
        support = one.terms.support
        if self.signed:
            support = np.concatenate([support, np.ones((len(support), 1), dtype=bool)], axis=1)
        return to_words(pack_bits(support))


@dataclass(frozen=True)
class Damping:
    """What readout does to the strings of a plan.

    Attributes:
        scale: What each string's mean is multiplied by, to undo it.
        readings: What each different support reads in every calibration shot; None: readout is not undone.
        support_of: The support of each string.
    """

    scale: Floats
    readings: NDArray[np.float32] | None
    support_of: NDArray[np.intp]

    @classmethod
    def of(cls, one: Plan, readout: Readout | None) -> Damping:
        """What a calibration says."""
        supports, support_of = np.unique(one.terms.support, axis=0, return_inverse=True)
        support_of = support_of.ravel()
        if readout is None:
            return cls(np.ones(len(one.terms.x)), None, support_of)
        readings = readout.signs(one.terms.qubits, supports)
        return cls(1 / trex.damping(readings)[support_of], readings, support_of)

    def variance(self, sums: csr_array, mitigated: Floats) -> Floats:
        """What the calibration's error adds to variances of sums, shape ``(params, sums)``.

        Args:
            sums: Coefficients, with the scale in them, shape ``(sums, strings)``.
            mitigated: Values of strings as they went into the sums, shape ``(params, strings)``.
        """
        if self.readings is None:
            return np.zeros((len(mitigated), sums.shape[0]))
        weights = derivatives(sums, mitigated, self.support_of, len(self.readings))
        return trex.damping_variance(self.readings, weights).reshape(len(mitigated), -1)


def estimate(
    one: Plan, shown: Sequence[Shown], readout: Readout | None, *, by_twirl: bool
) -> dict[str, Floats]:
    """The fields of a pub's result, each of the pub's shape.

    Args:
        by_twirl: `stds` is the error of the mean over randomizations; else both errors are of all shots as
            one ensemble.

    Raises:
        ReadoutTooNoisy: Readout error leaves too little of every observable; of some: those are NaN.
    """
    damping = Damping.of(one, readout)
    evs, spread, ensemble = values(one, shown[0], damping, by_twirl=by_twirl)
    if damping.readings is not None and evs.size and np.isnan(evs).all():
        raise trex.too_noisy(damping.readings)
    return {"evs": evs, "stds": np.sqrt(spread), "ensemble_standard_error": np.sqrt(ensemble)}


def values(one: Plan, shown: Shown, damping: Damping, *, by_twirl: bool) -> tuple[Floats, Floats, Floats]:
    """Values of a pub's observables under one variant, their variances by twirl, and by all shots."""
    evs, spread, ensemble = (np.zeros(one.pub.shape) for _ in range(3))
    for block in one.blocks:
        scale = damping.scale * shown.variant.scale
        sums = one.terms.coefficients[block.observables].multiply(scale).tocsr()
        means, by_shots, by_twirls = measure(one, block, shown, sums, by_twirl=by_twirl)
        evs.flat[block.cells] = one.terms.constants[block.observables] + (sums @ means.T).T
        added = damping.variance(sums, means * scale)
        ensemble.flat[block.cells] = by_shots + added
        spread.flat[block.cells] = by_twirls + added
        if by_twirl:
            spread.flat[block.cells] += shown.unseen(means) @ sums.multiply(sums).T
    return evs, spread, ensemble


def measure(
    one: Plan, block: Block, shown: Shown, sums: csr_array, *, by_twirl: bool
) -> tuple[Floats, Floats, Floats]:
    """Means of every string, shape ``(params, strings)``, and two variances of sums, ``(params, sums)``."""
    means = np.zeros((len(block.params), len(one.terms.x)))
    ensemble = np.zeros((len(block.params), sums.shape[0]))
    spread = np.zeros_like(ensemble)
    masks = shown.masks(one)
    for basis, first in block.parts:  # bases are run in shots of their own, so variances add
        terms = one.bases.terms[basis]
        bits = shown.bits[first : first + len(block.params)]
        together = bits.reshape(len(bits), -1, bits.shape[-1])
        coefficients = csr_array(sums[:, terms])
        means[:, terms], added = moments(
            together, shown.num_bits, masks=masks[terms], coefficients=coefficients
        )
        ensemble += added
        enough = by_twirl and bits.shape[1] >= FEWEST
        spread += twirl_variance(bits, masks[terms], coefficients) if enough else added
    return means, ensemble, spread


def twirl_variance(bits: NDArray[np.uint8], masks: Words, coefficients: csr_array) -> Floats:
    """Variances of the means of sums from their spread over randomizations, shape ``(params, sums)``.

    Args:
        bits: Shape ``(params, num_randomizations, shots, num_bytes)``.
    """
    means = string_means(bits, masks)
    return mean_variance(
        coefficients @ np.moveaxis(means, -1, 0).reshape(len(masks), -1), means.shape[:2], paired=True
    )


def mean_variance(flat: Floats, shape: tuple[int, ...], *, paired: bool) -> Floats:
    """Variance of the mean over randomizations.

    Readout is flipped in pairs of opposite randomizations, which are not independent, so pairs are what is
    compared where there are enough of them.

    Args:
        flat: Shape ``(sums, params * num_randomizations)``.
        shape: ``(params, num_randomizations)``.
        paired: They are such randomizations; else any groups of shots.

    Returns:
        Shape ``(params, sums)``.
    """
    found = flat.reshape(-1, *shape)
    number = shape[1]
    if paired and number // 2 >= FEWEST_PAIRS:
        half = number // 2
        opposite = found[..., number - half :]
        together = (found[..., :half] + opposite) / 2
        found = np.concatenate([together, found[..., half : number - half]], axis=-1)
    if found.shape[-1] < 2:
        return np.zeros(found.shape[:-1]).T
    variances: Floats = found.var(axis=-1, ddof=1) / found.shape[-1]
    return variances.T


def derivatives(
    sums: csr_array, mitigated: Floats, support_of: NDArray[np.intp], num_supports: int
) -> csr_array:
    """How each sum for each parameter set moves with each damping, shape ``(params * sums, supports)``."""
    entries = sums.tocoo()
    data = -entries.data * mitigated[:, entries.col]
    rows = np.arange(len(mitigated))[:, None] * sums.shape[0] + entries.row
    columns = np.broadcast_to(support_of[entries.col], rows.shape)
    shape = (len(mitigated) * sums.shape[0], num_supports)
    return csr_array((data.ravel(), (rows.ravel(), columns.ravel())), shape=shape)
