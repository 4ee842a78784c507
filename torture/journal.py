"""Journals: what each party says before and after each act, one JSON object a line, whole or not at all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Journal:
    """The journal of one party; many threads and processes may write into the same file."""

    def __init__(self, file: Path, party: str):
        self.file, self.party = file, party
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, act: str, **facts: Any) -> None:
        """Write a line; times are of the machine's monotonic clock, which all parties share."""
        line = {"at": time.monotonic(), "party": self.party, "act": act} | facts
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def read(file: Path) -> Iterator[Line]:
    """The lines of a journal; none when nobody wrote one. The last may be cut by a death."""
    if file.exists():
        for text in file.read_text().splitlines():
            try:
                yield json.loads(text)
            except ValueError:
                continue


class Tail:
    """Reads what is new in a journal."""

    def __init__(self, file: Path):
        self._file, self._read = file, 0

    def new(self) -> Iterator[Line]:
        """The whole lines since the last time."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for text in whole.splitlines():
            yield json.loads(text)
