"""The report of a run: what was done to the service, what it did, and how soon it was well again."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from torture.checker import Evidence, Violation, of
from torture.journal import Line


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


def tell(report: Report, e: Evidence, fairness: tuple[float, float]) -> None:
    """Fill in what the journals say."""
    harm = e.harm
    jobs = {line["job"] for line in of(e.clients, "submitted") if line["job"]}
    states = Counter(e.states[job] for job in jobs if job in e.states)
    points = Counter((line["point"], line["deed"] or "") for line in e.points)
    kills = Counter(line["role"] for line in of(harm, "died"))
    kills["job"] = len(list(of(harm, "killed job")))
    at_points = {point: n for (point, deed), n in points.items() if deed == "kill"}
    committed = Counter(line["job"] for line in e.points if line["point"] == "T3-job-committed")
    fences = [line["fence"] for line in e.points if line["point"] == "T10-end-committed"]
    answers = Counter(line["status"] < 500 for line in of(e.clients, "answer"))
    answers[False] += len(list(of(e.clients, "no answer")))
    report.figures = {
        "jobs accepted": str(len(jobs)),
        "ended": ", ".join(f"{n} {state}" for state, n in sorted(states.items())),
        "kills": f"{sum(kills.values())} ({', '.join(f'{n} {who}' for who, n in sorted(kills.items()))})",
        "of these at points": ", ".join(f"{n} {point}" for point, n in sorted(at_points.items())),
        "other harm": ", ".join(
            f"{n} {kind}" for kind, n in sorted(Counter(line["kind"] for line in of(harm, "harm")).items())
        ),
        "network faults": str(len(list(of(harm, "fault")))),
        "attempts": f"mean {sum(fences) / max(1, len(fences)):.2f}, most {max(fences, default=0)}",
        "duplicates avoided": str(sum(times - 1 for times in committed.values())),
        "answered at once": f"{100 * answers[True] / max(1, sum(answers.values())):.1f} %",
        "fairness gap / bound": f"{fairness[0]:.3f} / {fairness[1]:.3f}",
        "leaks": str(len(e.leaks)),
    }
    report.recovery_s = recovery(e, harm)


def recovery(e: Evidence, harm: list[Line]) -> dict[str, list[float]]:
    """Seconds from the end of each harm until the service was seen to work.

    It works when a request is answered; after harm to jobs, when the job that was hit runs again.
    """
    good = [line["at"] for line in of(e.clients, "answer") if line["status"] < 500]
    begun: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in e.points:
        if line["point"] == "T6-child-started":
            begun[line["job"]].append((line["fence"], line["at"]))
    times: dict[str, list[float]] = defaultdict(list)
    for line in of(harm, "healed"):
        if line["kind"] not in ("kill job", "kill zygote", "point", "pair"):
            after = bisect_left(good, line["at"])
            if after < len(good):
                times[line["kind"]].append(good[after] - line["at"])
    times["server restarts"] = [line["took_s"] for line in of(harm, "ready")]
    for line in of(harm, "killed job"):
        later = [at for fence, at in begun[line["job"]] if fence > line["fence"] and at > line["at"]]
        if later:
            times["kill job"].append(min(later) - line["at"])
    return {kind: found for kind, found in times.items() if found}
