"""Backend: anything that can run a Program."""

from __future__ import annotations

from typing import Protocol

from numpy.random import Generator
from qiskit.transpiler import Target

from coldplate.circuits.program import Outcomes, Program


class Backend(Protocol):
    """A device, an emulated device or a simulator.

    Attributes:
        name: The name clients use.
        target: What circuits must conform to (instructions, coupling, durations, qubit properties).
        simulator: Whether it is an ideal simulator: it then takes any gate Qiskit can simulate.
    """

    @property
    def name(self) -> str: ...

    @property
    def simulator(self) -> bool: ...

    @property
    def target(self) -> Target: ...

    def usage_s(self, program: Program) -> float | None:
        """Quantum seconds that a program will be charged; None where only running it can tell."""

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """Run every item for every element, `shots` times; the same program and rng give the same outcomes.

        Raises:
            TooWide: A connected component is too large for every method, with the component named.
        """
