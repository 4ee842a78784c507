"""Draws the plots of the guides about layer noise: each option against the error, on an emulated Heron.

python docs/techniques/figures.py
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_ibm_runtime import EstimatorV2, NoiseLearnerV3
from samplomatic.transpiler import generate_boxing_pass_manager
from samplomatic.utils import find_unique_box_instructions

from coldplate.client import pointed_at
from coldplate.testing import running_server

HERE = Path(__file__).parent
STEPS, SEEDS = 5, range(6)
ERROR, BAR = "#2b6cb0", "#b0413e"
OBSERVABLES = ("IIIZ", "IIZZ", "ZZII", "ZZZZ", "XXII", "IYYI")


def circuit(width: int) -> QuantumCircuit:
    """Four qubits, in the device's gates."""
    made = QuantumCircuit(width)
    for _ in range(STEPS):
        for qubit in range(4):
            made.sx(qubit)
            made.rz(0.4 + 0.3 * qubit, qubit)
        made.cz(0, 1)
        made.cz(2, 3)
        made.cz(1, 2)
    return made


def exact() -> np.ndarray:
    """The right values."""
    state = Statevector(circuit(4))
    return np.array([state.expectation_value(SparsePauliOp(one)).real for one in OBSERVABLES])


def errors(backend, resilience: dict, level: int = 1) -> tuple[float, float]:
    """Root mean square of the errors over observables and seeds, and of the error bars."""
    pub = (circuit(backend.num_qubits), [one.rjust(backend.num_qubits, "I") for one in OBSERVABLES])
    off, bars = [], []
    for seed in SEEDS:
        options = {"seed_estimator": seed, "resilience_level": level, "resilience": resilience}
        data = EstimatorV2(backend, options=options).run([pub]).result()[0].data
        off.append(data.evs - exact())
        bars.append(data.stds)
    return tuple(float(np.sqrt(np.mean(np.square(found)))) for found in (off, bars))


def draw(name: str, label: str, values: list, found: list[tuple[float, float]]) -> None:
    """One plot."""
    figure, axes = plt.subplots(figsize=(4.6, 3), layout="constrained")
    rms, bar = zip(*found, strict=True)
    axes.plot(values, rms, "o-", color=ERROR, label="rms error")
    axes.plot(values, bar, "s--", color=BAR, label="error bar")
    axes.set(xlabel=label, ylim=(0, None))
    axes.legend()
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})


def learning(backend) -> None:
    """The median standard error of a rate against shots per basis and depth."""
    manager = generate_boxing_pass_manager(enable_measures=False, twirling_strategy="active")
    boxes = find_unique_box_instructions(manager.run(circuit(backend.num_qubits)))
    gates = [box for box in boxes if any(len(one.qubits) == 2 for one in box.operation.body)]
    numbers, found = [4, 8, 16, 32, 64], []
    for number in numbers:
        results = NoiseLearnerV3(backend, {"num_randomizations": number}).run(gates).result()
        found.append(float(np.median(np.concatenate([one._rates_std for one in results]))))
    figure, axes = plt.subplots(figsize=(4.6, 3), layout="constrained")
    shots = [128 * number for number in numbers]
    axes.loglog(shots, found, "o-", color=ERROR)
    axes.set(xlabel="shots per basis and depth", ylabel="median error of a rate", xticks=shots)
    axes.set_xticklabels(shots)
    axes.minorticks_off()
    figure.savefig(HERE / "learning.svg", metadata={"Date": None})


def main() -> None:
    """All plots."""
    plt.rcParams.update({"svg.hashsalt": "coldplate", "font.size": 9})
    warnings.simplefilter("ignore", DeprecationWarning)
    with running_server() as server, pointed_at(server.url, server.key, server.crn) as service:
        backend = service.backend("emu_heron_r1")
        learning(backend)
        gains = [0, 0.25, 0.5, 0.75, 1]
        pec = [errors(backend, {"pec_mitigation": True, "pec": {"noise_gain": gain}}) for gain in gains]
        draw("pec", "noise_gain", gains, pec)
        largest = [1.6, 2, 3, 4, 5]
        pea = [
            errors(backend, {"zne": {"amplifier": "pea", "noise_factors": [1, (1 + top) / 2, top]}}, level=2)
            for top in largest
        ]
        draw("pea", "largest noise factor", largest, pea)


if __name__ == "__main__":
    main()
