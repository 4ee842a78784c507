"""van den Berg et al., Nature Physics 19, 1116 (2023): PEC of Ising chains of 4 and 10 qubits.

Trotter circuits of a transverse-field Ising chain on an emulated Heron, more steps from left to right. PEC
should give the right magnetization at every depth, with error bars that cover, at a price of gamma squared.

python docs/published/cancellation.py            runs it and writes cancellation.json
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import EstimatorV2

from coldplate.client import pointed_at
from coldplate.testing import running_server

HERE = Path(__file__).parent
DEVICE = "emu_torino"
STEPS = {4: (1, 3, 5, 7, 9), 10: (1, 2, 3, 4)}
COUPLING, FIELD, TIME_STEP = 0.5, 1.0, 0.25


def trotter(num_qubits: int, steps: int) -> QuantumCircuit:
    """First-order steps of exp(-i t H), H = -J sum ZZ + h sum X."""
    circuit = QuantumCircuit(num_qubits)
    for _ in range(steps):
        circuit.rx(2 * FIELD * TIME_STEP, range(num_qubits))
        for start in (0, 1):
            for first in range(start, num_qubits - 1, 2):
                circuit.rzz(-2 * COUPLING * TIME_STEP, first, first + 1)
            circuit.barrier()
    return circuit


def observables(num_qubits: int) -> list[SparsePauliOp]:
    """The mean of Z, and Z on all qubits."""
    single = [("Z", [qubit], 1 / num_qubits) for qubit in range(num_qubits)]
    all_of_them = [("Z" * num_qubits, list(range(num_qubits)), 1.0)]
    return [SparsePauliOp.from_sparse_list(terms, num_qubits) for terms in (single, all_of_them)]


def run() -> dict:
    """The experiment; its figures."""
    with (
        running_server(catalog=HERE / "catalog.toml") as server,
        pointed_at(server.url, server.key, server.crn) as service,
    ):
        backend = service.backend(DEVICE)
        began, rows = time.monotonic(), []
        for num_qubits, depths in STEPS.items():
            rows += chain(backend, num_qubits, depths)
        return {"seconds": time.monotonic() - began, "rows": rows}


def chain(backend, num_qubits: int, depths: tuple[int, ...]) -> list[dict]:
    """All depths of one chain, with PEC and with readout mitigation only."""
    manager = generate_preset_pass_manager(1, backend, initial_layout=list(range(num_qubits)))
    circuits = [trotter(num_qubits, steps) for steps in depths]
    isa = [manager.run(circuit) for circuit in circuits]
    pubs = [
        (circuit, [one.apply_layout(circuit.layout) for one in observables(num_qubits)]) for circuit in isa
    ]
    plain = (
        EstimatorV2(backend, options={"seed_estimator": 1, "resilience_level": 1})
        .run(pubs, precision=0.008)
        .result()
    )
    options = {
        "seed_estimator": 2,
        "resilience_level": 1,
        "resilience": {"pec_mitigation": True, "layer_noise_learning": {"max_layers_to_learn": None}},
    }
    cancelled = EstimatorV2(backend, options=options).run(pubs, precision=0.008).result()
    rows = []
    for steps, circuit, before, after in zip(depths, circuits, plain, cancelled, strict=True):
        state = Statevector(circuit)
        for place, (name, one) in enumerate(zip(("mean Z", "all Z"), observables(num_qubits), strict=True)):
            about = after.metadata["coldplate"]["pec"]
            rows.append(
                {
                    "qubits": num_qubits,
                    "steps": steps,
                    "name": name,
                    "exact": float(np.real(state.expectation_value(one))),
                    "unmitigated": float(before.data.evs[place]),
                    "mitigated": float(after.data.evs[place]),
                    "error": float(after.data.stds[place]),
                    "gamma": about["gamma"],
                    "randomizations": after.metadata["num_randomizations"],
                }
            )
    return rows


if __name__ == "__main__":
    figures = run()
    (HERE / "cancellation.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))
