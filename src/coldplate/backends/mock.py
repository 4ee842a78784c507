"""The mock twin of a backend: takes what the backend takes, runs nothing, and answers with random bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.transpiler import Target

from coldplate.backends.emulator import Emulator
from coldplate.circuits.program import Item, ItemOutcome, Outcomes, Program


@dataclass(frozen=True)
class Mock:
    """A backend for dry runs.

    Attributes:
        twin: What it stands for.
    """

    name: str
    twin: Emulator

    @property
    def target(self) -> Target:
        """The twin's."""
        return self.twin.target

    @property
    def simulator(self) -> bool:
        """Whether the twin is an ideal simulator."""
        return self.twin.simulator

    def usage_s(self, program: Program) -> float | None:
        """Nothing."""
        return 0.0

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """Random outcomes of the right shapes; nothing is charged."""
        return Outcomes(
            tuple(self._run(item, program, rng) for item in program.items),
            usage_s=0.0,
            made_up=True,
            metadata={"estimated_usage_s": self.twin.usage_s(program)},
        )

    def _run(self, item: Item, program: Program, rng: Generator) -> ItemOutcome:
        self.twin.check(item, program)
        _, longest = self.twin.execution_s(item, program)
        bits: dict[str, NDArray[np.uint8]] = {}
        iq: dict[str, NDArray[Any]] = {}
        for register in item.circuit.cregs:
            shape = (*item.shape, item.shots, len(register))
            if program.meas_level in ("classified", "both"):
                bits[register.name] = packed(shape, rng)
            if program.meas_level != "classified":
                plane = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
                average = program.meas_level == "avg_kerneled"
                iq[register.name] = plane.mean(axis=-2) if average else plane
        span = (program.clock_start, program.clock_start)
        return ItemOutcome(bits, iq, span, duration_s=longest, metadata={"method": "mock"})


def packed(shape: tuple[int, ...], rng: Generator) -> NDArray[np.uint8]:
    """Random bits, packed as `pack_bits` packs: drawn so, a job of a million shots takes no memory of a byte
    for each bit."""
    *outer, num_bits = shape
    found = rng.integers(0, 256, (*outer, -(-num_bits // 8)), dtype=np.uint8)
    if num_bits % 8:
        found[..., 0] &= (1 << num_bits % 8) - 1
    return found
