"""TREX: twirled readout error extinction, by the direct ratio.

Readout error behind a random flip of every measured bit only damps a Pauli string's value. The damping is
what a circuit with a known answer, |0...0>, shows for the same qubits, correlated errors included; so it
is the number to divide by.

Source: van den Berg, Minev, Temme, Phys. Rev. A 105, 032620 (2022), arXiv:2012.09738.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, QuantumCircuit
from qiskit.transpiler import Target
from scipy.sparse import csr_array

from coldplate.circuits.parity import Words, signs, to_words
from coldplate.circuits.program import Item, ItemOutcome, pack_bits
from coldplate.circuits.rotation import Rotation, columns, fresh_names
from coldplate.errors import ReadoutTooNoisy

Floats = NDArray[np.float64]

REGISTER = "trex"
FLIPS = f"measurement_flips.{REGISTER}"
FLOOR = 0.05  # the smallest damping to divide by
SIGMAS = 3.0  # by which a damping must stand out from nothing
WORKSPACE = 1 << 23  # numbers held at a time


@dataclass(frozen=True)
class TrexOptions:
    """How the damping is learnt; None is "auto": as many shots as the pub with most shots has."""

    num_randomizations: int = 32
    shots_per_randomization: int | None = None


def flip_table(shape: tuple[int, ...], num_bits: int, rng: Generator) -> NDArray[np.bool_]:
    """Random flips, shape ``(*shape, num_bits)``, balanced along the last axis of `shape`.

    Randomizations come in pairs, one the opposite of the other: whatever a flip adds to first order then
    cancels exactly, and so does every odd order. Only an odd last randomization stands alone.
    """
    *outer, number = shape
    half = rng.integers(0, 2, size=(*outer, number - number // 2, num_bits), dtype=np.uint8).astype(bool)
    pairs = np.concatenate([half, ~half[..., : number // 2, :]], axis=-2)
    return pairs


def calibration(
    qubits: Sequence[int],
    target: Target,
    *,
    num_qubits: int,
    options: TrexOptions,
    shots: int,
    rng: Generator,
) -> Item:
    """The circuit with the known answer: |0...0>, flipped at random and measured.

    Args:
        qubits: Which qubits to learn.
        num_qubits: Width of the circuit.
        shots: Shots of the pub with most shots, for "auto".
    """
    rotation = Rotation.of(target)
    circuit = QuantumCircuit(num_qubits)
    register = ClassicalRegister(len(qubits), REGISTER)
    circuit.add_register(register)
    turns = fresh_names(circuit, "turn", len(qubits))
    for turn, qubit in zip(turns, qubits, strict=True):
        rotation.append(circuit, circuit.qubits[qubit], turn=turn, phase=None)
    circuit.measure(list(qubits), register)
    each = options.shots_per_randomization or -(-shots // options.num_randomizations)
    flips = flip_table((options.num_randomizations,), len(qubits), rng)
    values = rotation.turns(np.zeros(len(qubits), dtype=bool), flips=flips)
    order = columns(circuit, {turn.name: index for index, turn in enumerate(turns)})
    return Item(circuit, values[:, order], each, side={FLIPS: flips[:, None, :]})


@dataclass(frozen=True)
class Readout:
    """What the calibration showed: its shots, with the flips undone.

    Attributes:
        qubits: The qubits that were measured; bit k is the k-th of them.
        words: Shots as machine words, shape ``(num_shots, num_words)``.
    """

    qubits: tuple[int, ...]
    words: Words

    @classmethod
    def of(cls, qubits: Sequence[int], item: Item, outcome: ItemOutcome) -> Readout:
        """The readout that an outcome of `calibration` shows."""
        bits = outcome.bits[REGISTER] ^ pack_bits(item.side[FLIPS])
        return cls(tuple(qubits), to_words(bits.reshape(-1, bits.shape[-1])))

    def signs(self, qubits: Sequence[int], support: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What Z strings read in every calibration shot, shape ``(num_strings, num_shots)``.

        Args:
            qubits: What the last axis of `support` runs over.
            support: Where each string acts, shape ``(num_strings, len(qubits))``.
        """
        place = {qubit: bit for bit, qubit in enumerate(self.qubits)}
        table = np.zeros((len(support), len(self.qubits)), dtype=bool)
        table[:, [place[qubit] for qubit in qubits]] = support
        return signs(self.words, to_words(pack_bits(table)))


def damping(readings: NDArray[np.float32], *, floor: float = FLOOR) -> Floats:
    """By how much readout error damps each string.

    Args:
        readings: What each string reads in every calibration shot, shape ``(num_strings, num_shots)``.
        floor: The smallest damping to accept; errors grow as ``1 / damping``.

    Returns:
        Shape ``(num_strings,)``; NaN where it is below `floor`, or can't be told from nothing.
    """
    means, errors = signal(readings)
    return np.where(means < np.maximum(floor, SIGMAS * errors), np.nan, means)


def signal(readings: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """What is left of each string's value, and the standard error of that."""
    means: Floats = readings.mean(axis=1, dtype=np.float64)
    return means, np.sqrt((1 - means**2).clip(0) / readings.shape[1])


def too_noisy(readings: NDArray[np.float32]) -> ReadoutTooNoisy:
    """Why strings can't be mitigated."""
    means, errors = signal(readings)
    best = int(np.argmax(means))
    return ReadoutTooNoisy(
        f"Readout leaves at most {means[best]:.3f} +- {errors[best]:.3f} of the signal of a Pauli string; "
        f"at least {FLOOR} is needed.",
        solution="Measure fewer qubits at once, use more calibration shots, or turn "
        "resilience.measure_mitigation off.",
    )


def damping_variance(readings: NDArray[np.float32], weights: csr_array) -> Floats:
    """Variances that the calibration adds to sums of mitigated strings.

    A mitigated string is mean / damping, so an error of the damping moves a sum by
    ``-coefficient * mean / damping**2`` each. All strings share the calibration shots, and their covariances
    are in those.

    Args:
        readings: As for `damping`.
        weights: Those derivatives, shape ``(num_sums, num_strings)``.

    Returns:
        Shape ``(num_sums,)``.
    """
    num_shots = readings.shape[1]
    rows = max(1, WORKSPACE // num_shots)
    variances = [
        np.asarray(weights[start : start + rows] @ readings).var(axis=1) / num_shots
        for start in range(0, weights.shape[0], rows)
    ]
    return np.concatenate(variances) if variances else np.zeros(0)
