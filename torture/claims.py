"""Who runs which job, from what everybody says as they pass points."""

from __future__ import annotations

from pathlib import Path

from torture.journal import Tail


class Claims:
    """Jobs that schedulers have claimed and that have not ended, from a journal of points."""

    def __init__(self, journal: Path):
        self._tail, self._by = Tail(journal), dict[str, int]()

    def of(self, pid: int) -> set[str]:
        """Jobs of a scheduler, by the id of its process."""
        for line in self._tail.new():
            if line["point"] == "T5-claim-committed":
                self._by[line["job"]] = line["pid"]
            elif line["point"] == "T10-end-committed":
                self._by.pop(line["job"], None)
        return {job for job, by in self._by.items() if by == pid}
