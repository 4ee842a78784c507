"""The report of a run: what was done to the service, what it did, and how soon it was well again."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from coldplate.failpoints import POINTS
from torture.evidence import Evidence, Violation, of, of_points
from torture.fairness import Fairness
from torture.growth import slope
from torture.journal import Line

ELSEWHERE = {"kill job", "kill zygote", "point", "pair", "aimed"}  # harm that is not seen in answers
SETTLES_S = 2.0  # after the last harm
ENOUGH_S = 30.0  # of sizes, for a slope
IN_JOBS = ("T6-child-started", "T7-device-opened", "T7-device-left", "T8-result-stored")


@dataclass
class Report:
    """Everything worth telling of a run."""

    seed: int
    mutant: str
    seconds: float
    found: list[Violation] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    recovery_s: dict[str, list[float]] = field(default_factory=dict)

    def text(self) -> str:
        """The report as people read it."""
        title = f"torture, seed {self.seed}, {self.seconds:.0f} s" + (
            f", {self.mutant}" if self.mutant else ""
        )
        lines = [title, *(f"  {name:<22} {value}" for name, value in self.figures.items())]
        lines.append("  recovery, s (times, p50, p99)")
        for kind, times in sorted(self.recovery_s.items()):
            lines.append(f"    {kind:<20} {len(times):4d} {median(times):8.2f} {quantile(times, 0.99):8.2f}")
        lines.append(f"  violations             {len(self.found)}")
        lines += [f"    {each.invariant:<4} {each.what}" for each in self.found[:20]]
        return "\n".join(lines)


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not less than a part of all.

    >>> quantile([3.0, 1.0, 2.0], 0.99)
    3.0
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def tell(report: Report, e: Evidence, fairness: Fairness) -> None:
    """Fill in what the journals say."""
    harm = e.harm
    jobs = {line["job"] for line in of(e.clients, "submitted") if line["job"]}
    kinds = Counter(line.get("kind", "official") for line in of(e.clients, "submit"))
    states = Counter(e.states[job] for job in jobs if job in e.states)
    points = Counter((line["point"], line["deed"] or "") for line in e.points)
    kills = Counter(line["role"] for line in of(harm, "died"))
    kills["job"] = len(list(of(harm, "killed job")))
    at_points = {point: n for (point, deed), n in points.items() if deed == "kill"}
    committed = Counter(line["job"] for line in of_points(e, "T3-job-committed"))
    fences = {line["job"]: line["fence"] for line in of_points(e, "T10-end-committed")}
    late = sum(line["fence"] < fences.get(line["job"], 0) for line in of_points(e, "T8-result-stored"))
    calm_at = next((line["at"] + SETTLES_S for line in of(harm, "calm")), math.inf)
    over_at = next((line["at"] for line in of(harm, "calm over")), math.inf)
    calm = [line for line in e.clients if calm_at < line["at"] < over_at]
    sizes = [line for line in of(harm, "size") if calm_at < line["at"] < over_at]
    tenants = {line["tenant"] for line in of(e.clients, "submit")}
    mean = sum(fences.values()) / max(1, len(fences))
    report.figures = {
        "jobs accepted": f"{len(jobs)} of {len(tenants)} tenants",
        "submissions": counted(kinds),
        "ended": counted(states),
        "kills": f"{sum(kills.values())} ({counted(kills)})",
        "of these at points": f"{counted(at_points)} ({len(at_points)} of {len(POINTS) - 1} points)",
        "other harm": counted(Counter(line["kind"] for line in of(harm, "harm"))),
        "network faults": str(len(list(of(harm, "fault")))),
        "attempts": f"mean {mean:.2f}, most {max(fences.values(), default=0)}",
        "results ignored": f"{late} of attempts that had been replaced",
        "longest wait": f"{longest_wait_s(e):.1f} s in the queue",
        "duplicates avoided": str(sum(times - 1 for times in committed.values())),
        "answered at once": f"{answered(e.clients)}, without harm {answered(calm)}",
        "fairness gap / bound": f"{fairness.gap:.3f} / {fairness.bound:.3f} ({fairness.compared} times)",
        "leaks": str(len(e.leaks)),
        "server grew": growth(sizes),
    }
    report.recovery_s = recovery(e, harm)


def counted(things: Counter[str]) -> str:
    """How many of each.

    >>> counted(Counter("abracadabra"))
    '5 a, 2 b, 1 c, 1 d, 2 r'
    """
    return ", ".join(f"{n} {thing}" for thing, n in sorted(things.items()))


def answered(clients: list[Line]) -> str:
    """The part of all tries that met an answer of the service, and not an error of it or nothing."""
    good = [line["status"] < 500 for line in of(clients, "answer")]
    tries = len(good) + len(list(of(clients, "no answer")))
    return f"{100 * sum(good) / tries:.1f} % of {tries}" if tries else "no try"


def growth(sizes: list[Line]) -> str:
    """How the server grows while nobody harms it."""
    lasted_s = sizes[-1]["at"] - sizes[0]["at"] if sizes else 0.0
    if lasted_s < ENOUGH_S:
        return f"not told by {lasted_s:.0f} s without harm"
    rss, fds = slope(sizes, "rss") / 2**20, slope(sizes, "fds")
    return f"{rss:+.2f} MiB and {fds:+.2f} descriptors a minute, in {lasted_s:.0f} s without harm"


def longest_wait_s(e: Evidence) -> float:
    """For how long a job waited for its first start, at most."""
    accepted: dict[str, float] = {}
    waited_s = [0.0]
    for line in of_points(e, "T3-job-committed", "T5-claim-committed"):
        if line["point"] == "T3-job-committed":
            accepted.setdefault(line["job"], line["at"])
        elif line["job"] in accepted:
            waited_s.append(line["at"] - accepted.pop(line["job"]))
    return max(waited_s)


def recovery(e: Evidence, harm: list[Line]) -> dict[str, list[float]]:
    """Seconds from the end of each harm until the service was seen to work.

    It works when a request that was made after the harm is answered; after harm to jobs, when the job that
    was hit runs again.
    """
    good = [
        (line["at"] - line["took_s"], line["at"]) for line in of(e.clients, "answer") if line["status"] < 500
    ]
    good.sort()
    times: dict[str, list[float]] = defaultdict(list)
    ended = [(line["kind"], line["at"]) for line in of(harm, "healed") if line["kind"] not in ELSEWHERE]
    ended += [("any death of server", line["at"]) for line in of(harm, "died") if line["role"] == "server"]
    for kind, at in ended:
        first = bisect_left(good, (at, 0.0))
        if first < len(good):
            times[kind].append(good[first][1] - at)
    times["start of server"] = [line["took_s"] for line in of(harm, "ready")]
    begun: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in of_points(e, "T6-child-started"):
        begun[line["job"]].append((line["fence"], line["at"]))
    killed = [("kill job", line) for line in of(harm, "killed job")]
    killed += [("kill job at a point", line) for line in of_points(e, *IN_JOBS) if line["deed"] == "kill"]
    for kind, line in killed:
        later = [at for fence, at in begun[line["job"]] if fence > line["fence"] and at > line["at"]]
        if later:
            times[kind].append(min(later) - line["at"])
    return {kind: found for kind, found in times.items() if found}
