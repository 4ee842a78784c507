"""Our engine and its peers behind one shape: pubs are made ready, then what is ready is timed.

What is timed of ours is what a job's process does: the client's bytes in, the client's bytes out; writing
those bytes is the client's work, and done before. Peers are given circuit objects, as users' scripts do, with
their measured circuits put together before.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

Pub = tuple[Any, ...]
Go = Callable[[], Any]
Ready = Callable[[Sequence[Pub]], Go]


def ours(program: str, *, backend: str = "sim_statevector", **fields: Any) -> Ready:
    """The whole path inside a job's process, on a backend that is loaded, as that of a warm device is."""
    from qiskit_ibm_runtime import RuntimeEncoder

    from coldplate.backends import catalog
    from coldplate.programs.registry import Context, find

    device = catalog.load(backend, None)
    run = find(program)
    gc.collect()
    gc.freeze()  # as in every job's process, so that the collector looks at the job alone

    def ready(pubs: Sequence[Pub]) -> Go:
        sent = [as_sent(program, pub) for pub in pubs]
        params = {"pubs": sent, "version": 2, "support_qiskit": True, "options": {}} | fields
        body = json.dumps(params, cls=RuntimeEncoder).encode()
        return lambda: run(body, device, Context()).body

    return ready


def as_sent(program: str, pub: Pub) -> list[Any]:
    """A pub as the official client puts it into the params."""
    circuit, values = pub[0], values_of(program, pub)
    if program == "sampler":
        return [circuit, np.zeros(0) if values is None else values, None]
    terms = [
        dict(zip(one.paulis.to_labels(), one.coeffs.real.tolist(), strict=True)) for one in observables(pub)
    ]
    return [
        circuit,
        terms if isinstance(pub[1], list) else terms[0],
        np.zeros(0) if values is None else values,
        None,
    ]


def values_of(program: str, pub: Pub) -> Any:
    """The parameter sets of a pub; None: it has none."""
    return pub[-1] if len(pub) > (1 if program == "sampler" else 2) else None


def observables(pub: Pub) -> list[SparsePauliOp]:
    """The observables of an estimator pub."""
    return pub[1] if isinstance(pub[1], list) else [pub[1]]


def peer_backend(device: str | None, method: str = "automatic") -> Any:
    """Aer, ideal or with its own noise model of one of the devices that the client ships."""
    from qiskit_aer import AerSimulator

    return AerSimulator.from_backend(fake(device), method=method) if device else AerSimulator(method=method)


def fake(device: str) -> Any:
    """A device of the client by its class's name."""
    from qiskit_ibm_runtime import fake_provider

    return getattr(fake_provider, device)()


def local_mode(program: str, target: float, *, device: str | None = None) -> Ready:
    """The official client's local testing mode on Aer, or on its own device with noise."""
    from qiskit_ibm_runtime import EstimatorV2, SamplerV2

    backend = fake(device) if device else peer_backend(None)
    if program == "sampler":
        return lambda pubs: lambda: SamplerV2(mode=backend).run(list(pubs), shots=int(target)).result()
    return lambda pubs: lambda: EstimatorV2(mode=backend).run(list(pubs), precision=target).result()


def aer_primitive(program: str, target: float, *, device: str | None = None) -> Ready:
    """`qiskit_aer.primitives`."""
    from qiskit_aer.primitives import EstimatorV2, SamplerV2

    backend = peer_backend(device)
    if program == "sampler":
        sampler = SamplerV2.from_backend(backend)
        return lambda pubs: lambda: sampler.run(list(pubs), shots=int(target)).result()
    estimator = EstimatorV2.from_backend(backend)
    return lambda pubs: lambda: estimator.run(list(pubs), precision=target).result()


def raw_aer(program: str, shots: int, *, device: str | None = None, method: str = "automatic") -> Ready:
    """The same measured circuits, all parameter sets, in one bare Aer call without any post-processing."""
    backend = peer_backend(device, method)

    def ready(pubs: Sequence[Pub]) -> Go:
        circuits, binds = [], []
        for pub in pubs:
            values = values_of(program, pub)
            columns = [] if values is None else np.asarray(values).T.tolist()
            for circuit in [pub[0]] if program == "sampler" else in_each_basis(pub[0], observables(pub)):
                circuits.append(circuit)
                binds.append(dict(zip(pub[0].parameters, columns, strict=True)))
        given = {"parameter_binds": binds} if any(binds) else {}

        def go() -> Any:
            result = backend.run(circuits, shots=shots, **given).result()
            assert result.success, result.status
            return result

        return go

    return ready


def in_each_basis(circuit: QuantumCircuit, wanted: Sequence[SparsePauliOp]) -> list[QuantumCircuit]:
    """The circuit measured once in each qubit-wise commuting basis of its observables, in device gates."""
    measured = []
    for group in sum(wanted[1:], wanted[0]).group_commuting(qubit_wise=True):
        copy = circuit.copy()
        x, z = np.any(group.paulis.x, axis=0), np.any(group.paulis.z, axis=0)
        for qubit in np.flatnonzero(x).tolist():  # so that X, or Y, is what is read
            if not z[qubit]:
                copy.rz(np.pi / 2, qubit)
            copy.sx(qubit)
        used = np.flatnonzero(x | z).tolist()
        copy.add_register(ClassicalRegister(len(used), "meas"))
        copy.measure(used, range(len(used)))
        measured.append(copy)
    return measured


warnings.filterwarnings("ignore")
