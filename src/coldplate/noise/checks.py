"""Bit-flip checks: shots in which a qubit did not do a simple thing are discarded.

After a circuit every measured qubit is flipped and measured again; before it, flipped there and back and
measured. A qubit that does not show what it should was not where it belongs, or was misread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, QuantumCircuit, Qubit
from qiskit.circuit.library import RXGate, XGate
from qiskit.transpiler import Target

from coldplate.circuits.program import ItemOutcome, unpack_bits
from coldplate.errors import IncompatibleOptions

Bits = NDArray[np.bool_]

PRE, POST = "pre", "ps"  # registers
RX_PULSES = 20  # that a slow flip by rx is made of


@dataclass(frozen=True)
class Check:
    """How shots are checked.

    Attributes:
        pulse: The flip: one slow pulse, or many small rx. Emulated devices have no slow pulse, it is their x.
        strategy: Discard shots with any qubit that failed, or only with two coupled ones that both failed.
    """

    pulse: Literal["xslow", "rx"] = "xslow"
    strategy: Literal["node", "edge"] = "node"

    def keeps(self, failed: Bits, pairs: Sequence[tuple[int, int]]) -> Bits:
        """Which shots are kept, by which qubits failed, shape ``(..., num_qubits)``."""
        if self.strategy == "node":
            return np.asarray(~failed.any(axis=-1))
        first, second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        return np.asarray(~(failed[..., first] & failed[..., second]).any(axis=-1))


@dataclass(frozen=True)
class Checks:
    """What is checked before and after a circuit; None: nothing."""

    before: Check | None = None
    after: Check | None = None

    def begin(self, circuit: QuantumCircuit, qubits: Sequence[Qubit], target: Target) -> None:
        """Add what comes before a circuit."""
        if self.before is not None:
            for qubit in qubits:
                flip(circuit, qubit, self.before.pulse, target)
                circuit.append(XGate(), [qubit])
            measure(circuit, qubits, PRE)

    def end(self, circuit: QuantumCircuit, qubits: Sequence[Qubit], target: Target) -> None:
        """Add what comes after its measurements."""
        if self.after is not None:
            circuit.barrier(qubits)
            for qubit in qubits:
                flip(circuit, qubit, self.after.pulse, target)
            measure(circuit, qubits, POST)

    def passed(self, outcome: ItemOutcome, register: str, num_qubits: int) -> Bits:
        """Which qubits passed in which shot, shape ``(..., shots, num_qubits)``."""
        measured = unpack_bits(outcome.bits[register], num_qubits)
        found = np.ones_like(measured)
        if self.before is not None:
            found &= ~unpack_bits(outcome.bits[PRE], num_qubits)
        if self.after is not None:
            found &= measured ^ unpack_bits(outcome.bits[POST], num_qubits)
        return found

    def kept(
        self, outcome: ItemOutcome, register: str, num_qubits: int, pairs: Sequence[tuple[int, int]]
    ) -> Bits:
        """Which shots are kept, shape ``(..., shots)``.

        Args:
            pairs: Coupled qubits.
        """
        measured = unpack_bits(outcome.bits[register], num_qubits)
        keep = np.ones(measured.shape[:-1], dtype=bool)
        if self.before is not None:
            keep &= self.before.keeps(unpack_bits(outcome.bits[PRE], num_qubits), pairs)
        if self.after is not None:
            keep &= self.after.keeps(~(measured ^ unpack_bits(outcome.bits[POST], num_qubits)), pairs)
        return keep


def flip(circuit: QuantumCircuit, qubit: Qubit, pulse: str, target: Target) -> None:
    """Add a slow flip.

    Raises:
        IncompatibleOptions: The target has not the gate.
    """
    if pulse == "rx":
        if "rx" not in target.operation_names:
            raise IncompatibleOptions(
                "bit_flip_checks with x_pulse_type rx needs the gate rx, which this backend has not.",
                solution="Use x_pulse_type xslow, or a backend with fractional gates.",
            )
        for _ in range(RX_PULSES):
            circuit.append(RXGate(np.pi / RX_PULSES), [qubit])
        return
    circuit.append(XGate(), [qubit])


def measure(circuit: QuantumCircuit, qubits: Sequence[Qubit], name: str) -> None:
    """Measure qubits into a register of their own."""
    register = ClassicalRegister(len(qubits), name)
    circuit.add_register(register)
    circuit.barrier(qubits)
    circuit.measure(qubits, register)


def report(passed: Bits, kept: Bits, qubits: Sequence[int]) -> tuple[float, Mapping[int, float]]:
    """The fraction of shots that were kept, and how often each qubit passed."""
    rates = passed.reshape(-1, len(qubits)).mean(axis=0)
    return float(kept.mean()), {qubit: float(rate) for qubit, rate in zip(qubits, rates, strict=True)}
