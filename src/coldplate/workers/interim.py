"""Interim results: what a job tells before its end, a line of JSON for each message in a blob."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger("coldplate.job")

MAX_BYTES = 4 << 20  # of all messages of one attempt


class Interim:
    """Where a job's messages go. They are news, not results: a crash may lose the last ones.

    Args:
        path: The file; it is made with the first message.
    """

    def __init__(self, path: Path):
        self._path = path
        self._room = MAX_BYTES

    def __call__(self, message: Any) -> None:
        """Tell a message, plain JSON values; those that find no room are left out."""
        line = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
        if len(line) > self._room:
            log.warning("An interim result was left out: all of them may have %d bytes.", MAX_BYTES)
            return
        self._room -= len(line)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(line)
