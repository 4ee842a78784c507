"""Noise of known models put beside layers: more of it (PEA), or its inverse (PEC)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coldplate.circuits.layers import Layer
from coldplate.mitigation.twirl import Paulis
from coldplate.noise.model import LayerNoise

Floats = NDArray[np.float64]

X_BIT, Z_BIT = 2, 1  # of Qiskit's dense Pauli letters


@dataclass(frozen=True)
class Injected:
    """Paulis drawn from the models of layers, scaled; an `Injection`.

    A negative scale draws from the inverse of the noise as a quasi-probability: the Paulis are those of the
    noise, and each that is drawn turns the sign of its execution.

    Attributes:
        models: What is known; nothing is put beside other layers.
        scale: What the rates are multiplied by.
    """

    models: Mapping[Layer, LayerNoise]
    scale: float

    def draw(self, layer: Layer, _use: int, *, shape: tuple[int, ...], rng: Generator) -> Paulis | None:
        """See `Injection.draw`."""
        model = self.models.get(layer)
        if model is None or self.scale == 0 or not model.rates.any():
            return None
        negative, drawn = model.channel.parity_sample(
            prod(shape), seed=int(rng.integers(2**63)), scale=self.scale
        )
        letters = drawn.to_dense_array().reshape(*shape, len(layer.qubits))
        signs = np.asarray(negative).reshape(shape) if self.scale < 0 else None
        return Paulis(x=letters & X_BIT != 0, z=letters & Z_BIT != 0, negative=signs)


@dataclass(frozen=True)
class Known:
    """What is known of the noise of one circuit's layers.

    Attributes:
        uses: The models of its layers, one per use that has one.
    """

    uses: tuple[LayerNoise, ...] = ()

    @classmethod
    def of(cls, layers: Iterable[Layer], models: Mapping[Layer, LayerNoise]) -> Known:
        """What models tell of a circuit's layers."""
        return cls(tuple(models[layer] for layer in layers if layer in models))

    @property
    def models(self) -> Mapping[Layer, LayerNoise]:
        """Each model once, in the order of first use."""
        return {model.layer: model for model in self.uses}

    @property
    def log_gamma(self) -> float:
        """Logarithm of the one-norm of the inverse of all the noise that is known."""
        return sum(model.log_gamma for model in self.uses)

    def draws(self, scale: float) -> float:
        """How many Paulis an execution draws on average, at most, when rates are multiplied by a number."""
        return abs(scale) * self.log_gamma / 2

    def metadata(self) -> dict[str, float | int | str | list[float | str]]:
        """As the service writes it: the overhead is gamma squared, in all and for each unique layer."""
        return {
            "noise_overhead": overhead(self.log_gamma),
            "total_mitigated_layers": len(self.uses),
            "unique_mitigated_layers": len(self.models),
            "unique_mitigated_layers_noise_overhead": [
                overhead(one.log_gamma) for one in self.models.values()
            ],
        }


def unseen(means: Floats, draws: float, num_randomizations: int) -> Floats:
    """Variances of means for what too few randomizations may not have drawn.

    One Pauli that is drawn turns the sign of a string in all shots of a randomization. Where that happens in
    few of them or in none, their spread tells next to nothing of what it adds; so one more is counted that
    has the other sign, as in the rule of succession. It is nothing beside the spread of many.

    Args:
        means: Of strings, with any scale.
        draws: Paulis that an execution draws on average.
    """
    turned: Floats = 2 * means / num_randomizations
    return turned**2 * min(1.0, draws * num_randomizations)


def overhead(log_gamma: float) -> float | str:
    """Gamma squared; a word where it is more than a number can say."""
    with np.errstate(over="ignore"):
        found = float(np.exp(2 * log_gamma))
    return found if np.isfinite(found) else "infinity"
