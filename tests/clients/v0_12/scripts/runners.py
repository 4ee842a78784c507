"""Circuits as the provider of 2023 and `service.run` send them."""

import time

from account import service
from primitives import IDEAL, ghz
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit_ibm_provider import IBMProvider
from qiskit_ibm_provider.job.exceptions import IBMJobNotFoundError
from qiskit_ibm_runtime.utils.runner_result import RunnerResult

QASM = """
OPENQASM 3.0;
include "stdgates.inc";
qubit[1] q;
bit[1] c;
x q[0];
c[0] = measure q[0];
"""


def provider_run(token, url, backend="emu_nairobi"):
    """Counts of `backend.run` by the provider, and the job found again."""
    provider = IBMProvider(token=token, url=url)
    device = provider.get_backend(backend)
    circuits = [transpile(ghz(2), device), transpile(ghz(3), device)]
    job = device.run(circuits, shots=1000)
    result = job.result()
    again = provider.retrieve_job(job.job_id())
    return {
        "counts": result.get_counts(0),
        "wide": result.get_counts(1),
        "same": again.result().get_counts(0) == result.get_counts(0),
        "status": job.status().name,
        "listed": job.job_id() in [one.job_id() for one in provider.jobs(limit=5)],
    }


def provider_session(token, url):
    """A session of the provider."""
    device = IBMProvider(token=token, url=url).get_backend(IDEAL)
    with device.open_session() as session:
        jobs = [device.run(ghz(2), shots=10) for _ in range(2)]
        for job in jobs:
            job.result()
        id = session.session_id
    return id == jobs[0].job_id()


def circuit_runner(**inputs):
    """The program by `service.run`, with registers and memory."""
    circuit = QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(1, "a"), ClassicalRegister(2, "b"))
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [0, 1, 2])
    inputs = dict({"circuits": circuit, "shots": 5, "memory": True}, **inputs)
    job = service().run("circuit-runner", inputs, options={"backend": IDEAL})
    result = job.result()
    return {"counts": result.get_counts(), "memory": result.get_memory()}


def qasm3_runner():
    """A text of OpenQASM 3."""
    job = service().run("qasm3-runner", {"circuits": QASM, "shots": 7}, options={"backend": IDEAL})
    return job.result().get_counts()


def mitigated(backend="emu_nairobi"):
    """Quasi-probabilities of two qubits that are 1."""
    circuit = QuantumCircuit(2)
    circuit.x([0, 1])
    circuit.measure_all()
    inputs = {"circuits": circuit, "shots": 10_000, "measurement_error_mitigation": True}
    job = service().run("circuit-runner", inputs, options={"backend": backend}, result_decoder=RunnerResult)
    result = job.result()
    quasi, counts = result.get_quasiprobabilities().binary_probabilities(), result.get_counts()
    return {
        "sum": sum(quasi.values()),
        "keys": list(quasi),
        "right": quasi["11"],
        "counted": counts["11"] / 10_000,
    }


def prepared(token, url):
    """A dynamic circuit with another before it, and with resets."""
    device = IBMProvider(token=token, url=url).get_backend(IDEAL)
    circuit, first = QuantumCircuit(1, 1), QuantumCircuit(1)
    circuit.measure(0, 0)
    first.x(0)
    run = {"shots": 50, "dynamic": True}
    return {
        "circuit": device.run(circuit, init_circuit=first, **run).result().get_counts(),
        "resets": device.run(circuit, init_num_resets=1, **run).result().get_counts(),
    }


def provider_unknown(token, url):
    """Jobs from before the runtime, and one that nobody made."""
    provider = IBMProvider(token=token, url=url)
    archive = provider.jobs(legacy=True)
    try:
        provider.retrieve_job("a" * 20)
    except IBMJobNotFoundError as error:
        return {"archive": archive, "unknown": type(error).__name__}
    return None


def provider_queue(token, url):
    """Jobs that wait at a device: their places, and a cancel."""
    provider = IBMProvider(token=token, url=url)
    device = provider.get_backend("emu_slow")
    jobs = [device.run(transpile(ghz(2), device), shots=50_000) for _ in range(3)]
    for _ in range(30):  # what is told of the queue may be 5 s old
        places = [job.queue_position(refresh=True) for job in jobs]
        if places[-1]:
            break
        time.sleep(0.5)
    for job in reversed(jobs):
        job.cancel()
    return {
        "places": [place for place in places if place],
        "cancelled": jobs[-1].status().name,
        "properties": len(device.properties().qubits),
        "backends": "emu_slow" in [backend.name for backend in provider.backends()],
    }


def provider_session_ends(token, url, end):
    """How jobs end of a session that is closed or cancelled while most of them wait."""
    device = IBMProvider(token=token, url=url).get_backend("emu_slow")
    device.open_session()
    jobs = [device.run(transpile(ghz(2), device), shots=4000) for _ in range(3)]
    getattr(device, f"{end}_session")()
    for job in jobs:
        job.wait_for_final_state()
    return [job.status().name for job in jobs]
