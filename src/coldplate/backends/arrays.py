"""Components on the native kernel: trajectories of state vectors, or exact noisy states of few qubits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coldplate.backends.array_program import ArrayProgram
from coldplate.backends.noise import DeviceNoise
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.kernel import native

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]


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


def threads() -> int:
    """Threads of this process."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or 1))


def run(
    component: Component,
    angles: Angles,
    noise: DeviceNoise | None,
    how: How,
    *,
    shots: int,
    dt: float | None,
    misread: Floats,
    rng: Generator,
) -> Words:
    """Shots of a component, in machine words: bit k of the component is bit k of its shot.

    Args:
        misread: Probabilities to read 1 for 0, and 0 for 1, of each bit, shape ``(num_clbits, 2)``.

    Returns:
        Shape ``(num_elements * shots, num_words)``.

    Raises:
        Unsupported: The kernel can't run it.
    """
    writer = ArrayProgram(component, angles, noise, dt, misread)
    program, table = writer.program(), writer.table()
    number = len(table)
    return program.run(
        table,
        np.arange(number),
        groups_of(table[:, program.body_columns]),
        np.full(number, shots),
        int(rng.integers(2**63)),
        threads(),
        how.single,
        how.wide,
        how.exact,
        how.max_bytes,
        native().Stop(),
    )


def groups_of(table: Floats) -> NDArray[np.int64]:
    """The group of each row: rows that are equal are one."""
    if len(table) < 2 or not table.shape[1]:
        return np.zeros(len(table), dtype=np.int64)
    rows = np.ascontiguousarray(table + 0.0)  # or -0 would differ from 0
    keys: Any = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, groups = np.unique(keys, return_inverse=True)
    return groups.astype(np.int64).ravel()
