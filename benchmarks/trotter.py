"""The mitigation benchmarks' circuit: a Trotterised Ising chain on ten qubits of an emulated Heron."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit, qasm2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager

NUM_QUBITS, STEPS, COUPLING, FIELD = 10, 4, 0.35, 0.5
FACTORS = (1, 3, 5)


def ising() -> QuantumCircuit:
    """Four steps, so eight layers of two-qubit interactions."""
    circuit = QuantumCircuit(NUM_QUBITS)
    for _ in range(STEPS):
        for first in (0, 1):
            for qubit in range(first, NUM_QUBITS - 1, 2):
                circuit.rzz(2 * COUPLING, qubit, qubit + 1)
        circuit.rx(2 * FIELD, range(NUM_QUBITS))
    return circuit


def observables() -> list[SparsePauliOp]:
    """Mean Z, mean ZZ of neighbours, one string of weight four, and mean XX of neighbours."""
    pairs = range(NUM_QUBITS - 1)

    def sums(terms: list[tuple[str, list[int], float]]) -> SparsePauliOp:
        return SparsePauliOp.from_sparse_list(terms, num_qubits=NUM_QUBITS)

    return [
        sums([("Z", [qubit], 1 / NUM_QUBITS) for qubit in range(NUM_QUBITS)]),
        sums([("ZZ", [qubit, qubit + 1], 1 / len(pairs)) for qubit in pairs]),
        sums([("ZZZZ", [2, 3, 6, 7], 1.0)]),
        sums([("XX", [qubit, qubit + 1], 1 / len(pairs)) for qubit in pairs]),
    ]


NAMES = ("mean Z", "mean ZZ", "ZZZZ", "mean XX")


def exact() -> np.ndarray:
    """What they are without noise."""
    state = Statevector(ising())
    return np.array([float(state.expectation_value(one).real) for one in observables()])


def compiled(backend: Any) -> tuple[QuantumCircuit, list[SparsePauliOp]]:
    """Circuit and observables on a chain of the device."""
    manager = generate_preset_pass_manager(
        1, backend=backend, initial_layout=list(range(NUM_QUBITS)), seed_transpiler=1
    )
    circuit = manager.run(ising())
    return circuit, [one.apply_layout(circuit.layout) for one in observables()]


def compiled_narrow(circuit: QuantumCircuit) -> QuantumCircuit:
    """The compiled circuit on its own qubits only."""
    narrow = QuantumCircuit(NUM_QUBITS)
    for one in circuit.data:
        places = [circuit.find_bit(qubit).index for qubit in one.qubits]
        narrow.append(one.operation, places)
    return narrow


def widened(text: str, backend: Any) -> QuantumCircuit:
    """A folded circuit (OpenQASM 2) on the device: gates are translated, and none is simplified away."""
    narrow = qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    manager = generate_preset_pass_manager(0, backend=backend, initial_layout=list(range(NUM_QUBITS)))
    wide: QuantumCircuit = manager.run(narrow)
    return wide
