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

import qiskit_ibm_runtime
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, Session

OF_2023 = not hasattr(qiskit_ibm_runtime, "SamplerV2")
BACKEND = "ibmq_qasm_simulator" if OF_2023 else "sim_ideal"
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
    tenant = f"official {qiskit_ibm_runtime.__version__}"
    write(descriptor, "submit", number=number, backend=BACKEND, tenant=tenant, kind=tenant)
    backend = service.backend(BACKEND)
    with session_at(service, backend) if in_session else contextlib.nullcontext() as session:
        sampler, shots = sampler_at(session, backend, f"n{number}"), 1 + (number >> QUBITS) % 40
        circuit = circuit_of(number)
        job = sampler.run(circuit if OF_2023 else [circuit], shots=shots)
        write(descriptor, "submitted", number=number, status=200, job=job.job_id(), backend=BACKEND)
        right = found_in(job.result()) == (number % (1 << QUBITS), shots)
    write(descriptor, "official result", job=job.job_id(), number=number, right=right)


def session_at(service, backend):
    """A session; releases differ in what they want to know."""
    return Session(service=service, backend=backend) if OF_2023 else Session(backend=backend)


def sampler_at(session, backend, tag):
    """A sampler; releases differ in what they call the place of its jobs."""
    if OF_2023:
        from qiskit_ibm_runtime import Options, Sampler

        options = Options(optimization_level=0, resilience_level=0, environment={"job_tags": [tag]})
        return Sampler(session=session, backend=None if session else backend, options=options)
    from qiskit_ibm_runtime import SamplerV2

    sampler = SamplerV2(mode=session or backend)
    sampler.options.environment.job_tags = [tag]
    return sampler


def found_in(result):
    """The number that was measured in every shot, and how many there were; None when there were others."""
    if OF_2023:
        counts, shots = (
            result.quasi_dists[0].binary_probabilities(num_bits=QUBITS),
            result.metadata[0]["shots"],
        )
    else:
        counts = result[0].data.meas.get_counts()
        shots = sum(counts.values())
    return (int(next(iter(counts)), 2), shots) if len(counts) == 1 else None


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
