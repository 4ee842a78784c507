"""Draws the plots of the guides to suppression, readout and extrapolation: errors against the option.

python docs/techniques/suppression_figures.py
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp

from coldplate.backends.catalog import load
from coldplate.engine.estimator import combine, prepare
from coldplate.engine.options import EstimatorOptions, Execution, Twirling
from coldplate.mitigation.dd import DdOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions

HERE = Path(__file__).parent
START = datetime(2025, 1, 1, tzinfo=UTC)
TREX = EstimatorOptions(default_shots=2000, twirling=Twirling(measure=True), trex=TrexOptions())
RAW = replace(TREX, trex=None)
TWIRLED = replace(TREX, twirling=Twirling(measure=True, gates=True))


def estimate(backend: Any, circuit: QuantumCircuit, strings: list[str], options: EstimatorOptions) -> Any:
    """Values and errors."""
    rng = np.random.default_rng(3)
    pub = EstimatorPub.coerce((circuit, [SparsePauliOp(string) for string in strings]))
    prepared = prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    return combine(prepared, backend.run(prepared.program, rng), options)[0].data


def pointing(num_qubits: int) -> QuantumCircuit:
    """Every qubit in |+>."""
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(num_qubits):
        circuit.rz(np.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(np.pi / 2, qubit)
    return circuit


def repeated(gates: int) -> QuantumCircuit:
    """An even number of cz, which do nothing."""
    circuit = pointing(2)
    for _ in range(gates):
        circuit.cz(0, 1)
        circuit.barrier()
    return circuit


def waiting(microseconds: float) -> QuantumCircuit:
    """|+> that is left alone."""
    circuit = pointing(1)
    if microseconds:
        circuit.delay(microseconds * 1e-6, 0, unit="s")
    return circuit


def flipped(num_qubits: int) -> QuantumCircuit:
    """|1...1>."""
    circuit = QuantumCircuit(num_qubits)
    circuit.x(range(num_qubits))
    return circuit


def draw(name: str, label: str, title: str, lines: dict[str, tuple[Any, Any, Any]]) -> None:
    """A plot of lines with error bars: what is right is 1."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    for line, (x, y, errors) in lines.items():
        axes.errorbar(x, y, yerr=errors, marker="o", markersize=4, capsize=2, label=line)
    axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel=label, ylabel="value (1 is right)", title=title)
    axes.legend()
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def line(points: Any, make: Any, backend: Any, options: Any, strings: Any) -> tuple[Any, Any, Any]:
    """Values at each point: mean over strings, which all should be 1 or -1 as they have signs."""
    found = []
    for point in points:
        signs, wanted = strings(point)
        how = options(point) if callable(options) else options
        data = estimate(backend, make(point), wanted, how)
        values = np.array(signs) * data.evs
        found.append((values.mean(), np.sqrt((data.stds**2).mean() / len(values))))
    means, errors = zip(*found, strict=True)
    return list(points), means, errors


def main() -> None:
    """All plots."""
    plt.rcParams["svg.hashsalt"] = "coldplate"
    coherent, heron = load("emu_heron_coherent"), load("emu_heron_r1")
    both = lambda _point: ([1, 1], ["IX", "XI"])  # noqa: E731
    gates = range(0, 41, 8)
    draw(
        "twirling",
        "cz gates in a row (they do nothing)",
        "Over-rotations add up, unless they are twirled",
        {
            "as it is": line(gates, repeated, coherent, TREX, both),
            "gates twirled": line(gates, repeated, coherent, TWIRLED, both),
        },
    )
    waits = range(0, 41, 8)
    lone = lambda _point: ([1], ["X"])  # noqa: E731
    kept = {"left alone": line(waits, waiting, coherent, TREX, lone)}
    for sequence in ("XX", "XY4"):
        options = replace(TREX, execution=Execution(decoupling=DdOptions(sequence)))
        kept[sequence] = line(waits, waiting, coherent, options, lone)
    draw("decoupling", "wait in microseconds", "A qubit in |+> that waits", kept)
    widths = range(1, 13)
    parity = lambda width: ([(-1) ** width], ["Z" * width])  # noqa: E731
    draw(
        "readout",
        "weight of the Z string",
        "|1...1> read without and with TREX",
        {
            "as read": line(widths, flipped, heron, RAW, parity),
            "TREX": line(widths, flipped, heron, TREX, parity),
        },
    )
    depths = range(8, 73, 16)
    ways = {"level 1": TREX, "linear": ("linear",), "exponential": ("exponential",)}
    draw(
        "zne",
        "cz gates in a row (they do nothing)",
        "Extrapolated from noise factors 1, 3, 5",
        {
            name: line(
                depths,
                repeated,
                heron,
                way
                if isinstance(way, EstimatorOptions)
                else replace(TWIRLED, zne=ZneOptions(extrapolators=way)),
                both,
            )
            for name, way in ways.items()
        },
    )


if __name__ == "__main__":
    main()
