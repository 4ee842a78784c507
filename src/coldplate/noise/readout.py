"""The noise of measurements, each qubit by itself: how often a bit is misread behind a random flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumCircuit
from qiskit.transpiler import Target

from coldplate.circuits.program import Item, ItemOutcome, unpack_bits
from coldplate.circuits.rotation import Rotation
from coldplate.noise.learning import FLIPS, REGISTER, LearningOptions

Floats = NDArray[np.float64]

LEAST = 1e-9  # of the signal that is left


@dataclass(frozen=True)
class ReadoutNoise:
    """By how much readout damps Z on each qubit, as rates of X: ``exp(-2 rate)`` is left.

    Attributes:
        qubits: In ascending order.
        rates, stds: Shape ``(num_qubits,)``.
    """

    qubits: tuple[int, ...]
    rates: Floats
    stds: Floats


def item(qubits: Sequence[int], options: LearningOptions, target: Target, rng: Generator) -> Item:
    """Qubits that are 0, flipped at random and measured."""
    rotation = Rotation.of(target)
    circuit = QuantumCircuit(target.num_qubits or max(qubits) + 1)
    register = ClassicalRegister(len(qubits), REGISTER)
    circuit.add_register(register)
    measured = [circuit.qubits[qubit] for qubit in qubits]
    options.checks.begin(circuit, measured, target)
    for qubit, turn in zip(measured, ParameterVector("a", len(qubits)), strict=True):
        rotation.append(circuit, qubit, turn=turn, phase=None)
    circuit.measure(measured, register)
    options.checks.end(circuit, measured, target)
    shape = (options.num_randomizations, len(qubits))
    flips = rng.integers(0, 2, size=shape, dtype=np.uint8).astype(bool)
    values = rotation.turns(np.zeros(shape, dtype=bool), flips=flips)
    return Item(circuit, values, options.shots_per_randomization, side={FLIPS: flips[:, None]})


def learn(
    qubits: Sequence[int], one: Item, outcome: ItemOutcome, kept: NDArray[np.bool_] | None = None
) -> ReadoutNoise:
    """The rates that an item's outcome shows.

    Args:
        kept: Which shots to keep, shape ``(num_randomizations, shots)``; None: all.
    """
    wrong = unpack_bits(outcome.bits[REGISTER], len(qubits)) ^ one.side[FLIPS]
    weights = np.ones(wrong.shape[:2]) if kept is None else kept.astype(np.float64)
    number = max(1.0, float(weights.sum()))
    errors = (wrong * weights[..., None]).sum(axis=(0, 1)) / number
    left = (1 - 2 * errors).clip(LEAST)
    smooth = (errors * number + 1) / (number + 2)
    stds = np.sqrt(smooth * (1 - smooth) / number) / left
    return ReadoutNoise(tuple(qubits), -np.log(left) / 2, stds)
