"""The harness itself: what it concludes from journals, and that it loses no process it should keep."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from torture.checker import at_once
from torture.evidence import Evidence
from torture.fairness import ENOUGH, backlogs
from torture.growth import MOST_FDS, grown
from torture.world import FAIR, World

CLAIMED = {"at": 1.0, "point": "T5-claim-committed", "pid": 1, "job": "j", "deed": None}
ENDED = {"at": 2.0, "point": "T10-end-committed", "pid": 1, "job": "j", "deed": None}
TOLD = {"at": 0.5, "act": "submitted", "number": 1, "job": "j"}
ACCUSATIONS = {
    "two drivers": ("I3", {"overlaps": [{"of": "device-d", "job": "j", "fence": 2, "other": "i 1 77"}]}),
    "end by an attempt that was replaced": (
        "I5",
        {"points": [CLAIMED | {"fence": 1}, CLAIMED | {"fence": 2}, ENDED | {"fence": 1}]},
    ),
    "two ends": ("I5", {"points": [CLAIMED | {"fence": 1}, ENDED | {"fence": 1}, ENDED | {"fence": 1}]}),
    "a fence given out twice": ("I5", {"points": [CLAIMED | {"fence": 1}, CLAIMED | {"fence": 1}]}),
    "a job that is gone": ("I1", {"clients": [TOLD, {"act": "state", "job": "j", "state": "404"}]}),
    "a job without inputs": (
        "I1",
        {
            "clients": [
                TOLD,
                {
                    "act": "state",
                    "job": "j",
                    "state": "Failed",
                    "reason": "The job's inputs are missing from the service's store.",
                },
            ]
        },
    ),
    "a state that goes back": (
        "I2",
        {"clients": [{"act": "state", "job": "j", "state": s} for s in ("Running", "Queued")]},
    ),
    "another end": (
        "I2",
        {"clients": [{"act": "state", "job": "j", "state": s} for s in ("Completed", "Cancelled")]},
    ),
    "another's result": ("I7", {"clients": [{"act": "result", "job": "j", "right": False}]}),
    "a result that changes": (
        "I6",
        {"clients": [{"act": "result", "job": "j", "right": True, "digest": d} for d in "ab"]},
    ),
    "a stranger who sees": (
        "I12",
        {"clients": [{"act": "pry", "job": "j", "how": "GET", "status": 200, "alike": True}]},
    ),
    "a stranger who can tell": (
        "I12",
        {"clients": [{"act": "pry", "job": "j", "how": "GET", "status": 404, "alike": False}]},
    ),
}


def evidence(**lines: list[dict]) -> Evidence:
    nothing = {name: [] for name in ("clients", "harm", "points", "overlaps")}
    return Evidence(
        **(nothing | lines),
        states={},
        again={},
        used_s={},
        database=Path("none"),
        blobs=Path("none"),
        leaks=[],
    )


@pytest.mark.parametrize(("invariant", "lines"), ACCUSATIONS.values(), ids=ACCUSATIONS.keys())
def test_journal_accuses(invariant, lines):
    assert [violation.invariant for violation in at_once(evidence(**lines))] == [invariant]


def test_journal_of_a_job_that_was_cancelled_while_nobody_ran_it_is_innocent():
    points = [CLAIMED | {"fence": 1}, ENDED | {"fence": 2}]  # the second attempt was none
    assert at_once(evidence(points=points)) == []


def fair_jobs(turn: int) -> dict[str, str]:
    return {f"{tenant} {turn} {n}": tenant for tenant in FAIR for n in range(ENOUGH)}


def test_shares_are_compared_only_while_all_have_work_waiting():
    owner = fair_jobs(1) | fair_jobs(2)
    accepted = [{"point": "T3-job-committed", "job": job} for job in fair_jobs(1)]
    claimed = [{"point": "T5-claim-committed", "job": f"fair-1 1 {n}"} for n in range(ENOUGH)]
    repeated = accepted[:ENOUGH]
    later = [{"point": "T3-job-committed", "job": job} for job in fair_jobs(2)]
    seen = [all_wait for _, all_wait in backlogs([*accepted, *claimed, *repeated, *later], owner)]
    first, last = len(accepted) - 1, len(accepted) + ENOUGH - 1
    again = len(accepted) + 3 * ENOUGH - 1  # when the first tenant has as many as at first
    waiting = {n for n, all_wait in enumerate(seen) if all_wait}
    assert waiting == {*range(first, last), *range(again, len(seen))}


def test_job_that_a_rival_claims_before_its_acceptance_is_told_does_not_wait_for_ever():
    job = {"job": "fair-1 1 0"}
    told = [
        job | {"point": point} for point in ("T2-params-stored", "T5-claim-committed", "T3-job-committed")
    ]
    others = [{"point": "T3-job-committed", "job": other} for other in list(fair_jobs(1))[1:]]
    assert not any(all_wait for _, all_wait in backlogs([*told, *others], fair_jobs(1)))


def test_descriptors_that_an_idle_server_keeps_are_a_leak():
    new = {"act": "new", "fds": 20, "rss": 10}
    assert grown([new, new | {"act": "idle", "fds": 20 + MOST_FDS}]) == []
    assert len(grown([new, new | {"act": "idle", "fds": 21 + MOST_FDS}])) == 1


class SleepingWorld(World):
    """Processes that only sleep."""

    def _spawn(self, role):
        self.processes[role] = subprocess.Popen(["sleep", "600"])

    def _see_it_answer(self):
        pass


class DyingWith:
    """A rival whose end is the server's, too."""

    def __init__(self, process, server):
        self._process, self._server, self.pid = process, server, process.pid

    def send_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._server.kill()
        self._process.kill()

    def wait(self):
        code = self._process.wait()
        time.sleep(0.3)
        return code


def test_server_that_dies_while_the_rival_is_ended_comes_back(tmp_path):
    world = SleepingWorld(tmp_path, port=0)
    try:
        world.start("server")
        world.start("rival")
        first, rival = world.processes["server"], world.processes["rival"]
        (world.points / "journal").write_text(json.dumps(CLAIMED | {"fence": 1, "pid": rival.pid}) + "\n")
        world.processes["rival"] = DyingWith(rival, first)
        world.end_rival()
        deadline = time.monotonic() + 30
        while world.processes["server"] is first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert world.processes["server"].poll() is None
        assert "rival" not in world.processes
    finally:
        world.close()
