"""Runs benchmarks, prints ratios side by side and appends each figure to benchmarks/out.jsonl."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import latency, over_http, scale
from benchmarks.in_process import BENCHES, runners

OUT = Path(__file__).with_name("out.jsonl")
ROUNDS = 3
Row = dict[str, Any]


def interleaved(bench: str, rounds: int) -> dict[str, list[Row]]:
    """Each system in a fresh process, taking turns, so that a noisy minute hurts all alike."""
    taken: dict[str, list[Row]] = {system: [] for system in runners(BENCHES[bench][0])}
    # One thread each, so that ratios compare work and not how many cores a system took.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for _ in range(rounds):
        for system, rows in taken.items():
            command = [sys.executable, "-m", "benchmarks.one", bench, system]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return taken


def ratios(bench: str, rounds: int) -> Iterator[Row]:
    """Ours beside each peer: `ratio` is how many times faster ours is."""
    taken = interleaved(bench, rounds)
    median = {system: statistics.median(row["seconds"] for row in rows) for system, rows in taken.items()}
    peak = {system: max(row["peak_mb"] for row in rows) for system, rows in taken.items()}
    for system in taken:
        yield {
            "bench": bench,
            "system": system,
            "vs": "coldplate",
            "ratio": round(median[system] / median["coldplate"], 3),
            "seconds": round(median[system], 4),
            "peak_mb": round(peak[system]),
            "n": rounds,
        }


def show(rows: list[Row]) -> None:
    """The rows as a table."""
    table = Table("bench", "system", "seconds", "times ours", "peak MB", "note")
    for row in rows:
        table.add_row(
            row["bench"],
            row["system"],
            f"{row['seconds']:.4f}",
            f"{row['ratio']:.2f}" if row["ratio"] is not None else "",
            str(row["peak_mb"] or ""),
            row.get("note", ""),
        )
    Console(width=110).print(table)


def main() -> None:
    """Run the named benchmarks, or all."""
    over_live = over_http.BENCHES | scale.BENCHES | {"latency": latency.latency}
    names = [*BENCHES, *over_live]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *names], default=[])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wanted = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for name in wanted.names or names:
        rows = list(ratios(name, wanted.rounds) if name in BENCHES else over_live[name]())
        show(rows)
        with OUT.open("a") as out:
            out.writelines(json.dumps(row | {"machine": machine}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
