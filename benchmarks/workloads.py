"""The circuits and observables that the benchmarks run, in one ISA form for every system."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

BASIS = ["rz", "sx", "x", "cz"]


def hardware_efficient(num_qubits: int, repetitions: int, *, measure: bool = False) -> QuantumCircuit:
    """Layers of ry and rz on every qubit with a chain of cx between them, compiled to rz, sx, x, cz."""
    angles = iter(ParameterVector("t", 2 * num_qubits * (repetitions + 1)))
    circuit = QuantumCircuit(num_qubits)
    for layer in range(repetitions + 1):
        for qubit in range(num_qubits):
            circuit.ry(next(angles), qubit)
            circuit.rz(next(angles), qubit)
        if layer < repetitions:
            for qubit in range(num_qubits - 1):
                circuit.cx(qubit, qubit + 1)
    if measure:
        circuit.measure_all()
    return transpile(circuit, basis_gates=BASIS, optimization_level=1)


def random_circuit(num_qubits: int, depth: int, rng: np.random.Generator) -> QuantumCircuit:
    """Random single-qubit rotations and cx on random pairs, all qubits measured."""
    circuit = QuantumCircuit(num_qubits)
    for _ in range(depth):
        for qubit in range(num_qubits):
            circuit.rz(rng.uniform(-3, 3), qubit)
            circuit.sx(qubit)
            circuit.rz(rng.uniform(-3, 3), qubit)
        order = rng.permutation(num_qubits)
        for first, second in zip(order[::2], order[1::2], strict=False):
            circuit.cx(int(first), int(second))
    circuit.measure_all()
    return transpile(circuit, basis_gates=BASIS, optimization_level=0)


def chain(num_qubits: int, num_terms: int) -> SparsePauliOp:
    """XX, YY and ZZ on neighbours, then single X and Z: three measurement bases."""
    terms = [
        (pauli, [site, site + 1], 1.0 + 0.01 * site)
        for site in range(num_qubits - 1)
        for pauli in ("XX", "YY", "ZZ")
    ]
    terms += [(pauli, [site], 0.5) for site in range(num_qubits) for pauli in "XZ"]
    return SparsePauliOp.from_sparse_list(terms[:num_terms], num_qubits=num_qubits)
