"""Jobs that are too large are refused before memory is taken for them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ROOM = 6 << 30  # bytes of address space
MAY_GROW = 300 << 20  # bytes that the refusal may take

BEGIN = """
import json, resource, sys, warnings
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit_ibm_runtime import RuntimeEncoder
from coldplate.backends.catalog import load
from coldplate.errors import ColdplateError
from coldplate.programs.registry import Context, find

warnings.filterwarnings("ignore")
backend = load("sim_statevector")

def sampler(circuit, values, shots):
    sent = {"pubs": [[circuit, values, shots]], "options": {}, "version": 2, "support_qiskit": True}
    return "sampler", json.dumps(sent, cls=RuntimeEncoder).encode()

def estimator(circuit, terms, values, precision, **options):
    sent = {"pubs": [[circuit, terms, values, precision]], "options": options, "version": 2,
            "support_qiskit": True, "resilience_level": 0}
    return "estimator", json.dumps(sent, cls=RuntimeEncoder).encode()

def entangled(width):
    circuit = QuantumCircuit(width)
    for qubit in range(width):
        circuit.rx(0.1 + qubit, qubit)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.t(range(width))
    circuit.h(range(width))
    return circuit

def measured(circuit):
    circuit.measure_all()
    return circuit

def turned(width):
    circuit, angle = QuantumCircuit(width), Parameter("t")
    circuit.rx(angle, range(width))
    return circuit
"""
END = """
resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    find(program)(params, backend, Context())
    what = "nothing"
except ColdplateError as error:
    what = type(error).__name__
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps([what, grown]))
"""
JOBS = {
    "qubits": ("TooWide", "sampler(measured(entangled(29)), np.zeros(0), 10)"),
    "qubits-of-an-estimator": ("TooWide", "estimator(entangled(29), {'Z' * 29: 1.0}, np.zeros(0), 0.1)"),
    "shots": ("BadInput", "sampler(measured(turned(1).assign_parameters([1])), np.zeros(0), 10**10)"),
    "elements": ("LimitExceeded", "sampler(measured(turned(9)), np.zeros((100_000, 1)), 100_000)"),
    "elements-of-an-estimator": (
        "LimitExceeded", "estimator(turned(4), {'XXXX': 1.0}, np.zeros((200_000, 1)), 1e-3)",
    ),
    "precision": ("LimitExceeded", "estimator(turned(1), {'Z': 1.0}, np.zeros((1, 1)), 1e-7)"),
    "broadcast": (
        "LimitExceeded",
        "estimator(turned(1), [[{'Z': 1.0}]] * 30_000, np.zeros((1, 30_000, 1)), 0.1)",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_hostile_sizes_are_refused_before_memory_is_taken(name):
    error, made = JOBS[name]
    script = BEGIN + f"program, params = {made}\n" + END.replace("ROOM", str(ROOM))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    what, grown = json.loads(done.stdout.splitlines()[-1])
    assert what == error
    assert grown < MAY_GROW
