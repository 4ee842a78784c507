"""Draws the plots of docs/published.md from the figures beside this file.

python docs/published/plot.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
UNMITIGATED, MITIGATED, EXACT = "#b0413e", "#2b6cb0", "#555555"


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


if __name__ == "__main__":
    plt.rcParams.update({"svg.hashsalt": "coldplate", "font.size": 9})
    kicked_ising()
    cancellation()
