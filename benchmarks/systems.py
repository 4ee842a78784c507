"""Our engine and its peers behind one shape: a function that takes pubs and runs them to their results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

Pub = tuple[Any, ...]
Runner = Callable[[Sequence[Pub]], Any]


def ours(program: str, *, backend: str = "sim_statevector", **options: Any) -> Runner:
    """The whole path inside a job's process: the client's bytes in, the client's bytes out."""
    from qiskit_ibm_runtime import RuntimeEncoder

    from coldplate.backends import catalog
    from coldplate.programs.registry import Context, find

    device = catalog.load(backend, None)
    run = find(program)

    def go(pubs: Sequence[Pub]) -> bytes:
        params = {
            "pubs": [as_sent(program, pub) for pub in pubs],
            "version": 2,
            "support_qiskit": True,
            **options,
        }
        params.setdefault("options", {})
        return run(json.dumps(params, cls=RuntimeEncoder).encode(), device, Context()).body

    return go


def as_sent(program: str, pub: Pub) -> list[Any]:
    """A pub as the official client puts it into the params."""
    circuit = pub[0]
    values = np.asarray(pub[-1] if len(pub) > 2 or (program == "sampler" and len(pub) > 1) else np.zeros(0))
    if program == "sampler":
        return [circuit, values, None]
    observable: SparsePauliOp = pub[1]
    return [
        circuit,
        dict(zip(observable.paulis.to_labels(), observable.coeffs.real, strict=True)),
        values,
        None,
    ]


def local_mode(program: str, shots_or_precision: float) -> Runner:
    """The official client's local testing mode on Aer."""
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime import EstimatorV2, SamplerV2

    backend = AerSimulator()
    if program == "sampler":
        return lambda pubs: SamplerV2(mode=backend).run(list(pubs), shots=int(shots_or_precision)).result()
    return lambda pubs: EstimatorV2(mode=backend).run(list(pubs), precision=shots_or_precision).result()


def aer_primitive(program: str, shots_or_precision: float) -> Runner:
    """`qiskit_aer.primitives`."""
    from qiskit_aer.primitives import EstimatorV2, SamplerV2

    if program == "sampler":
        sampler = SamplerV2()
        return lambda pubs: sampler.run(list(pubs), shots=int(shots_or_precision)).result()
    estimator = EstimatorV2()
    return lambda pubs: estimator.run(list(pubs), precision=shots_or_precision).result()


def raw_aer(program: str, shots: int) -> Runner:
    """The same measured circuits, all parameter sets, in one bare Aer call without any post-processing."""
    from qiskit_aer import AerSimulator

    backend = AerSimulator()

    def go(pubs: Sequence[Pub]) -> Any:
        circuits, binds = [], []
        for pub in pubs:
            measured = [pub[0]] if program == "sampler" else in_each_basis(pub[0], pub[1])
            values = pub[-1] if len(pub) > (1 if program == "sampler" else 2) else None
            for circuit in measured:
                circuits.append(circuit)
                bound = (
                    zip(pub[0].parameters, np.asarray(values).T, strict=True) if values is not None else ()
                )
                binds.append({parameter: column.tolist() for parameter, column in bound})
        return backend.run(circuits, parameter_binds=binds, shots=shots).result()

    return go


def in_each_basis(circuit: QuantumCircuit, observable: SparsePauliOp) -> list[QuantumCircuit]:
    """The circuit measured once in each qubit-wise commuting basis of the observable."""
    measured = []
    for group in observable.group_commuting(qubit_wise=True):
        copy = circuit.copy()
        x, z = np.any(group.paulis.x, axis=0), np.any(group.paulis.z, axis=0)
        for qubit in np.flatnonzero(x):
            if z[qubit]:
                copy.sdg(qubit)
            copy.h(qubit)
        copy.measure_all()
        measured.append(copy)
    return measured


warnings.filterwarnings("ignore")
