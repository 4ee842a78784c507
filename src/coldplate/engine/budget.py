"""Precision, shots, and shots as randomizations times shots per randomization."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coldplate.engine.options import Twirling
from coldplate.errors import BadInput, IncompatibleOptions

MIN_SHOTS_PER_RANDOMIZATION, AUTO_RANDOMIZATIONS = 64, 32


@dataclass(frozen=True)
class Budget:
    """How often one element is run.

    Attributes:
        shots: Shots asked for.
        num_randomizations: Randomizations; None without twirling.
        shots_per_run: Shots per randomization, or all shots without twirling.
    """

    shots: int
    num_randomizations: int | None
    shots_per_run: int

    @property
    def total(self) -> int:
        """Shots that are run; with twirling it may be more than was asked for."""
        return (self.num_randomizations or 1) * self.shots_per_run


def sampler_budget(shots: int | None, *, default_shots: int, twirling: Twirling) -> Budget:
    """The budget of a sampler pub: its own shots, else the product given for twirling, else the default.

    >>> sampler_budget(None, default_shots=1000, twirling=Twirling(measure=True))
    Budget(shots=1000, num_randomizations=16, shots_per_run=64)
    """
    return allot(shots or twirling.product or default_shots, twirling=twirling)


def estimator_budget(
    precision: float | None, *, default_shots: int | None, default_precision: float, twirling: Twirling
) -> Budget:
    """The budget of each basis of an estimator pub.

    The pub's own precision comes first, then the product given for twirling, default_shots and
    default_precision.

    Raises:
        BadInput: The precision is not a number above 0.
    """
    if precision is not None:
        return allot(shots_for(precision), twirling=twirling)
    return allot(twirling.product or default_shots or shots_for(default_precision), twirling=twirling)


def shots_for(precision: float) -> int:
    """Shots that give a standard error of `precision` or less on a Pauli: ceil(1 / precision^2).

    >>> shots_for(0.015625)
    4096

    Raises:
        BadInput: It is not a number above 0, or too small to count the shots.
    """
    if not 1e-9 <= precision < math.inf:
        raise BadInput(f"precision is {precision}; it must be a number from 1e-9 up.")
    # 0.01 ** -2 is 10000.000000000002, and one shot more is not what was asked for
    return max(1, math.ceil(precision**-2 * (1 - 1e-12)))


def allot(shots: int, *, twirling: Twirling) -> Budget:
    """Shots spread over randomizations, by the published rules for "auto".

    Raises:
        IncompatibleOptions: The randomizations and shots given for twirling are fewer than the shots needed.
    """
    if not twirling.on:
        return Budget(shots, None, shots)
    number, each = twirling.num_randomizations, twirling.shots_per_randomization
    if number is None and each is None:
        each = max(MIN_SHOTS_PER_RANDOMIZATION, math.ceil(shots / AUTO_RANDOMIZATIONS))
    if each is None:
        each = math.ceil(shots / (number or 1))
    if number is None:
        number = math.ceil(shots / each)
    if number * each < shots:
        raise IncompatibleOptions(
            f"twirling.num_randomizations x twirling.shots_per_randomization is {number * each}, "
            f"less than the {shots} shots needed.",
            solution="Raise one of the two, or leave it at auto.",
        )
    return Budget(shots, number, each)
