"""Nation et al., PRX Quantum 2, 040326 (2021): readout error of GHZ states undone by M3, up to 120 qubits.

GHZ states of growing size, twice: on an emulated 127-qubit device with all its noise, as in the paper; and
with its errors of readout alone, where it is known that the populations of |0...0> and |1...1> have to come
back to 1. The price should be far from that of the whole inverse, and the solver's iterations few.

python docs/published/ghz.py            runs it and writes ghz.json
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime import SamplerV2

from coldplate.client import pointed_at
from coldplate.testing import running_server

HERE = Path(__file__).parent
DEVICE, ROOT = "clifford_brisbane", 62
SIZES = (2, 4, 6, 8, 10, 14, 20, 26, 32, 42, 60, 80, 100, 120)
PAPERS = 42  # the paper's largest
SHOTS = 100_000
WHOLE = 10  # qubits up to which the whole matrix is inverted as well
SCALE = 0.5  # of the device's errors; the paper's devices were better than this snapshot
WORST = 0.05  # no qubit's readout counts as worse than this


def order(backend) -> list[tuple[int, int]]:
    """Pairs in which to entangle, breadth first from the middle of the device."""
    edges = {tuple(sorted(edge)) for edge in backend.coupling_map.get_edges()}
    near: dict[int, list[int]] = {}
    for first, second in sorted(edges):
        near.setdefault(first, []).append(second)
        near.setdefault(second, []).append(first)
    seen, pairs, frontier = {ROOT}, [], [ROOT]
    while frontier:
        found = []
        for qubit in frontier:
            for other in near[qubit]:
                if other not in seen:
                    seen.add(other)
                    pairs.append((qubit, other))
                    found.append(other)
        frontier = found
    return pairs


def ghz(backend, size: int) -> tuple[QuantumCircuit, list[int]]:
    """The circuit in the device's own gates, and which qubits it measures."""
    pairs = order(backend)[: size - 1]
    circuit = QuantumCircuit(backend.num_qubits, size)
    circuit.h(ROOT)
    for first, second in pairs:
        circuit.cx(first, second)
    qubits = [ROOT, *(second for _, second in pairs)]
    circuit.measure(qubits, range(size))
    return generate_preset_pass_manager(1, backend, layout_method="trivial").run(circuit), qubits


def misreading(backend, qubit: int) -> tuple[float, float]:
    """How often 0 is read as 1, and 1 as 0: the snapshot's, scaled, and the second three times the first."""
    error = min(WORST, SCALE * backend.target["measure"][(qubit,)].error)
    return 0.5 * error, 1.5 * error


def only_readout(backend) -> NoiseModel:
    """A noise model whose gates are ideal."""
    model = NoiseModel()
    for qubit in range(backend.num_qubits):
        up, down = misreading(backend, qubit)
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    return model


def sample(backend, circuit: QuantumCircuit, *, m3: bool = True, noise: NoiseModel | None = None):
    """The result of one circuit, and the seconds that it took."""
    options = {
        "simulator": {"seed_simulator": 1} | ({} if noise is None else {"noise_model": noise}),
        "experimental": {"readout_mitigation": "m3" if m3 else "none"},
    }
    began = time.monotonic()
    pub = SamplerV2(backend, options=options).run([circuit], shots=SHOTS).result()[0]
    return pub, time.monotonic() - began


def ends(table: dict[str, float], size: int) -> float:
    """The populations of |0...0> and |1...1>."""
    return float(table.get("0" * size, 0) + table.get("1" * size, 0))


def inverted(counts: dict[str, int], rates: Iterable[tuple[float, float]]) -> dict[str, float]:
    """What the inverse of the whole matrix says, by the true rates: 2^n numbers."""
    rates = list(rates)
    table = np.zeros((2,) * len(rates))
    for text, number in counts.items():
        table[tuple(int(bit) for bit in reversed(text))] = number / SHOTS
    for place, (up, down) in enumerate(rates):
        inverse = np.linalg.inv([[1 - up, down], [up, 1 - down]])
        table = np.moveaxis(np.tensordot(inverse, table, axes=(1, place)), 0, place)
    return {"".join(map(str, reversed(where))): float(value) for where, value in np.ndenumerate(table)}


def row(backend, size: int) -> dict:
    """What is read and mitigated of one size, on the device and with errors of readout alone."""
    circuit, qubits = ghz(backend, size)
    _, without = sample(backend, circuit, m3=False)
    device, took = sample(backend, circuit)
    alone, _ = sample(backend, circuit, noise=only_readout(backend))
    rates = [misreading(backend, qubit) for qubit in qubits]
    found = {
        "qubits": size,
        "overhead_whole": float(np.prod([(1 + abs(up - down)) / (1 - up - down) for up, down in rates]) ** 2),
        "device": about(device, size) | {"seconds": took - without},
        "alone": about(alone, size),
    }
    if size <= WHOLE:
        found["inverted"] = ends(inverted(alone.data.c.get_counts(), rates), size)
    return found


def about(pub, size: int) -> dict:
    """The figures of one result."""
    counts, told = pub.data.c.get_counts(), pub.metadata["coldplate"]["readout_mitigation"]
    return {
        "unmitigated": ends(counts, size) / SHOTS,
        "mitigated": ends(told["quasi_probabilities"], size),
        "bound": float(np.sqrt(told["mitigation_overhead"] / SHOTS)),
        "overhead": told["mitigation_overhead"],
        "strings": len(counts),
        "once": sum(number == 1 for number in counts.values()) / SHOTS,
        "iterations": told["iterations"],
    }


def run(*sizes: int) -> dict:
    """The experiment; its figures."""
    with (
        running_server(catalog=HERE / "catalog.toml") as server,
        pointed_at(server.url, server.key, server.crn) as service,
    ):
        backend, began = service.backend(DEVICE), time.monotonic()
        rows = [row(backend, size) for size in sizes or SIZES]
        return {"seconds": time.monotonic() - began, "shots": SHOTS, "rows": rows}


if __name__ == "__main__":
    figures = run(*map(int, sys.argv[1:]))
    (HERE / "ghz.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
