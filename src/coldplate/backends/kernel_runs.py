"""Components on the native kernel: trajectories of state vectors, or exact noisy states of few qubits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coldplate.backends.array_data import Arrays
from coldplate.backends.methods import KERNEL_TRANSFER_QUBITS, Choice
from coldplate.backends.table import Words
from coldplate.kernel import native

Floats = NDArray[np.float64]

# seconds of one thread, from `make bench-emulator`; only their ratios matter
AMPLITUDE_S, STRING_S = 1.3e-10, 6e-10  # of one operation on one amplitude, or one Pauli string
LANES, WIDE_QUBITS = 8, 12
TRAJECTORY = 128  # bytes of one amplitude of a batch
# From here on a batch leaves the cache, so states come one at a time; in single precision they are half as
# large, and amplitudes are wrong by some 1e-6, where even 10^10 shots would not tell.
LARGE_QUBITS, LARGE_NOISY_QUBITS = 14, 13
EXACT_GATE_QUBITS = 2  # of gates that exact noisy states know


@dataclass(frozen=True)
class How:
    """How the kernel runs a component.

    Attributes:
        exact: The noisy state itself instead of trajectories.
        wide: One state at a time, its lowest qubits in the processor's lanes, instead of a batch of states.
        single: Amplitudes in single precision.
        max_bytes: What states may take.
    """

    exact: bool = False
    wide: bool = False
    single: bool = False
    max_bytes: float = 1e18


class Job:
    """A component that is ready for the kernel.

    Args:
        part: The component.
        values: Of the circuit's parameters, shape ``(num_elements, num_parameters)``.
        shots: Per element.
        evaluated: Values of angles that are not linear in parameters.
    """

    def __init__(self, part: Arrays, values: Floats, *, shots: int, evaluated: Sequence[Floats] = ()):
        self.part, self.shots = part, shots
        self.program = part.program(evaluated=len(evaluated))
        self.table = part.table(values)
        if evaluated:
            self.table = np.column_stack([self.table, *evaluated])

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """The group of each element: those whose states before their last gates are equal."""
        return groups_of(self.table[:, self.program.body_columns])

    @property
    def num_groups(self) -> int:
        """How many groups there are."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def eventful(self) -> float:
        """Expected number of shots in which noise acts, or that are random by themselves."""
        quiet = 0.0 if self.program.dynamic else self.program.quiet
        return float(len(self.table) * self.shots * (1.0 - quiet))

    def trajectory_s(self, width: int) -> float:
        """What trajectories cost, seconds of one thread."""
        work: float = AMPLITUDE_S * self.program.num_operations * 2.0**width
        return work * (max(self.num_groups, LANES) + 0.7 * self.eventful)

    def exact_s(self, width: int) -> float:
        """What exact noisy states cost, seconds of one thread."""
        bodies: float = STRING_S * self.program.num_operations * 4.0**width * max(self.num_groups, 1)
        return bodies + STRING_S * (width + 4) * 4.0**width * len(self.table)


def threads() -> int:
    """Threads of this process."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or 1))


def plan(job: Job, choice: Choice, *, room: float, single: bool | None = None) -> tuple[How, Choice]:
    """How the kernel runs a job, by what it costs, and the choice with its reason.

    Args:
        room: Bytes that states may take.
        single: Whether to have amplitudes in single precision; None: in large states, which the speed of the
            memory limits.
    """
    width = len(job.part.qubits)
    how = How(max_bytes=room, single=bool(single))
    if choice.method == "pauli_transfer":
        return replace(how, exact=True), choice
    fits = (
        width <= KERNEL_TRANSFER_QUBITS and 16 * 4.0**width <= room and job.part.widest <= EXACT_GATE_QUBITS
    )
    if not choice.settled and job.part.static and fits and job.eventful:
        trajectories, exact = job.trajectory_s(width), job.exact_s(width)
        if exact < trajectories:
            return replace(how, exact=True), Choice("pauli_transfer", "costs less than trajectories")
        choice = replace(choice, reason="costs less than an exact noisy state")
    if width >= (LARGE_NOISY_QUBITS if job.eventful else LARGE_QUBITS):
        return replace(how, wide=True, single=single is not False), choice
    states = job.num_groups + job.eventful
    batch = 2.05 * TRAJECTORY * 2.0**width
    wide = width >= WIDE_QUBITS and (batch > room or states < LANES / 2)
    return replace(how, wide=wide), choice


def run(job: Job, how: How, rng: Generator) -> Words:
    """Shots of a job, all of an element one after the other."""
    number = len(job.table)
    found = job.program.run(
        job.table,
        np.arange(number),
        job.groups,
        np.full(number, job.shots),
        int(rng.integers(2**63)),
        threads(),
        how.single,
        how.wide,
        how.exact,
        how.max_bytes,
        native().Stop(),
    )
    return Words(found)


def groups_of(table: Floats) -> NDArray[np.int64]:
    """The group of each row: rows that are equal are one."""
    if len(table) < 2 or not table.shape[1]:
        return np.zeros(len(table), dtype=np.int64)
    rows = np.ascontiguousarray(table + 0.0)  # or -0 would differ from 0
    keys: Any = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, groups = np.unique(keys, return_inverse=True)
    return groups.astype(np.int64).ravel()
