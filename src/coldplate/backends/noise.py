"""The noise of an emulated device, gate by gate, from its calibration.

After a gate each of its qubits relaxes for the gate's duration, and before that the gate depolarizes by
what its measured error says beyond relaxation. This is how Aer builds noise from a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplate.backends.device import Device, GateFigures

Floats = NDArray[np.float64]

STILL = GateFigures(error=0.0, seconds=0.0)


@dataclass(frozen=True)
class Relaxation:
    """What a qubit loses in some time.

    Attributes:
        decay: Probability that 1 becomes 0: ``1 - exp(-t / T1)``.
        coherence: What is left of X and Y: ``exp(-t / T2)``.
    """

    decay: float = 0.0
    coherence: float = 1.0

    @property
    def transfer(self) -> Floats:
        """As a Pauli transfer matrix, shape ``(4, 4)``."""
        matrix = np.diag([1.0, self.coherence, self.coherence, 1.0 - self.decay])
        matrix[3, 0] = self.decay
        return matrix

    @property
    def fidelity(self) -> float:
        """Process fidelity with doing nothing."""
        return (2.0 - self.decay + 2.0 * self.coherence) / 4

    @property
    def paulis(self) -> tuple[float, float, float]:
        """Probabilities of X, Y and Z when it is twirled to a Pauli channel."""
        flip = self.decay / 4
        return flip, flip, max(0.0, (1.0 - self.coherence) / 2 - flip)


@dataclass(frozen=True)
class GateNoise:
    """What follows a gate: depolarization of all its qubits, then relaxation of each.

    Attributes:
        relaxations: Per qubit, in the gate's order.
        depolarization: Probability to be replaced by the fully mixed state.
    """

    relaxations: tuple[Relaxation, ...]
    depolarization: float = 0.0

    @property
    def transfer(self) -> Floats:
        """As a Pauli transfer matrix; the gate's first qubit is the least significant."""
        matrix: Floats = np.ones((1, 1))
        for one in self.relaxations:
            matrix = np.asarray(np.kron(one.transfer, matrix), dtype=np.float64)
        damping = np.full(len(matrix), 1.0 - self.depolarization)
        damping[0] = 1.0
        found: Floats = matrix * damping
        return found


class DeviceNoise:
    """A device's noise.

    Args:
        device: The device.
        scale: What every error probability and every time to relax is multiplied by.
    """

    def __init__(self, device: Device, scale: float = 1.0):
        self._device, self.scale = device, scale
        self.readout = np.clip(device.readout * scale, 0.0, 1.0)

    def gate(self, name: str, qubits: tuple[int, ...]) -> GateNoise | None:
        """What follows a gate; None where nothing does."""
        figures = self._device.gates.get((name, qubits), STILL)
        relaxations = tuple(self.relaxation(qubit, figures.seconds) for qubit in qubits)
        excess = depolarization(min(1.0, figures.error * self.scale), relaxations)
        if excess == 0.0 and all(one == Relaxation() for one in relaxations):
            return None
        return GateNoise(relaxations, excess)

    def relaxation(self, qubit: int, seconds: float) -> Relaxation:
        """What a qubit loses in some time."""
        t1 = self._device.t1[qubit]
        t2 = min(self._device.t2[qubit], 2 * t1)  # more is measured at times, but can't be
        time = seconds * self.scale
        return Relaxation(decay=float(-np.expm1(-time / t1)), coherence=float(np.exp(-time / t2)))


def depolarization(error: float, relaxations: Sequence[Relaxation]) -> float:
    """How much a gate must depolarize beside relaxing, to have its measured average infidelity.

    Solves ``F = (1 - p) F_relax + p / d`` for p, with average gate fidelities F and dimension d.
    """
    num_qubits = len(relaxations)
    dim = 2**num_qubits
    process = float(np.prod([one.fidelity for one in relaxations]))
    relaxed = (dim * process + 1) / (dim + 1)
    error = min(error, dim / (dim + 1))
    if error <= 1 - relaxed:
        return 0.0
    most = 4.0**num_qubits / (4.0**num_qubits - 1)
    return float(min(dim * (error - (1 - relaxed)) / (dim * relaxed - 1), most))
