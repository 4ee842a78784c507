"""What the circuits of a study showed -> the noise of its layer, with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq

from coldplate.circuits.layers import Layer
from coldplate.circuits.parity import signs, to_words
from coldplate.circuits.program import Item, ItemOutcome, pack_bits
from coldplate.noise import decays
from coldplate.noise.action import conjugate
from coldplate.noise.learning import FLIPS, REGISTER, Study
from coldplate.noise.local import shown
from coldplate.noise.model import LayerNoise, Strings

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Readings:
    """What strings read, by randomization.

    Attributes:
        visible: Which strings each basis shows, shape ``(num_bases, num_strings)``.
        sums: Over the shots that were kept, for each basis: shape ``(num_visible, num_depths,
            num_randomizations)``.
        kept: Shots that were kept, shape ``(num_bases, num_depths, num_randomizations)``.
    """

    visible: Bits
    sums: tuple[Floats, ...]
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, one: Study, outcomes: Sequence[ItemOutcome], kept: Sequence[Bits] | None = None) -> Readings:
        """The readings in the outcomes of a study's items.

        Args:
            kept: For each item, which shots to keep, shape ``(num_bases, num_randomizations, shots)``;
                None: all of them.
        """
        visible = shown(one.strings, one.bases)
        bits = [unflipped(item, outcome) for item, outcome in zip(one.items, outcomes, strict=True)]
        chosen = [np.ones(found.shape[:-1], dtype=bool) for found in bits] if kept is None else kept
        sums = []
        for basis, strings in enumerate(visible):
            masks = to_words(pack_bits(one.strings.support[strings]))
            per_depth = []
            for found, keep in zip(bits, chosen, strict=True):
                words = to_words(found[basis].reshape(-1, found.shape[-1]))
                read = signs(words, masks) * keep[basis].ravel()
                shape = (len(masks), *found.shape[1:3])
                per_depth.append(read.reshape(shape).sum(axis=-1, dtype=np.float64))
            sums.append(np.stack(per_depth, axis=1))
        numbers = np.stack([keep.sum(axis=-1) for keep in chosen], axis=1)
        return cls(visible, tuple(sums), numbers)

    def means(self) -> tuple[Floats, Floats]:
        """Means over all bases that show a string, and their variances, ``(num_strings, num_depths)``.

        The variances are those of coins with one more head and tail than seen: never zero.
        """
        shape = (self.visible.shape[1], self.kept.shape[1])
        total, number = np.zeros(shape), np.zeros(shape)
        for basis, strings in enumerate(self.visible):
            total[strings] += self.sums[basis].sum(axis=-1)
            number[strings] += self.kept[basis].sum(axis=-1)
        means = total / number.clip(1)
        smooth = total / (number + 2)
        return means, (1 - smooth**2) / (number + 1)


def unflipped(item: Item, outcome: ItemOutcome) -> NDArray[np.uint8]:
    """Measured bits with the twirl undone, packed, shape ``(bases, randomizations, shots, bytes)``."""
    return outcome.bits[REGISTER] ^ pack_bits(item.side[FLIPS])


def learn(one: Study, readings: Readings) -> LayerNoise:
    """The model that explains the decays best, with rates that are not negative.

    A string and what the layer makes of it decay alike, so their generators are given the same rate where
    both are in the model: the symmetric choice among the models that can't be told apart.
    """
    from scipy.optimize import nnls  # only here: 15 MB, which every idle server would pay for

    means, variances = readings.means()
    found = decays.fit(np.array(one.depths, dtype=np.float64), means, variances)
    members = tied(one.layer, one.strings)
    design = design_matrix(one, members)
    weights = 2 / np.sqrt(found.variances)
    rates, _ = nnls(design * weights[:, None], -found.slopes / 2 * weights, maxiter=100 * design.shape[1])
    # the pseudo-inverse without bounds tells how rates move, also those that ended at zero
    inverse = lstsq(design * weights[:, None], np.diag(weights), lapack_driver="gelsy")[0]
    stds = np.sqrt(spread(readings, means, inverse=-inverse / 2, sensitivities=found.sensitivities))
    return LayerNoise(one.layer, one.strings, rates[members], stds[members])


def tied(layer: Layer, generators: Strings) -> NDArray[np.intp]:
    """For each generator the number of its class: those that the layer turns into each other share one."""
    moved = Strings(*conjugate(layer, generators.x, generators.z))
    own, other = (np.concatenate([found.x, found.z], axis=1) for found in (generators, moved))
    place = {row.tobytes(): index for index, row in enumerate(own)}
    first = [min(index, place.get(row.tobytes(), index)) for index, row in enumerate(other)]
    return np.unique(first, return_inverse=True)[1]


def design_matrix(one: Study, members: NDArray[np.intp]) -> Floats:
    """Minus half the logarithm of each string's pair fidelity is this times the rates of the classes."""
    moved = Strings(*conjugate(one.layer, one.strings.x, one.strings.z))
    both = one.strings.anticommute(one.strings).astype(np.float64) + moved.anticommute(one.strings)
    found = np.zeros((len(one.strings), int(members.max()) + 1))
    np.add.at(found.T, members, both.T)
    return found


def spread(readings: Readings, means: Floats, *, inverse: Floats, sensitivities: Floats) -> Floats:
    """Variances of the rates: from how randomizations differ, and never less than unseen errors may be.

    Args:
        inverse: How rates move with slopes, shape ``(num_rates, num_strings)``.
        sensitivities: How slopes move with means, shape ``(num_strings, num_depths)``.
    """
    _, smooth = readings.means()
    number = readings.visible.T.astype(np.int64) @ readings.kept.sum(axis=-1)
    number = number.clip(1)
    several = readings.kept.shape[-1] > 1
    unseen = smooth - (1 - means**2) / number if several else smooth
    variances = inverse**2 @ (sensitivities**2 * unseen.clip(0)).sum(axis=1)
    if not several:
        return np.asarray(variances)
    share = readings.kept.shape[-1] / (readings.kept.shape[-1] - 1)
    for basis, strings in enumerate(readings.visible):
        for depth in range(sensitivities.shape[1]):
            scale = sensitivities[strings, depth] / number[strings, depth]
            kept = readings.kept[basis, depth]
            off = readings.sums[basis][:, depth] - means[strings, depth, None] * kept
            variances += share * ((inverse[:, strings] * scale @ off) ** 2).sum(axis=-1)
    return np.asarray(variances)
