"""Writes the tables of docs/published.md from the figures beside this file.

python docs/published/table.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PAGE = HERE.parent / "published.md"
EPSILON = 1e-9


def figures(name: str) -> dict:
    """The figures of an experiment."""
    return json.loads((HERE / f"{name}.json").read_text())


def table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of cells."""
    first, *rest = ("| " + " | ".join(row) + " |" for row in (titles, *lines))
    return "\n".join([first, "|" + "---|" * len(titles), *rest])


def values(rows: list[dict], name: Callable[[dict], str]) -> str:
    """One row for each value: before and after mitigation."""
    return table(
        ("", "steps", "exact", "unmitigated", "mitigated"),
        [
            (
                name(row),
                str(row["steps"]),
                f"{row['exact']:.3f}",
                f"{row['unmitigated']:.3f}",
                f"{row['mitigated']:.3f} ± {row['error']:.3f}",
            )
            for row in rows
        ],
    )


def readout(found: dict) -> str:
    """One row for each state and weight."""
    free = {row["weight"]: row for row in found["sweep"] if abs(row["exact"]) < EPSILON}
    return table(
        (
            "state",
            "weight",
            "prepared",
            "unmitigated",
            "errors independent",
            "TREX",
            "spread, told",
            "overhead, 1/f²",
        ),
        [
            (
                row["state"].replace("|", "\\|"),
                str(row["weight"]),
                f"{row['prepared']:.4f}",
                f"{row['unmitigated']:.3f}",
                f"{row['independent']:.3f}" if "independent" in row else "",
                f"{row['mitigated']:.4f} ± {row['error']:.4f}",
                f"{row['spread']:.4f}, {row['told']:.4f}",
                f"{free[row['weight']]['spread'] ** 2 * free[row['weight']]['shots']:.2f}, "
                f"{row['damping'] ** -2:.2f}"
                if "independent" in row
                else "",
            )
            for row in found["rows"]
        ],
    )


def ghz(found: dict) -> str:
    """One row for each size."""
    return table(
        (
            "qubits",
            "device: read",
            "M3",
            "overhead",
            "strings",
            "iterations",
            "readout alone: read",
            "M3",
            "whole inverse",
            "overhead",
            "of the whole inverse",
        ),
        [
            (
                str(row["qubits"]),
                f"{row['device']['unmitigated']:.4f}",
                f"{row['device']['mitigated']:.4f}",
                f"{row['device']['overhead']:.3g}",
                str(row["device"]["strings"]),
                str(row["device"]["iterations"] or "direct"),
                f"{row['alone']['unmitigated']:.4f}",
                f"{row['alone']['mitigated']:.4f}",
                f"{row['inverted']:.4f}" if "inverted" in row else "",
                f"{row['alone']['overhead']:.3g}",
                f"{row['overhead_whole']:.3g}",
            )
            for row in found["rows"]
        ],
    )


def replaced(text: str, after: str, new: str) -> str:
    """The page with another table behind a plot."""
    return re.sub(
        rf"(!\[{after}\]\(.*?\)\n\n)(.*?)(\n\n)", lambda m: m[1] + new + m[3], text, flags=re.DOTALL
    )


def main() -> None:
    """Write all tables, and print what the text says of them."""
    kicked, cancelled = figures("kicked_ising"), figures("cancellation")
    text = replaced(PAGE.read_text(), "kicked Ising", values(kicked["rows"], lambda row: row["name"]))
    text = replaced(
        text,
        "cancellation",
        values(cancelled["rows"], lambda row: f"{row['name']}, {row['qubits']} qubits"),
    )
    text = replaced(text, "readout", readout(figures("readout")))
    text = replaced(text, "ghz", ghz(figures("ghz")))
    PAGE.write_text(text)
    for found in (kicked, cancelled):
        scores = [(row["mitigated"] - row["exact"]) / row["error"] for row in found["rows"]]
        print(round(found["seconds"]), np.sqrt(np.mean(np.square(scores))), np.abs(scores).max())


if __name__ == "__main__":
    main()
