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
from benchmarks.emulator import BENCHES, UTILITY, utility_rows

OUT = Path(__file__).with_name("out.jsonl")
ROUNDS = 3
Row = dict[str, Any]


def interleaved(bench: str, rounds: int, threads: int) -> dict[str, list[Row]]:
    """Each system in a fresh process, taking turns, so that a noisy minute hurts all alike."""
    taken: dict[str, list[Row]] = {system: [] for system in BENCHES[bench].systems}
    # As many threads for each, so that ratios compare work and not how many cores a system took.
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    for _ in range(rounds):
        for system, rows in taken.items():
            command = [sys.executable, "-m", "benchmarks.one", bench, system]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return taken


def ratios(bench: str, rounds: int, threads: int) -> Iterator[Row]:
    """Ours beside each peer: `ratio` is how many times faster ours is, `cpu_ratio` in processor time."""
    taken = interleaved(bench, rounds, threads)
    middle = {
        kind: {system: statistics.median(row[kind] for row in rows) for system, rows in taken.items()}
        for kind in ("seconds", "cpu_s")
    }
    for system, rows in taken.items():
        yield {
            "bench": bench,
            "system": system,
            "vs": "coldplate",
            "ratio": round(middle["seconds"][system] / middle["seconds"]["coldplate"], 3),
            "cpu_ratio": round(middle["cpu_s"][system] / middle["cpu_s"]["coldplate"], 3),
            "aim": BENCHES[bench].aims.get(system),
            "seconds": round(middle["seconds"][system], 4),
            "peak_mb": round(max(row["peak_mb"] for row in rows)),
            "n": rounds,
            "threads": threads,
        }


def show(rows: list[Row]) -> None:
    """The rows as a table."""
    table = Table("bench", "system", "seconds", "times ours", "in CPU time", "aim", "peak MB", "note")
    for row in rows:
        table.add_row(
            row["bench"],
            row["system"],
            f"{row['seconds']:.4f}",
            f"{row['ratio']:.2f}" if row["ratio"] is not None else "",
            f"{row['cpu_ratio']:.2f}" if row.get("cpu_ratio") is not None else "",
            f">= {row['aim']:g}" if row.get("aim") is not None else "",
            str(row["peak_mb"] or ""),
            row.get("note", ""),
        )
    Console(width=120).print(table)


def main() -> None:
    """Run the named benchmarks, those of a group, or all."""
    others = over_http.BENCHES | scale.BENCHES | {"latency": latency.latency}
    groups = {"emulator": [*BENCHES, *UTILITY]}
    names = [*BENCHES, *UTILITY, *others]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *names, *groups], default=[])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1, help="of every system")
    wanted = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    chosen = [one for name in wanted.names for one in groups.get(name, [name])]
    for name in chosen or names:
        if name in BENCHES:
            rows = list(ratios(name, wanted.rounds, wanted.threads))
        else:
            rows = list(utility_rows(name, wanted.rounds) if name in UTILITY else others[name]())
        show(rows)
        with OUT.open("a") as out:
            out.writelines(json.dumps(row | {"machine": machine}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
