"""What a pub showed at several noise factors -> values and errors at none.

Every string is extrapolated by itself, by the model that suits it. Errors are found from the spread of
groups of
shots: each group's means go through the gradients of the fits, so covariances of strings that are measured
together are in them, whatever models those have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coldplate.engine.broadcast import Block
from coldplate.engine.estimates import Damping, Shown, mean_variance, values
from coldplate.engine.measuring import Plan
from coldplate.engine.moments import string_means
from coldplate.mitigation import pea, trex
from coldplate.mitigation.trex import Readout
from coldplate.mitigation.zne import Fit, ZneOptions, choose, fit, missed

Floats = NDArray[np.float64]

GROUPS = 32  # of shots, whose spread tells the error of all shots as one ensemble
FEWEST = 4  # randomizations that tell an error


@dataclass(frozen=True)
class Extrapolated:
    """The result of a pub.

    Attributes:
        fields: By name, as clients read them.
        extrapolators: Which models each observable's value is made by, in the pub's shape, flat.
    """

    fields: dict[str, Floats]
    extrapolators: list[str]


def extrapolate(
    one: Plan, shown: Sequence[Shown], readout: Readout | None, options: ZneOptions, *, by_twirl: bool
) -> Extrapolated:
    """Values and errors without noise, at every factor, and by every model.

    Args:
        shown: One per noise factor.
        by_twirl: `stds` are errors of means over randomizations.

    Raises:
        ReadoutTooNoisy: Readout error leaves too little of every observable; of some: those are NaN.
    """
    damping = Damping.of(one, readout)
    raw = [values(one, each, damping, by_twirl=by_twirl) for each in shown]
    fields = {
        "evs_noise_factors": np.stack([each[0] for each in raw], axis=-1),
        "stds_noise_factors": np.sqrt(np.stack([each[1] for each in raw], axis=-1)),
        "ensemble_stds_noise_factors": np.sqrt(np.stack([each[2] for each in raw], axis=-1)),
    }
    wanted = (*one.pub.shape, len(options.extrapolators), len(options.points))
    names = {name: np.zeros(one.pub.shape) for name in ("evs", "stds", "ensemble_standard_error")}
    by_model = {name: np.zeros(wanted) for name in ("evs_extrapolated", "stds_extrapolated")}
    chosen = np.full(one.pub.shape, "", dtype=object)
    for block in one.blocks:
        done = Fitted.of(one, block, shown, damping, options, by_twirl=by_twirl)
        names["evs"].flat[block.cells] = done.sums(done.best)
        names["stds"].flat[block.cells] = done.error(done.best, by_twirl=True)
        names["ensemble_standard_error"].flat[block.cells] = done.error(done.best, by_twirl=False)
        for model, each in enumerate(done.models):
            for point in range(len(options.points)):
                at = done.at(each, point + 1)
                rows = (block.cells, model, point)
                by_model["evs_extrapolated"].reshape(-1, *wanted[-2:])[rows] = done.sums(at)
                by_model["stds_extrapolated"].reshape(-1, *wanted[-2:])[rows] = done.error(at, by_twirl=True)
        chosen.flat[block.cells] = done.names(options.extrapolators)
    if damping.readings is not None and names["evs"].size and np.isnan(names["evs"]).all():
        raise trex.too_noisy(damping.readings)
    return Extrapolated({**names, **fields, **by_model}, chosen.ravel().tolist())


@dataclass(frozen=True)
class AtPoint:
    """Strings at one noise factor.

    Attributes:
        values: Shape ``(params, strings)``.
        gradients: How they move with the data, with a last axis of factors.
        missed: How far off they may be for another reason, shape ``(params, strings)``; None: they are not.
    """

    values: Floats
    gradients: Floats
    missed: Floats | None = None


@dataclass(frozen=True)
class Fitted:
    """One block with its fits.

    Attributes:
        terms: The strings that its observables need; other attributes run over these.
        coefficients: Shape ``(sums, strings)``.
        groups: Means of groups with readout undone, shape ``(factors, params, groups, strings)``: those that
            tell errors over randomizations (True), and over all shots as one ensemble.
        paired: Whether the first are randomizations.
        unseen: Variances that randomizations don't show, shape ``(factors, params, strings)``.
        models: Per extrapolator its fit of all strings of all parameter sets, at 0 and then at every point.
        choice: Which model each string takes at 0, shape ``(params, strings)``.
        missed: How far off that value may be, same shape; see `zne.missed`.
        scale: What undid readout, by string; 1 where that can't be done.
        lost: The sums that have a string of which readout left too little, shape ``(sums,)``.
    """

    terms: NDArray[np.intp]
    constants: Floats
    coefficients: Floats
    groups: Mapping[bool, Floats]
    paired: bool
    unseen: Floats
    models: tuple[Fit, ...]
    choice: NDArray[np.intp]
    missed: Floats
    scale: Floats
    lost: NDArray[np.bool_]
    damping: Damping

    @classmethod
    def of(
        cls,
        one: Plan,
        block: Block,
        shown: Sequence[Shown],
        damping: Damping,
        options: ZneOptions,
        *,
        by_twirl: bool,
    ) -> Fitted:
        """Fits of everything that a block needs."""
        needed = one.terms.coefficients[block.observables]
        terms = np.unique(needed.indices).astype(np.intp)
        unread = np.isnan(damping.scale[terms])  # carried along as read, so that they cost no other string
        scale = np.where(unread, 1.0, damping.scale[terms])
        enough = by_twirl and shown[0].bits.shape[1] >= FEWEST
        twirls = np.stack([grouped(one, block, each, terms, mixed=False) * scale for each in shown])
        data = np.moveaxis(twirls.mean(axis=2), 0, -1)  # (params, strings, factors)
        shots = np.stack([grouped(one, block, each, terms, mixed=True) * scale for each in shown])
        groups = {True: twirls if enough else shots, False: shots}
        rows = data.reshape(-1, len(shown))
        errors = data_errors(data, scale, shown)
        factors = [each.variant.factor for each in shown]
        models = tuple(
            fit(name, factors, rows, errors, (0, *options.points)) for name in options.extrapolators
        )
        unseen = np.stack([each.unseen(data[..., factor]) for factor, each in enumerate(shown)])
        means = groups[True]
        variances = np.stack([group_variance(each, paired=enough) for each in means]) + unseen
        variances = np.moveaxis(variances, 0, -1).reshape(rows.shape)
        choice = choose(models, variances, 0)
        off = missed(models, choice, factors, rows, errors)
        constants = one.terms.constants[block.observables]
        wanted = needed[:, terms].toarray()
        choice, off = choice.reshape(data.shape[:2]), off.reshape(data.shape[:2])
        lost = (wanted != 0) @ unread
        return cls(
            terms, constants, wanted, groups, enough, unseen, models, choice, off, scale, lost, damping
        )

    def at(self, model: Fit, point: int) -> AtPoint:
        """One model for all strings, at one point."""
        shape = self.choice.shape
        return AtPoint(model.values[:, point].reshape(shape), model.gradients[:, point].reshape(*shape, -1))

    @property
    def best(self) -> AtPoint:
        """Every string by the model that it takes, without noise."""
        ways = [self.at(model, 0) for model in self.models]
        index = self.choice[None]
        found = np.take_along_axis(np.stack([way.values for way in ways]), index, axis=0)[0]
        gradients = np.stack([way.gradients for way in ways])
        return AtPoint(found, np.take_along_axis(gradients, index[..., None], axis=0)[0], self.missed)

    def sums(self, at: AtPoint) -> Floats:
        """Values of the sums, shape ``(params, sums)``; NaN where one can't be told."""
        found: Floats = np.where(self.lost, np.nan, self.constants + at.values @ self.coefficients.T)
        return found

    def error(self, at: AtPoint, *, by_twirl: bool) -> Floats:
        """Standard errors of the sums, shape ``(params, sums)``."""
        variance = np.zeros((len(at.values), len(self.coefficients)))
        for factor, means in enumerate(self.groups[by_twirl]):
            weighted = np.einsum("pgt,pt->pgt", means, at.gradients[..., factor])
            sums = np.moveaxis(weighted @ self.coefficients.T, -1, 0)  # (sums, params, groups)
            paired = by_twirl and self.paired
            variance += mean_variance(sums.reshape(len(sums), -1), sums.shape[1:], paired=paired)
            if by_twirl:
                variance += (at.gradients[..., factor] ** 2 * self.unseen[factor]) @ self.coefficients.T**2
        if at.missed is not None:  # all to the same side, so it does not average out
            variance += (at.missed @ self.coefficients.T) ** 2
        if self.damping.readings is not None:
            number = len(self.damping.scale)
            coefficients = np.zeros((len(self.coefficients), number))
            coefficients[:, self.terms] = self.coefficients * self.scale
            everywhere = np.zeros((len(at.values), number))
            everywhere[:, self.terms] = at.values
            variance += self.damping.variance(csr_array(coefficients), everywhere)
        told: Floats = np.where(self.lost, np.nan, np.sqrt(variance))
        return told

    def names(self, extrapolators: Sequence[str]) -> NDArray[np.object_]:
        """Which models each sum is made by, shape ``(params, sums)``; several: joined by a comma."""
        used = np.zeros((*self.choice.shape[:1], len(self.coefficients)), dtype=object)
        uses = np.abs(self.coefficients) > 0
        present = [
            (self.choice == model).astype(int) @ uses.T.astype(int) > 0 for model in range(len(extrapolators))
        ]
        codes = sum(one.astype(int) << model for model, one in enumerate(present))
        for code in np.unique(codes):
            word = ", ".join(name for model, name in enumerate(extrapolators) if code >> model & 1)
            used[codes == code] = word
        return used


def data_errors(data: Floats, scale: Floats, shown: Sequence[Shown]) -> Floats:
    """Errors by which fits weigh the data, shape ``(params * strings, factors)``.

    They are those of binomials, so that they don't depend on chance; a little widened, so that no string that
    never varied weighs without limit.

    Args:
        data: Means with readout undone, shape ``(params, strings, factors)``.
        scale: What undid it, by string.
    """
    number = shown[0].bits.shape[1] * shown[0].bits.shape[2]
    raw = data / scale[:, None]
    widened = (1 - (raw * number / (number + 2)) ** 2) / number
    errors: Floats = (np.sqrt(widened) * np.abs(scale)[:, None]).reshape(-1, len(shown))
    if all(each.variant.draws == 0 for each in shown):
        return errors
    factors = [each.variant.factor for each in shown]
    drawn = pea.drawn_variance(data.reshape(errors.shape), errors, factors, shown[0].bits.shape[1])
    found: Floats = np.sqrt(errors**2 + drawn)
    return found


def grouped(one: Plan, block: Block, shown: Shown, terms: NDArray[np.intp], *, mixed: bool) -> Floats:
    """Means of strings over groups of shots, shape ``(params, groups, strings)``.

    Args:
        mixed: Groups are shots of all randomizations at random, else randomizations.
    """
    masks = shown.masks(one)
    number = shown.bits.shape[1] * shown.bits.shape[2]
    groups = min(GROUPS, number) if mixed else shown.bits.shape[1]
    order = np.random.default_rng(number).permutation(number)[: number // groups * groups]
    found = np.zeros((len(block.params), groups, len(terms)))
    for basis, first in block.parts:
        here = np.isin(terms, one.bases.terms[basis])
        bits = shown.bits[first : first + len(block.params)]
        if mixed:
            bits = bits.reshape(len(bits), number, -1)[:, order].reshape(
                len(bits), groups, -1, bits.shape[-1]
            )
        found[..., here] = string_means(bits, masks[terms[here]]) * shown.variant.scale
    return found


def group_variance(groups: Floats, *, paired: bool) -> Floats:
    """Variances of the means of strings, shape ``(params, strings)``, from groups of shots."""
    flat = np.moveaxis(groups, -1, 0)
    return mean_variance(flat.reshape(len(flat), -1), flat.shape[1:], paired=paired)
