"""One system on one in-process benchmark, in a process of its own: prints its figures as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks.emulator import BENCHES


def main(name: str, system: str) -> None:
    """Warm up on a circuit that differs from the first by one gate, then measure the whole once."""
    bench = BENCHES[name]
    pubs, ready = bench.pubs(), bench.systems[system]()
    first, swept = pubs[0], len(pubs[0]) > (1 if bench.program == "sampler" else 2)
    other = first[0].copy()
    other.data.insert(0, other.data[0])  # or what is compiled would be known already
    ready([(other, *first[1:-1], first[-1][:2]) if swept else (other, *first[1:])])()
    go = ready(pubs)
    began, worked = time.perf_counter(), time.process_time()
    go()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - worked
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
