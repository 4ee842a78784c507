"""Aimed harm: for each mistake the deed of the nemesis that meets it at the point where it is made.

Nothing is left to luck, nor to how quick the machine is: who passes a point is stopped there until somebody
else was seen to do what makes the mistake one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping

from torture.asking import Asking, Unknown
from torture.journal import Line, Tail
from torture.load import KNOWN, LOOK_S
from torture.points import CLAIM_DECIDED, DEVICE_DRIVEN, END_TO_TELL
from torture.world import World

PASSES_S = 10.0  # within which somebody should pass a point
FOLLOWS_S = 12.0  # within which another scheduler should do the rest
DRIVES_S = 6.0  # for which a driver holds on to a device


class Aims:
    """Deeds against the mistakes of `mutants.py`, by their names.

    Args:
        asking: By tenant, to do what only the owner of a job may.
    """

    def __init__(self, world: World, asking: Mapping[str, Asking]):
        self.world, self.asking = world, asking
        self.deeds: dict[str, Callable[[], None]] = {
            "read-then-write-claim": self.claim_meanwhile,
            "answer-before-commit": lambda: self.arm("T4-answer-sent", "kill"),
            "row-before-file": self.kill_at_row,
            "no-fence": self.give_up_meanwhile,
            "no-kill-before-free": self.cancel_driver,
        }

    def kill_at_row(self) -> None:
        """Kill the server when it has committed a job; wait until that has ended, and its owner knows."""
        seen = self.tail()
        self.arm("T3-job-committed", "kill")
        row = self.wait(seen, lambda line: line["point"] == "T3-job-committed" and line["deed"], PASSES_S)
        if row is not None:
            self.wait(seen, lambda line: line["point"] == "T10-end-committed" and line["job"] == row["job"])
            time.sleep(LOOK_S)

    def claim_meanwhile(self) -> None:
        """Stop a scheduler that has decided to start a job until the other one has started it."""
        with self.held(CLAIM_DECIDED) as (held, seen):
            if held:
                self.wait(seen, lambda line: is_claim(line, of=held))

    def give_up_meanwhile(self) -> None:
        """Stop a scheduler that is about to tell of an end until the other one runs the job again."""
        with self.held(END_TO_TELL) as (held, seen):
            if held:
                self.wait(seen, lambda line: is_claim(line, of=held) and line["fence"] > held["fence"])

    def cancel_driver(self) -> None:
        """Cancel a job while it drives a device that others wait for, and that it does not soon leave."""
        seen = self.tail()
        self.arm(DEVICE_DRIVEN, f"delay {DRIVES_S}")
        driver = self.wait(seen, lambda line: line["point"] == DEVICE_DRIVEN and line["deed"], PASSES_S)
        if driver is None:
            return
        owner = next((tenant for tenant, job in KNOWN if job == driver["job"]), None)
        if owner is not None:
            with contextlib.suppress(Unknown):
                self.world.journal.write("aimed cancel", job=driver["job"])
                self.asking[owner].ask("POST", f"/jobs/{driver['job']}/cancel")
            device = driver["backend"]
            self.wait(seen, lambda line: line["point"] == DEVICE_DRIVEN and line["backend"] == device)

    # --- points -------------------------------------------------------------------------------

    def arm(self, point: str, deed: str) -> None:
        """Let whoever passes a point next do something there."""
        (self.world.points / point).write_text(deed)
        self.world.journal.write("armed", point=point, deed=deed)

    @contextlib.contextmanager
    def held(self, point: str) -> Iterator[tuple[Line | None, Tail]]:
        """Whoever passes a point next is stopped there inside the block.

        Gives its line of the journal, None when nobody came; and the journal from before it.
        """
        seen = self.tail()
        self.arm(point, "stop")
        line = self.wait(seen, lambda line: line["point"] == point and line["deed"], PASSES_S)
        if line is None:
            try:
                (self.world.points / point).unlink()
            except FileNotFoundError:  # somebody came at the last moment
                line = self.wait(seen, lambda line: line["point"] == point and line["deed"], PASSES_S)
        try:
            yield line, seen
        finally:
            if line is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(line["pid"], signal.SIGCONT)

    def tail(self) -> Tail:
        """What will be new in the journal of points."""
        tail = Tail(self.world.points / "journal")
        for _ in tail.new():
            pass
        return tail

    def wait(self, seen: Tail, wanted: Callable[[Line], object], seconds: float = FOLLOWS_S) -> Line | None:
        """The first line that is wanted; None when none came in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in seen.new():
                if wanted(line):
                    return line
            time.sleep(0.02)
        return None


def is_claim(line: Line, *, of: Line) -> bool:
    """Whether a line tells that another process has claimed the job of some line."""
    return line["point"] == "T5-claim-committed" and line["job"] == of["job"] and line["pid"] != of["pid"]
