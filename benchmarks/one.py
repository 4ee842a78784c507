"""One system on one in-process benchmark, in a process of its own: prints seconds and peak memory as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks.in_process import BENCHES, runners


def main(bench: str, system: str) -> None:
    """Warm up on the first pub cut to one parameter set, then measure the whole once."""
    program, make = BENCHES[bench]
    pubs = make()
    run = runners(program)[system]()
    first = pubs[0]
    run([(*first[:-1], first[-1][:2])] if len(first) > 1 else [first])
    began = time.perf_counter()
    run(pubs)
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
