"""Inputs of jobs as clients of 2023 write them."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
from qiskit import qpy
from qiskit.circuit import QuantumCircuit

PAULIS = "qiskit.quantum_info.operators.symplectic"


def circuit_tag(circuit):
    file = io.BytesIO()
    qpy.dump(circuit, file)
    deflated = base64.b64encode(zlib.compress(file.getvalue())).decode()
    return {"__type__": "QuantumCircuit", "__value__": deflated}


def array_tag(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return {"__type__": "ndarray", "__value__": base64.b64encode(zlib.compress(file.getvalue())).decode()}


def settings(module, kind, value):
    return {"__type__": "settings", "__module__": module, "__class__": kind, "__value__": value}


def pauli_list(*labels, module=f"{PAULIS}.pauli_list"):
    return settings(module, "PauliList", {"data": list(labels)})


def sparse(labels, coeffs, **more):
    inner = {"data": pauli_list(*labels), "coeffs": array_tag(np.array(coeffs, dtype=complex))} | more
    return settings(f"{PAULIS}.sparse_pauli_op", "SparsePauliOp", inner)


BELL = QuantumCircuit(2)
BELL.h(0)
BELL.cx(0, 1)


def job(**more):
    fields = {"circuits": [circuit_tag(BELL)], "circuit_indices": [0], "parameter_values": [[]]}
    return fields | {"observables": [sparse(["ZZ"], [1])], "observable_indices": [0]} | more
