"""The noise after a gate as a Pauli channel, and then damping of each qubit: exactly what it is.

Relaxation is damping and dephasing; dephasing is a Pauli channel and commutes with damping, so it joins the
depolarization.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplate.backends.noise import GateNoise, Relaxation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """A Pauli channel and then damping.

    Attributes:
        paulis: Probabilities of Pauli strings I, X, Y, Z, the first qubit's letter least significant,
            shape ``(4**num_qubits,)``; None: there is no Pauli channel.
        decays: Per qubit, the probability that 1 becomes 0.
    """

    paulis: Floats | None
    decays: tuple[float, ...]


def channel_after(noise: GateNoise) -> Channel:
    """What follows a gate."""
    size = 4 ** len(noise.relaxations)
    paulis = np.full(size, noise.depolarization / size)
    paulis[0] += 1.0 - noise.depolarization
    for qubit, relaxation in enumerate(noise.relaxations):
        flip = dephasing(relaxation)
        # Z exchanges I with Z and X with Y: letters 0, 3 and 1, 2
        letters = paulis.reshape(-1, 4, 4**qubit)
        paulis = ((1 - flip) * letters + flip * letters[:, ::-1]).ravel()
    decays = tuple(relaxation.decay for relaxation in noise.relaxations)
    return Channel(None if np.all(paulis[1:] == 0) else paulis.clip(0.0), decays)


def relaxation_channel(relaxation: Relaxation) -> Channel:
    """What waiting does to a qubit."""
    return channel_after(GateNoise((relaxation,)))


def dephasing(relaxation: Relaxation) -> float:
    """The probability of a Z beside damping, which alone leaves ``sqrt(1 - decay)`` of X and Y."""
    left = np.sqrt(1.0 - relaxation.decay)
    if left == 0.0:
        return 0.0
    return float(np.clip((1.0 - relaxation.coherence / left) / 2, 0.0, 0.5))
