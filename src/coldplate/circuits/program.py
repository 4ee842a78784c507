"""The waist: every request becomes a Program, every backend only runs a Program.

A Program is items; an item is one ISA template circuit with an array of parameter sets, given
directly or drawn from a samplex. What comes back has the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

MeasLevel = Literal["classified", "kerneled", "avg_kerneled", "both"]


@dataclass(frozen=True)
class Item:
    """One template circuit, executed `shots` times for each element of `shape`.

    Attributes:
        circuit: ISA circuit; parameters in the order of ``circuit.parameters``.
        values: Parameter values, shape ``(*shape, num_parameters)``. A circuit without parameters has a
            last axis of length 0.
        shots: Shots per element.
        side: Arrays that belong to the elements but not to the circuit, by name: what a samplex drew
            beside the angles (``measurement_flips.<creg>``, ``pauli_signs``). Passed through unchanged.
        content: A name of the circuit's contents (see `circuits.content`); None where none is known.
    """

    circuit: QuantumCircuit
    values: NDArray[np.float64]
    shots: int
    side: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of executions."""
        return self.values.shape[:-1]

    @property
    def flat_values(self) -> NDArray[np.float64]:
        """Parameter values of all elements, shape ``(num_elements, num_parameters)``."""
        return self.values.reshape(prod(self.shape), self.values.shape[-1])

    @property
    def executions(self) -> int:
        """Shots over all elements."""
        return prod(self.shape) * self.shots


@dataclass(frozen=True)
class Program:
    """What a backend runs: items in order, and how to run and read the qubits.

    Attributes:
        noise: A noise model of the user's that replaces the backend's own (``simulator.noise_model``),
            as decoded by ``wire``; None keeps the backend's.
        rep_delay_s: Pause between shots, seconds; None: the backend's default.
        method: Simulation method to force; None: the backend chooses.
        single: Amplitudes in single precision on the native kernel; None: where that is better.
        clock_start: Where the emulated clock stands when the first item begins, UTC.
        started: It goes on with a job that has begun; what a job costs to start is not charged again.
    """

    items: tuple[Item, ...]
    clock_start: datetime
    meas_level: MeasLevel = "classified"
    init_qubits: bool = True
    rep_delay_s: float | None = None
    noise: Any | None = None
    method: str | None = None
    single: bool | None = None
    started: bool = False


@dataclass(frozen=True)
class ItemOutcome:
    """What one item gave.

    Attributes:
        bits: Per classical register, packed as `qiskit.primitives.BitArray` packs: uint8, shape
            ``(*shape, shots, ceil(num_bits / 8))``, big-endian bytes, bit 0 in the last byte's lowest bit.
            Every register of the circuit is there, unmeasured bits 0. Empty when bits were not asked for.
        iq: Per classical register, for kerneled levels: complex128, ``(*shape, shots, num_bits)``, or
            ``(*shape, num_bits)`` when averaged. Arbitrary units.
        span: Start and stop of the execution on the emulated clock, UTC.
        duration_s: Duration of the longest scheduled circuit, seconds (without rep_delay).
        metadata: How it was simulated (``method``, ``components`` ...): plain JSON values.
    """

    bits: Mapping[str, NDArray[np.uint8]]
    iq: Mapping[str, NDArray[np.complex128]]
    span: tuple[datetime, datetime]
    duration_s: float = 0.0
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcomes:
    """One outcome per item, and what the execution is charged.

    Attributes:
        usage_s: Quantum seconds: 2 s + (rep_delay + duration) x executions on devices; wall time on
            simulators without a clock.
        made_up: Nothing was run, and bits are random: the answer to a dry run.
    """

    items: tuple[ItemOutcome, ...]
    usage_s: float
    made_up: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


def pack_bits(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Booleans of shape ``(..., num_bits)``, bit 0 first, packed as `BitArray` packs them."""
    num_bits = bits.shape[-1]
    padding = -num_bits % 8
    padded = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, padding)])
    return np.packbits(padded[..., ::-1], axis=-1)


def unpack_bits(packed: NDArray[np.uint8], num_bits: int) -> NDArray[np.bool_]:
    """The inverse of `pack_bits`: booleans of shape ``(..., num_bits)``, bit 0 first."""
    return np.unpackbits(packed, axis=-1)[..., ::-1][..., :num_bits].astype(bool)
