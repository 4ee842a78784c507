"""Draws the plots of docs/published.md from the figures beside this file.

python docs/published/plot.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
UNMITIGATED, MITIGATED, EXACT, MODEL = "#b0413e", "#2b6cb0", "#555555", "#b7791f"


def rows(name: str) -> list[dict]:
    """The figures of an experiment."""
    return json.loads((HERE / f"{name}.json").read_text())["rows"]


def draw(axes, points: list[dict], title: str) -> None:
    """Values against steps: right ones, unmitigated ones, and mitigated ones with their errors."""
    steps = [row["steps"] for row in points]
    axes.plot(steps, [row["exact"] for row in points], "_-", color=EXACT, label="exact", linewidth=1)
    axes.plot(steps, [row["unmitigated"] for row in points], "o", color=UNMITIGATED, label="unmitigated")
    values, errors = ([row[name] for row in points] for name in ("mitigated", "error"))
    axes.errorbar(steps, values, errors, fmt="s", color=MITIGATED, label="mitigated", capsize=3)
    axes.set(title=title, xlabel="steps", xticks=steps)


def kicked_ising() -> None:
    """127 qubits: Z at theta = 0 against depth, and the heavy operators at theta = pi/2."""
    found = rows("kicked_ising")
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    draw(panels[0], [row for row in found if row["name"] == "Z62"], r"$\langle Z_{62}\rangle$")
    draw(panels[1], [row for row in found if row["name"] == "mean Z"], "mean of Z")
    heavy = [row for row in found if row["name"].startswith("weight")]
    draw(panels[2], [{**row, "steps": place} for place, row in enumerate(heavy)], "5 steps")
    panels[2].set_xticks(range(len(heavy)), [row["name"] for row in heavy])
    panels[2].set_xlabel("")
    panels[0].legend(loc="lower left")
    figure.savefig(HERE / "kicked_ising.svg", metadata={"Date": None})


def cancellation() -> None:
    """4 and 10 qubits: both observables against depth."""
    found = rows("cancellation")
    figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
    groups = [(qubits, name) for qubits in (4, 10) for name in ("mean Z", "all Z")]
    for axes, (qubits, name) in zip(panels, groups, strict=True):
        chosen = [row for row in found if (row["qubits"], row["name"]) == (qubits, name)]
        draw(axes, chosen, f"{name}, {qubits} qubits")
    panels[0].legend(loc="lower left")
    figure.savefig(HERE / "cancellation.svg", metadata={"Date": None})


def readout() -> None:
    """TREX: values against weight, values against what they should be, and the price against the law."""
    found = json.loads((HERE / "readout.json").read_text())
    ones = [row for row in found["rows"] if row["state"] == "|1...1>"]
    weights = [row["weight"] for row in ones]
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    panels[0].plot(weights, [row["prepared"] for row in ones], "_-", color=EXACT, label="prepared")
    panels[0].plot(weights, [row["unmitigated"] for row in ones], "o", color=UNMITIGATED, label="unmitigated")
    panels[0].plot(
        weights, [row["independent"] for row in ones], "^", color=MODEL, label="errors independent"
    )
    panels[0].errorbar(
        weights,
        [row["mitigated"] for row in ones],
        [row["spread"] for row in ones],
        fmt="s",
        color=MITIGATED,
        label="TREX, one job",
        capsize=3,
    )
    panels[0].set(title=r"parity of $|1\ldots1\rangle$", xlabel="weight", ylim=(0, 1.12))
    panels[0].legend(loc="lower left")
    widest = [row for row in found["sweep"] if row["weight"] == max(weights)]
    exact = [row["exact"] for row in widest]
    panels[1].plot([-1, 1], [-1, 1], "-", color=EXACT, linewidth=1)
    panels[1].plot(exact, [row["unmitigated"] for row in widest], "o", color=UNMITIGATED)
    panels[1].errorbar(
        exact,
        [row["mitigated"] for row in widest],
        [row["spread"] for row in widest],
        fmt="s",
        color=MITIGATED,
        capsize=3,
    )
    panels[1].set(title=f"weight {max(weights)}, one qubit turned", xlabel="exact value")
    free = {row["weight"]: row for row in found["sweep"] if abs(row["exact"]) < 1e-9}
    damping = [row["damping"] for row in ones]
    line = np.linspace(min(damping), 1, 100)
    panels[2].plot(line, line**-2.0, "-", color=EXACT, linewidth=1, label="$1/f^2$")
    shots = [free[weight]["spread"] ** 2 * free[weight]["shots"] for weight in weights]
    bars = [one * np.sqrt(2 / found["seeds"]) for one in shots]
    panels[2].errorbar(
        damping, shots, bars, fmt="s", color=MITIGATED, label="variance times shots", capsize=3
    )
    panels[2].set(title="price", xlabel="damping f", yscale="log", yticks=[1, 2, 5, 10])
    panels[2].set_yticklabels(["1", "2", "5", "10"])
    panels[2].legend()
    figure.savefig(HERE / "readout.svg", metadata={"Date": None})


def ghz() -> None:
    """M3: populations, the price beside that of the whole inverse, and iterations."""
    found = rows("ghz")
    sizes = [row["qubits"] for row in found]
    figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
    for axes, place, title in ((panels[0], "device", "device"), (panels[1], "alone", "readout alone")):
        axes.plot(sizes, [row[place]["unmitigated"] for row in found], "o", color=UNMITIGATED, label="read")
        axes.errorbar(
            sizes,
            [row[place]["mitigated"] for row in found],
            [row[place]["bound"] for row in found],
            fmt="s",
            color=MITIGATED,
            label="M3",
            capsize=3,
        )
        axes.set(title=rf"$P_{{0\ldots0}}+P_{{1\ldots1}}$, {title}", xlabel="qubits", ylim=(0, 1.1))
        axes.axvline(42, color=EXACT, linestyle=":", linewidth=1)
    panels[0].legend(loc="lower left")
    panels[2].plot(sizes, [row["overhead_whole"] for row in found], "-", color=EXACT, label="whole inverse")
    panels[2].plot(sizes, [row["alone"]["overhead"] for row in found], "s", color=MITIGATED, label="M3")
    panels[2].set(title="overhead, readout alone", xlabel="qubits", yscale="log")
    panels[2].legend()
    for place, mark, colour in (("device", "s", MITIGATED), ("alone", "^", MODEL)):
        iterated = [row for row in found if row[place]["iterations"]]
        panels[3].plot(
            [row["qubits"] for row in iterated],
            [row[place]["iterations"] for row in iterated],
            mark,
            color=colour,
            label={"device": "device", "alone": "readout alone"}[place],
        )
    panels[3].set(title="iterations", xlabel="qubits", ylim=(0, 20))
    panels[3].legend()
    figure.savefig(HERE / "ghz.svg", metadata={"Date": None})


if __name__ == "__main__":
    plt.rcParams.update({"svg.hashsalt": "coldplate", "font.size": 9})
    kicked_ising()
    cancellation()
    readout()
    ghz()
