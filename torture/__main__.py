"""`python -m torture`: one run, or one for each mutant."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from torture.mutants import MUTANTS
from torture.run import cleared, clients_of, torture

MUTANT_S = 90.0  # at most; each is found within a few seconds


def main() -> int:
    """Run, report, and say with the exit code whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long harm is done")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], help="a mistake to make on purpose")
    parser.add_argument("--mutants", action="store_true", help="every mistake; each has to be found")
    parser.add_argument("--keep", type=Path, help="directory for journals and logs [thrown away]")
    parser.add_argument(
        "--clients", nargs="*", default=["this", "0.40", "0.12"], help="releases of official clients"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        place = args.keep or Path(temporary)
        if args.mutants:
            return all_mutants(place, args.seed)
        report = torture(
            cleared(place / "run"),
            seed=args.seed,
            seconds=60 * args.minutes,
            mutant=args.mutant,
            clients=clients_of(args.clients),
        )
    print(report.text(), flush=True)
    return 1 if report.found else 0


def all_mutants(place: Path, seed: int) -> int:
    """Make each mistake; 0 when every one was found."""
    survivors = []
    for name in MUTANTS:
        began = time.monotonic()
        report = torture(cleared(place / name), seed=seed, seconds=MUTANT_S, mutant=name, clients=[])
        word, took_s = "found   " if report.found else "SURVIVED", time.monotonic() - began
        print(f"{word} {name} ({took_s:.0f} s)", flush=True)
        for violation in report.found[:3]:
            print(f"           {violation.invariant} {violation.what}", flush=True)
        survivors += [] if report.found else [name]
    print(f"mutants found: {len(MUTANTS) - len(survivors)} of {len(MUTANTS)}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
