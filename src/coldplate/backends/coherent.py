"""Coherent and slow noise of an emulated device: what twirling and dynamical decoupling are for.

In the frame of a qubit whose neighbours are 0, a device does, beside its gates,

    H / hbar = 2 pi (sum_q delta_q |1><1|_q  +  sum_(p, q) nu_pq |11><11|_pq).

nu is the ZZ rate as it is measured: by how much a qubit's frequency shifts when its neighbour is 1
(``nu |11><11| = nu/4 (ZZ - ZI - IZ + II)``). delta is 0 on average; within a shot it stays, or moves as 1/f
noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coldplate.backends.catalog import Entry
from coldplate.backends.device import Device
from coldplate.backends.switches import Pair, detunings, zz_rates

Floats = NDArray[np.float64]

# Processes of equal strength, one per octave: their sum has a spectrum of 1/f from 16 Hz to 160 kHz.
CORRELATION_TIMES_S: Floats = np.geomspace(1e-6, 1e-2, 14)
SMALL = 1e-3  # times, in units of a correlation time, for which series are more exact


@dataclass(frozen=True)
class Coherent:
    """Coherent and slow noise.

    Attributes:
        zz: Rates nu in Hz, by coupled pair.
        detuning: Standard deviations of delta in Hz, shape ``(num_qubits,)``.
        flicker: Whether delta moves within a shot, with a spectrum of 1/f.
        over_rotation: By which part of their angle two-qubit gates turn too far.
    """

    zz: Mapping[Pair, float]
    detuning: Floats
    flicker: bool = False
    over_rotation: float = 0.0

    @property
    def plain(self) -> tuple[Any, ...]:
        """All of it in plain values."""
        return (tuple(self.zz.items()), self.detuning.tolist(), self.flicker, self.over_rotation)

    @classmethod
    def of(cls, entry: Entry, device: Device) -> Coherent | None:
        """What the catalog says; None: no such noise."""
        if not entry.coherent:
            return None
        return cls(
            zz=zz_rates(entry, device.pairs),
            detuning=np.array(detunings(entry, device.num_qubits)),
            flicker=entry.detuning_spectrum == "1/f",
            over_rotation=entry.over_rotation,
        )


def flicker(starts_s: Floats, stops_s: Floats, rng: Generator, *, number: int) -> Floats:
    """Integrals of 1/f noise of variance 1 over stretches of time, drawn exactly: they are jointly Gaussian.

    Args:
        starts_s, stops_s: Stretches that don't overlap, in order; shape ``(num_stretches,)``.
        number: How many traces to draw.

    Returns:
        Seconds, shape ``(number, num_stretches)``.
    """
    weights, axes = np.linalg.eigh(covariance(starts_s, stops_s))
    drawn: Floats = rng.standard_normal((number, len(weights))) @ (axes * np.sqrt(weights.clip(0))).T
    return drawn


def covariance(starts_s: Floats, stops_s: Floats) -> Floats:
    """The covariance of these integrals, seconds squared.

    The noise is a sum of Ornstein-Uhlenbeck processes, each with an autocorrelation ``exp(-|t| / tau)``.

    Source: Paladino, Galperin, Falci, Altshuler, Rev. Mod. Phys. 86, 361 (2014).
    """
    lengths = stops_s - starts_s
    gaps = starts_s[None, :] - stops_s[:, None]
    found = np.zeros((len(lengths), len(lengths)))
    for tau in CORRELATION_TIMES_S:
        forgotten = -np.expm1(-lengths / tau)
        later = np.triu(np.outer(forgotten, forgotten) * np.exp(-gaps.clip(0) / tau), 1)
        found += tau**2 * (later + later.T + np.diag(2 * wandering(lengths / tau)))
    return found / len(CORRELATION_TIMES_S)


def wandering(times: Floats) -> Floats:
    """``t - 1 + exp(-t)``."""
    series = times**2 * (1 / 2 - times / 6 + times**2 / 24)
    return np.where(times < SMALL, series, times + np.expm1(-times))
