"""Where a job's randomness and its emulated clock begin."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.random import Generator, SeedSequence

FIXED_START = datetime(2025, 1, 1, tzinfo=UTC)  # a seeded job must not show when it ran


@dataclass(frozen=True)
class Origin:
    """The seed of a job, and the start of its emulated clock."""

    seed: int
    clock_start: datetime

    def generators(self) -> tuple[Generator, Generator]:
        """Independent generators for preparing (twirls) and for running, the same for the same seed."""
        prepare, run = SeedSequence(self.seed).spawn(2)
        return np.random.default_rng(prepare), np.random.default_rng(run)


def origin(*seeds: int | None, now: datetime) -> Origin:
    """The first seed that is given, or one drawn afresh; with a given one the clock starts at a fixed time.

    Args:
        now: Where the clock starts otherwise, UTC.
    """
    for seed in seeds:
        if seed is not None:
            return Origin(seed, FIXED_START)
    return Origin(secrets.randbits(52), now)  # exact in every client's numbers
