"""van den Berg, Minev, Temme, arXiv:2012.09738: readout error taken out of values, without a model of it.

Strings of growing weight on an emulated Heron whose readout errors are correlated: each neighbour that is
read as 1 adds to the error. The value of a string in its eigenstate is read without mitigation, with
independent errors undone (M3), and with TREX; many seeds show what is bias and what is spread.

python docs/published/readout.py            runs it and writes readout.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import rustworkx
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import EstimatorV2, SamplerV2

from coldplate.client import pointed_at
from coldplate.testing import running_server

HERE = Path(__file__).parent
DEVICE = "emu_crosstalk"
WEIGHTS = (1, 2, 4, 6, 8, 10, 12)
LETTERS = "XYZZYXXZYXZY"  # the prepared Pauli state: +1 eigenstates, qubit by qubit
ANGLES = np.pi * np.array([0, 0.2, 0.4, 0.5, 0.6, 0.8, 1])
SHOTS = 4096  # per string and, by default, of the calibration
WAYS = {
    "unmitigated": {"measure_mitigation": False},
    "twirled": {"measure_mitigation": False},
    "mitigated": {"measure_mitigation": True},
}


def chain(backend, length: int, worst: float = 0.06) -> list[int]:
    """Qubits in a row, each read with an error of at most so much."""
    target = backend.target
    good = [q for q in range(backend.num_qubits) if target["measure"][(q,)].error <= worst]
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(backend.num_qubits))
    graph.add_edges_from_no_data(sorted({tuple(sorted(edge)) for edge in target["cz"]}))
    alive = graph.subgraph(good)
    longest = rustworkx.longest_simple_path(alive)
    return [alive[place] for place in longest][:length]


def pubs(backend) -> list[tuple]:
    """|1...1>, a product of Pauli eigenstates, and one whose first qubit is turned: with all weights."""
    number = max(WEIGHTS)
    manager = generate_preset_pass_manager(1, backend, initial_layout=chain(backend, number))
    ones, paulis, turned = (QuantumCircuit(number) for _ in range(3))
    ones.x(range(number))
    for qubit, letter in enumerate(LETTERS):
        if letter != "Z":
            paulis.h(qubit)
        if letter == "Y":
            paulis.s(qubit)
    turned.x(range(1, number))
    turned.ry(Parameter("angle"), 0)
    found = []
    for circuit, letters in ((ones, "Z" * number), (paulis, LETTERS), (turned, "Z" * number)):
        isa = manager.run(circuit)
        strings = [
            SparsePauliOp.from_sparse_list([(letters[:weight], list(range(weight)), 1.0)], number)
            for weight in WEIGHTS
        ]
        placed = [one.apply_layout(isa.layout) for one in strings]
        found.append((isa, placed) if circuit is not turned else (isa, [[one] for one in placed], ANGLES))
    return found


def values(backend, wanted: list[tuple], way: str, seed: int):
    """Values and errors of all strings: of |1...1>, of the Pauli state, and for each angle."""
    options = {
        "default_shots": SHOTS,
        "seed_estimator": seed,
        "resilience": WAYS[way],
        "twirling": {"enable_measure": way != "unmitigated"},
    }
    result = EstimatorV2(backend, options=options).run(wanted).result()
    return [(pub.data.evs, pub.data.stds) for pub in result]


def independent(backend, wanted: list[tuple], seed: int) -> list[float]:
    """Values of |1...1> when readout errors count as independent: from the quasi-probabilities of M3."""
    circuit = wanted[0][0].copy()
    number = max(WEIGHTS)
    places = circuit.layout.final_index_layout()
    measured = QuantumCircuit(circuit.num_qubits, number)
    measured.compose(circuit, inplace=True)
    measured.measure(places, range(number))
    options = {"experimental": {"readout_mitigation": "m3"}, "simulator": {"seed_simulator": seed}}
    pub = SamplerV2(backend, options=options).run([measured], shots=4 * SHOTS).result()[0]
    quasi = pub.metadata["coldplate"]["readout_mitigation"]["quasi_probabilities"]
    strings, weights = list(quasi), np.array(list(quasi.values()))
    signs = np.array([[(-1) ** text[number - weight :].count("1") for weight in WEIGHTS] for text in strings])
    return list(weights @ signs)


def run(seeds: int = 100) -> dict:
    """The experiment; its figures."""
    with (
        running_server(catalog=HERE / "catalog.toml") as server,
        pointed_at(server.url, server.key, server.crn) as service,
    ):
        backend = service.backend(DEVICE)
        wanted, began = pubs(backend), time.monotonic()
        found = {way: [values(backend, wanted, way, 1 + seed) for seed in range(seeds)] for way in WAYS}
        model = np.array([independent(backend, wanted, 1 + seed) for seed in range(max(2, seeds // 10))])
        seconds = time.monotonic() - began
    return {
        "seconds": seconds,
        "seeds": seeds,
        "rows": eigenstates(found, model, prepared(backend)),
        "sweep": sweep(found["mitigated"], found["unmitigated"]),
    }


def prepared(backend) -> list[list[float]]:
    """What errors of gates leave of each string before it is read: of |1...1>, and of the Pauli state."""
    left = [1 - 2 * backend.target["sx"][(qubit,)].error for qubit in chain(backend, max(WEIGHTS))]
    turned = [one if letter != "Z" else 1.0 for one, letter in zip(left, LETTERS, strict=True)]
    return [[float(np.prod(one[:weight])) for weight in WEIGHTS] for one in (left, turned)]


def eigenstates(found: dict, model: np.ndarray, right: list[list[float]]) -> list[dict]:
    """A row for each weight and state: what is read, what is left after mitigation, and its spread."""
    rows = []
    for place, (state, exact) in enumerate((("|1...1>", (-1) ** np.array(WEIGHTS)), ("Pauli state", 1))):
        exact = np.broadcast_to(exact, len(WEIGHTS))
        read = {way: np.array([one[place][0] for one in runs]) for way, runs in found.items()}
        told = np.array([one[place][1] for one in found["mitigated"]])
        for index, weight in enumerate(WEIGHTS):
            sign = float(exact[index])
            own = sign * read["mitigated"][:, index]
            row = {
                "state": state,
                "weight": weight,
                "prepared": right[place][index],
                "damping": float(np.mean(sign * read["twirled"][:, index])),
                "unmitigated": float(np.mean(sign * read["unmitigated"][:, index])),
                "mitigated": float(np.mean(own)),
                "error": float(np.std(own, ddof=1) / np.sqrt(len(own))),
                "spread": float(np.std(own, ddof=1)),
                "told": float(np.sqrt(np.mean(told[:, index] ** 2))),
            }
            if place == 0:
                row["independent"] = float(np.mean(sign * model[:, index]))
            rows.append(row)
    return rows


def sweep(mitigated: list, unmitigated: list) -> list[dict]:
    """A row for each weight and angle of the first qubit: the mean, and the shots' worth of its variance."""
    values, raw = (np.array([one[2][0] for one in runs]) for runs in (mitigated, unmitigated))
    return [
        {
            "weight": weight,
            "exact": float(np.cos(angle) * (-1) ** (weight - 1)),
            "mitigated": float(values[:, index, place].mean()),
            "unmitigated": float(raw[:, index, place].mean()),
            "spread": float(values[:, index, place].std(ddof=1)),
            "shots": SHOTS,
        }
        for index, weight in enumerate(WEIGHTS)
        for place, angle in enumerate(ANGLES)
    ]


if __name__ == "__main__":
    figures = run(*map(int, sys.argv[1:]))
    (HERE / "readout.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures["rows"], indent=1))
