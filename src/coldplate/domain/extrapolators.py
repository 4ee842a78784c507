"""The names of extrapolators, and how many noise factors each needs."""

from __future__ import annotations

POLYNOMIAL = "polynomial_degree_"
HIGHEST_DEGREE = 7
NAMES = (
    "linear",
    "exponential",
    "double_exponential",
    *(f"{POLYNOMIAL}{degree}" for degree in range(1, HIGHEST_DEGREE + 1)),
    "fallback",
)


def least_factors(extrapolator: str) -> int:
    """How many different noise factors a model needs at least.

    >>> least_factors("polynomial_degree_3")
    4
    """
    if extrapolator.startswith(POLYNOMIAL):
        return int(extrapolator.removeprefix(POLYNOMIAL)) + 1
    return {"fallback": 1, "double_exponential": 4}.get(extrapolator, 2)
