"""What a spare child does while it waits: a tiny job of our own, like the last one that was asked for.

Its result is thrown away. What it leaves is a process that has its own copies of the memory pages that jobs
write to, and all that is only made at the first use: a job then takes a third of the time. Nothing of any
client is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
from typing import Any

import numpy as np
from qiskit import qpy
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.transpiler import Target

from coldplate.backends import catalog
from coldplate.programs import registry
from coldplate.programs.registry import Answer, Context
from coldplate.wire.limits import deflated
from coldplate.wire.tagged import encode
from coldplate.workers import devices
from coldplate.workers.pool import Ticket
from coldplate.workers.run_job import job_log

ENTANGLERS = ("cz", "ecr", "cx")
SHOTS = 16


def rehearse(ticket: Ticket) -> None:
    """Run the tiny job on the ticket's backend; whatever goes wrong, a real one will tell."""
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")  # and don't remember them: the job's log has its own
        if catalog.find(ticket.backend, devices.path_of(ticket)).pace == "fast":
            perform(ticket)


def perform(ticket: Ticket) -> Answer:
    """Do what `run_job` does, but for files: there are none.

    Raises:
        ColdplateError: The backend can't run it.
    """
    np.random.seed()
    backend = devices.load(ticket.backend, devices.path_of(ticket))
    program = "estimator" if ticket.program == "estimator" else "sampler"
    with job_log("WARNING"):
        answer = registry.find(program)(params(program, backend.target), backend, Context(seed=0))
    hashlib.sha256(answer.body)
    return answer


def params(program: str, target: Target) -> bytes:
    """A job's inputs: one pub of one parameter set."""
    circuit, pair = two_qubits(target, measure=program == "sampler")
    pub: list[Any] = [{"__type__": "QuantumCircuit", "__value__": packed(circuit)}]
    if program == "estimator":
        letters = ["Z" if qubit in pair else "I" for qubit in range(circuit.num_qubits)]
        pub += [{"".join(reversed(letters)): 1.0}]
    pub += [encode(np.array([[np.pi / 2]])), SHOTS if program == "sampler" else SHOTS**-0.5]
    return json.dumps({"pubs": [pub], "options": {}, "version": 2, "support_qiskit": True}).encode()


def two_qubits(target: Target, *, measure: bool) -> tuple[QuantumCircuit, tuple[int, int]]:
    """A circuit in the target's instructions, and the two qubits that it entangles."""
    gate = next((name for name in ENTANGLERS if name in target.operation_names), "cx")
    places = target[gate] if gate in target.operation_names else None
    pair = (0, 1) if not places or None in places else min(places)
    circuit = QuantumCircuit(max(target.num_qubits or 2, 2), 2 * measure)
    for qubit in pair:
        circuit.sx(qubit)
    circuit.rz(Parameter("angle"), pair[0])
    getattr(circuit, gate)(*pair)
    if measure:
        circuit.measure(pair, (0, 1))
    return circuit, pair


def packed(circuit: QuantumCircuit) -> str:
    """A circuit as clients send it."""
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return deflated(file.getvalue())
