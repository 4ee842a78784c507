"""PEC: probabilistic error cancellation.

Behind each layer the inverse of its noise is put, which is no channel, but a difference of channels: its
Paulis are drawn at random, some executions count with a minus sign, and the mean is multiplied by gamma. That
is unbiased where the model is right, and costs gamma squared in shots.

Source: van den Berg, Minev, Kandala, Temme, Nature Physics 19, 1116 (2023), arXiv:2201.09866.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from coldplate.errors import LimitExceeded
from coldplate.mitigation.injected import Injected, Known

MOST_RANDOMIZATIONS = 10**6


@dataclass(frozen=True)
class PecOptions:
    """How much noise is cancelled, and at what price.

    Attributes:
        max_overhead: The most that randomizations are multiplied by; None: whatever it takes.
        noise_gain: How much of the noise is left: 0 none, 1 all; above 1 it grows. None: as little as
            `max_overhead` allows.
    """

    max_overhead: float | None = 100.0
    noise_gain: float | None = None


@dataclass(frozen=True)
class Cancellation:
    """How the noise of one circuit is cancelled.

    Attributes:
        injection: The Paulis behind layers.
        noise_gain: How much of the known noise is left.
        gamma: What means are multiplied by.
        scaling: What the number of randomizations is multiplied by.
    """

    injection: Injected
    noise_gain: float
    gamma: float
    scaling: float

    def randomizations(self, number: int) -> int:
        """How many are run instead of a number.

        Raises:
            LimitExceeded: More than a job can have.
        """
        needed = number * self.scaling
        if needed > MOST_RANDOMIZATIONS:
            raise LimitExceeded(
                f"PEC at the noise gain {self.noise_gain:.3g} needs {needed:.3g} randomizations of each "
                f"circuit, more than {MOST_RANDOMIZATIONS}.",
                solution="Set options.resilience.pec.max_overhead, or raise noise_gain.",
            )
        return math.ceil(needed - 1e-9)


def cancel(known: Known, options: PecOptions) -> Cancellation:
    """How the noise of a circuit is cancelled."""
    gain = noise_gain(known.log_gamma, options)
    log_gamma = max(0.0, 1 - gain) * known.log_gamma
    most = math.inf if options.max_overhead is None else max(1.0, options.max_overhead)
    scaling = math.exp(min(2 * log_gamma, math.log(most), 700.0))
    return Cancellation(Injected(known.models, gain - 1), gain, math.exp(min(log_gamma, 700.0)), scaling)


def noise_gain(log_gamma: float, options: PecOptions) -> float:
    """The gain that is given, or the least for which gamma squared is at most the overhead allowed.

    With the gain g the overhead is gamma to the power of ``2 (1 - g)``.
    """
    if options.noise_gain is not None:
        return options.noise_gain
    if options.max_overhead is None or log_gamma == 0:
        return 0.0
    return min(1.0, max(0.0, 1 - math.log(options.max_overhead) / (2 * log_gamma)))
