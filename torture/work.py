"""Work whose answer tells which job it is of: a number in the circuit's bits and in the number of shots.

And work that must not end well, each kind in its way.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from typing import Any

from qiskit import QuantumCircuit, qpy

QUBITS = {"sim_ideal": 20, "emu_device": 7, "emu_fair": 7, "emu_slow": 7}
SHOTS = 40  # different numbers of shots
LONG = 100  # times as many shots, for work that keeps a device for up to a second
HUGE = 6 << 20  # bytes of a body
HUNG_S = 2  # that work which never ends is given

# Work that does not end well: its end, and what the reason has to say. Levels of the log are never used
# otherwise here, so they tell the job's process (`child.py`) what to do to itself.
ENDS = {
    "poison": ("Failed", "SIGSEGV"),
    "out of memory": ("Failed", "memory"),
    "hung": ("Cancelled", "Ran too long"),
}
POISON, OUT_OF_MEMORY = "CRITICAL", "ERROR"


def shots_of(backend: str, number: int, factor: int = 1) -> int:
    """How many shots work number `number` takes."""
    return factor * (1 + (number >> QUBITS[backend]) % SHOTS)


def circuit_of(backend: str, number: int) -> QuantumCircuit:
    """A circuit that measures the number."""
    qubits = QUBITS[backend]
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure_all()
    return circuit


def endless(_backend: str, _number: int) -> QuantumCircuit:
    """A circuit that waits for a bit that nobody sets."""
    circuit = QuantumCircuit(1, 1)
    with circuit.while_loop((circuit.clbits[0], 0)):
        circuit.measure(0, 0)
    circuit.measure_all()
    return circuit


def body_of(backend: str, number: int, kind: str = "right", **more: Any) -> bytes:
    """A POST of work, the same bytes for the same number."""
    make: Callable[[str, int], QuantumCircuit] = endless if kind == "hung" else circuit_of
    stream = io.BytesIO()
    qpy.dump(make(backend, number), stream, version=15)
    packed = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    shots = shots_of(backend, number, factor_of(kind))
    pub = [{"__type__": "QuantumCircuit", "__value__": packed}, None, shots]
    params = {"pubs": [pub], "options": {}, "version": 2, "support_qiskit": True}
    body = {"program_id": "sampler", "backend": backend, "params": params, "tags": [f"n{number}"]}
    body |= {"poison": {"log_level": POISON}, "out of memory": {"log_level": OUT_OF_MEMORY}}.get(kind, {})
    body |= {"cost": HUNG_S} if kind == "hung" else {}
    bytes = json.dumps(body | more).encode()
    return bytes[:-1] + b" " * HUGE + b"}" if kind == "huge" else bytes


def factor_of(kind: str) -> int:
    """How many times as many shots a kind of work takes."""
    return LONG if kind == "long" else 1


def is_answer(body: bytes, backend: str, number: int, kind: str = "right") -> bool:
    """Whether a result is the one of this work, and of no other."""
    from qiskit_ibm_runtime.utils.json import RuntimeDecoder

    bits, qubits = json.loads(body, cls=RuntimeDecoder)[0].data.meas, QUBITS[backend]
    shots = shots_of(backend, number, factor_of(kind))
    return bool(bits.get_counts() == {format(number % (1 << qubits), f"0{qubits}b"): shots})
