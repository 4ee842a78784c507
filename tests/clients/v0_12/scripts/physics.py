"""What mitigation does, seen by the client of 2023."""

import time

import numpy as np
from account import service
from primitives import ghz
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import Estimator, Options, Sampler

DEVICE = "emu_nairobi"


def distance(dist, size):
    """Total variation distance to the ideal distribution of a GHZ state."""
    ideal = {"0" * size: 0.5, "1" * size: 0.5}
    keys = set(dist) | set(ideal)
    return sum(abs(dist.get(key, 0) - ideal.get(key, 0)) for key in keys) / 2


def sampled(size, shots=20_000, layout=None):
    """Distances to ideal without and with mitigation, on the same qubits."""
    found = {}
    for level in (0, 1):
        options = Options(optimization_level=0, resilience_level=level)
        options.transpilation.initial_layout = layout
        job = Sampler(backend=service().backend(DEVICE), options=options).run(ghz(size), shots=shots)
        result = job.result()
        found[level] = distance(result.quasi_dists[0].binary_probabilities(), size)
        metadata = result.metadata[0]
    return {"distances": [found[0], found[1]], "metadata": sorted(metadata)}


def trotter(steps=3):
    """Steps that cancel: every Z is -1 without noise."""
    circuit = QuantumCircuit(3)
    circuit.x([0, 1, 2])
    for _ in range(steps):
        for pair in ((0, 1), (1, 2)):
            circuit.cx(*pair)
    for _ in range(steps):
        for pair in ((1, 2), (0, 1)):
            circuit.cx(*pair)
    return circuit


def estimated(level, shots=4000, **resilience):
    """A value that is 1 without noise, and what the job told before its end."""
    options = Options(optimization_level=0, resilience_level=level, resilience=resilience)
    options.transpilation.initial_layout = [1, 3, 5]
    estimator = Estimator(backend=service().backend(DEVICE), options=options)
    began = time.time()
    job = estimator.run(trotter(), SparsePauliOp(["ZZZ"], [-1.0]), shots=shots)
    result = job.result()
    told = job.interim_results()
    return {
        "value": float(result.values[0]),
        "metadata": result.metadata[0],
        "told": told,
        "seconds": time.time() - began,
        "finite": bool(np.isfinite(result.values).all()),
    }


def rotated(angles, shots=20_000):
    """Values and standard errors of ZZ on a device, for angles of a rotation; on qubits 1 and 3."""
    options = Options(optimization_level=0, resilience_level=1)
    options.transpilation.initial_layout = [1, 3]
    estimator = Estimator(backend=service().backend(DEVICE), options=options)
    circuits = []
    for angle in angles:
        circuit = QuantumCircuit(2)
        circuit.ry(angle, 0)
        circuit.cx(0, 1)
        circuits.append(circuit)
    observables = [SparsePauliOp(["ZI", "XX"], [1.0, 0.5])] * len(angles)
    result = estimator.run(circuits, observables, shots=shots).result()
    errors = [np.sqrt(one["variance"] / one["shots"]) for one in result.metadata]
    return {"values": result.values.tolist(), "errors": errors}


def followed(shots=200):
    """What a callback is told of a job with PEC, and what the job tells afterwards."""
    told = []
    options = Options(optimization_level=0, resilience_level=3)
    options.environment.callback = lambda _, message: told.append(message)
    options.transpilation.initial_layout = [1, 3, 5]
    estimator = Estimator(backend=service().backend(DEVICE), options=options)
    job = estimator.run(trotter(1), SparsePauliOp(["ZZZ"], [-1.0]), shots=shots)
    job.result()
    deadline = time.time() + 20  # callbacks have a thread of their own
    while not any("values" in message for message in told) and time.time() < deadline:
        time.sleep(0.05)
    for message in told:
        if "values" in message:
            message["values"] = np.asarray(message["values"]).tolist()
    return {"told": told, "interim": job.interim_results()}
