"""What a job's program ran at its backend, whichever program it is: for estimates and the job's metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from numpy.random import Generator

from coldplate.circuits.program import Outcomes, Program
from coldplate.workers.around import Around


@dataclass
class Tally(Around):
    """A backend that counts what is run on it."""

    circuits: int = field(init=False, default=0)
    executions: int = field(init=False, default=0)
    made_up: bool = field(init=False, default=False)
    estimated_s: float | None = field(init=False, default=0.0)  # quantum seconds of a dry run; None: unknown

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """See `Backend.run`."""
        outcomes = self.device.run(program, rng)
        self.circuits += sum(prod(item.shape) for item in program.items)
        self.executions += sum(item.executions for item in program.items)
        if outcomes.made_up:
            self.made_up = True
            seconds, before = outcomes.metadata.get("estimated_usage_s"), self.estimated_s
            self.estimated_s = None if seconds is None or before is None else before + seconds
        return outcomes

    def told(self) -> dict[str, Any]:
        """Circuits, executions, and what a dry run expects to be charged: for the job's metrics."""
        counts = {"circuits": self.circuits, "total_executions": self.executions}
        return {**counts, "estimated_usage_s": self.estimated_s} if self.made_up else counts
