"""Work whose answer tells which job it is of: a number in the circuit's bits and in the number of shots."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

from qiskit import QuantumCircuit, qpy

QUBITS = {"sim_ideal": 20, "emu_device": 7, "emu_fair": 7, "emu_slow": 7}
SHOTS = 40  # different numbers of shots


def shots_of(backend: str, number: int) -> int:
    """How many shots work number `number` takes."""
    return 1 + (number >> QUBITS[backend]) % SHOTS


def circuit_of(backend: str, number: int) -> QuantumCircuit:
    """A circuit that measures the number."""
    qubits = QUBITS[backend]
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure_all()
    return circuit


def body_of(backend: str, number: int, **more: Any) -> bytes:
    """A POST of work, the same bytes for the same number."""
    stream = io.BytesIO()
    qpy.dump(circuit_of(backend, number), stream, version=15)
    packed = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    pub = [{"__type__": "QuantumCircuit", "__value__": packed}, None, shots_of(backend, number)]
    params = {"pubs": [pub], "options": {}, "version": 2, "support_qiskit": True}
    body = {"program_id": "sampler", "backend": backend, "params": params, "tags": [f"n{number}"]} | more
    return json.dumps(body).encode()


def is_answer(body: bytes, backend: str, number: int) -> bool:
    """Whether a result is the one of this work, and of no other."""
    from qiskit_ibm_runtime.utils.json import RuntimeDecoder

    bits = json.loads(body, cls=RuntimeDecoder)[0].data.meas
    return bool(bits.get_counts() == expected(backend, number))


def expected(backend: str, number: int) -> dict[str, int]:
    """The counts of work number `number`."""
    qubits = QUBITS[backend]
    return {format(number % (1 << qubits), f"0{qubits}b"): shots_of(backend, number)}
