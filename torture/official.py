"""An official client at work, in an environment of its own release: `python official.py JOURNAL NUMBER STOP`.

It imports nothing of ours, so that any release can run it; where the server is, the environment says.
"""

import contextlib
import json
import os
import sys
import time
import warnings
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

QUBITS = 20


def write(descriptor, act, **facts):
    """A line of the journal."""
    line = {"at": time.monotonic(), "party": "official", "act": act, **facts}
    os.write(descriptor, json.dumps(line).encode() + b"\n")


def circuit_of(number):
    """A circuit that measures the number."""
    circuit = QuantumCircuit(QUBITS)
    for qubit in range(QUBITS):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure_all()
    return circuit


def work(descriptor, service, number, in_session):
    """Run a job, by itself or in a session, and look at its result."""
    shots = 1 + (number >> QUBITS) % 40
    backend = service.backend("sim_ideal")
    write(descriptor, "submit", number=number, backend="sim_ideal", tenant="official")
    with Session(backend=backend) if in_session else contextlib.nullcontext() as session:
        sampler = SamplerV2(mode=session or backend)
        sampler.options.environment.job_tags = [f"n{number}"]
        job = sampler.run([circuit_of(number)], shots=shots)
        write(descriptor, "submitted", number=number, status=200, job=job.job_id(), backend="sim_ideal")
        counts = job.result()[0].data.meas.get_counts()
    right = counts == {format(number % (1 << QUBITS), f"0{QUBITS}b"): shots}
    write(descriptor, "official result", job=job.job_id(), number=number, right=right)


def main(journal, number, stop):
    """Work until the file `stop` is there; what fails is told, and tried with another number."""
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    service = None
    while not Path(stop).exists():
        number += 1
        try:
            service = service or QiskitRuntimeService()
            work(descriptor, service, number, in_session=number % 5 == 0)
        except Exception as error:
            write(descriptor, "official error", number=number, error=repr(error)[:300])
            time.sleep(0.5)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
