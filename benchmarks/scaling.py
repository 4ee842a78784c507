"""How time grows with qubits, parameter sets and shots, ours beside Aer's: `python -m benchmarks.scaling`.

Writes docs/scaling.svg and docs/scaling.json. Each system and thread count is a process of its own, which
stops a curve before its next point would take too long. The roofline is what the machine's memory allows: a
program that read and wrote the whole state once for each operation, at the speed of a copy, would be on it;
below it is who does several operations on a part of the state while that is in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from benchmarks.systems import Go, Ready, ours, raw_aer
from benchmarks.workloads import hardware_efficient

DOCS = Path(__file__).parents[1] / "docs"
LAYERS = 2  # of the circuits
QUBITS = tuple(range(2, 27, 2))
SETS = tuple(10**power for power in range(5))
SHOTS = tuple(10**power for power in range(2, 8))
GROWTH = 4.0  # from point to point, at most
COPIED = 1 << 27  # bytes of the arrays that are copied
SYSTEMS: dict[str, Callable[[int], Ready]] = {
    "coldplate": lambda shots: ours("sampler", options={"default_shots": shots}),
    "aer": lambda shots: raw_aer("sampler", shots, method="statevector"),
}
Point = dict[str, float]


def workload(qubits: int, sets: int) -> tuple[QuantumCircuit, np.ndarray]:
    """Rotations of every qubit and chains of CX, as for sweeps; all measured."""
    circuit = hardware_efficient(qubits, LAYERS, measure=True)
    return circuit, np.random.default_rng(1).uniform(-np.pi, np.pi, (sets, circuit.num_parameters))


CURVES: dict[str, tuple[tuple[int, ...], Callable[[int], tuple[int, int, int]]]] = {
    "qubits": (QUBITS, lambda x: (x, 1, 1000)),
    "sets": (SETS, lambda x: (10, x, 100)),
    "shots": (SHOTS, lambda x: (10, 1, x)),
}


def points(system: str, curve: str, longest_s: float) -> Iterator[Point]:
    """Seconds at each place of a curve: the better of two runs, or the only one where it is long."""
    places, at = CURVES[curve]
    last = 0.0
    for x in places:
        if last * GROWTH > longest_s:
            return
        qubits, sets, shots = at(x)
        ready = SYSTEMS[system](shots)
        go = ready([workload(qubits, sets)])
        last = took(go)
        yield {"x": x, "seconds": last if last > 0.5 else min(last, took(go), took(go))}


def took(go: Go) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    go()
    return time.perf_counter() - began


def bandwidth() -> float:
    """Bytes per second that one thread reads and writes when it copies an array that no cache holds."""
    source = np.ones(COPIED // 8)
    target = np.zeros_like(source)
    return 2 * COPIED / min(took(lambda: np.copyto(target, source)) for _ in range(5))


def operations(qubits: int) -> int:
    """Passes over the state that are needed when each operation is one: two-qubit gates and merged others."""
    return LAYERS * (qubits - 1) + (LAYERS + 1) * qubits


def roofline(qubits: int, bytes_per_s: float) -> float:
    """Seconds to read and write a state of double precision once for each operation."""
    return operations(qubits) * 2 * 16 * 2.0**qubits / bytes_per_s


def measure(longest_s: float, threads: tuple[int, ...] = (1, 2)) -> dict[str, Any]:
    """All curves, each system in a process of its own, one after the other."""
    found: dict[str, Any] = {"bandwidth": bandwidth(), "curves": {}}
    for system in SYSTEMS:
        for number in threads:
            environment = os.environ | {"OMP_NUM_THREADS": str(number)}
            command = [
                sys.executable,
                "-m",
                "benchmarks.scaling",
                "--longest",
                str(longest_s),
                "--one",
                system,
            ]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            for curve, line in json.loads(done.stdout.splitlines()[-1]).items():
                found["curves"][f"{system}/{number}/{curve}"] = line
    return found


def draw(found: dict[str, Any]) -> None:
    """docs/scaling.svg."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "coldplate", "font.size": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4), sharey=True)
    labels = {
        "qubits": "qubits (1 set, 1000 shots)",
        "sets": "parameter sets (10 qubits, 100 shots)",
        "shots": "shots (10 qubits, 1 set)",
    }
    for axis, (curve, label) in zip(axes, labels.items(), strict=True):
        for name, line in found["curves"].items():
            system, threads, which = name.split("/")
            if which == curve:
                axis.plot(
                    [point["x"] for point in line],
                    [point["seconds"] for point in line],
                    marker="o",
                    markersize=3,
                    color="C0" if system == "coldplate" else "C1",
                    linestyle="-" if threads == "1" else "--",
                    label=f"{system}, {threads} thread{'s' if threads != '1' else ''}",
                )
        axis.set(xlabel=label, yscale="log", xscale="linear" if curve == "qubits" else "log")
        axis.grid(alpha=0.3)
    wide = [qubits for qubits in QUBITS if qubits >= 16]
    line = [roofline(qubits, found["bandwidth"]) for qubits in wide]
    axes[0].plot(wide, line, color="0.4", linewidth=1, label="one pass of memory per operation")
    axes[0].set_ylabel("seconds")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(DOCS / "scaling.svg", metadata={"Date": None})


def main() -> None:
    """Measure and draw; with `--drawn`, draw what was measured; with `--one`, print those of one system."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--one", metavar="SYSTEM")
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--longest", type=float, default=10.0, help="seconds that a point may take")
    wanted = parser.parse_args()
    if wanted.one:
        found = {curve: list(points(wanted.one, curve, wanted.longest)) for curve in CURVES}
        print(json.dumps(found))
        return
    file = DOCS / "scaling.json"
    if not wanted.drawn:
        file.write_text(json.dumps(measure(wanted.longest), indent=1) + "\n")
    draw(json.loads(file.read_text()))


if __name__ == "__main__":
    main()
