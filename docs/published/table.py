"""Writes the tables of docs/published.md from the figures beside this file.

python docs/published/table.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PAGE = HERE.parent / "published.md"
TITLES = ("", "steps", "exact", "unmitigated", "mitigated")


def figures(name: str) -> dict:
    """The figures of an experiment."""
    return json.loads((HERE / f"{name}.json").read_text())


def table(rows: list[dict], name) -> str:
    """One row for each figure."""
    lines = ["| " + " | ".join(TITLES) + " |", "|" + "---|" * len(TITLES)]
    for row in rows:
        cells = (
            name(row),
            str(row["steps"]),
            f"{row['exact']:.3f}",
            f"{row['unmitigated']:.3f}",
            f"{row['mitigated']:.3f} ± {row['error']:.3f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def replaced(text: str, after: str, new: str) -> str:
    """The page with another table behind a plot."""
    return re.sub(
        rf"(!\[{after}\]\(.*?\)\n\n)(.*?)(\n\n)", lambda m: m[1] + new + m[3], text, flags=re.DOTALL
    )


def main() -> None:
    """Write both tables, and print what the text says of them."""
    kicked, cancelled = figures("kicked_ising"), figures("cancellation")
    text = replaced(PAGE.read_text(), "kicked Ising", table(kicked["rows"], lambda row: row["name"]))
    text = replaced(
        text,
        "cancellation",
        table(cancelled["rows"], lambda row: f"{row['name']}, {row['qubits']} qubits"),
    )
    PAGE.write_text(text)
    for found in (kicked, cancelled):
        scores = [(row["mitigated"] - row["exact"]) / row["error"] for row in found["rows"]]
        print(round(found["seconds"]), np.sqrt(np.mean(np.square(scores))), np.abs(scores).max())


if __name__ == "__main__":
    main()
