"""Identical POSTs at the same time: none repeats another, because clients only repeat what was answered.

The duplicate rule (`store.submissions`) merges a POST with one whose answer was not delivered. While that
one is still being answered, the new one is somebody else's, such as another thread of the same script: it
gets a turn of its own, and its repeats, which come when the turn is over, get the same turn again.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count


@dataclass(frozen=True)
class Turn:
    """What a POST and its repeats have in common, and no other has; `end` it when all was answered."""

    fingerprint: str
    end: Callable[[], None]


class Turns:
    """The turns that are being answered by this server.

    >>> turns = Turns()
    >>> first, second = turns.take("body"), turns.take("body")
    >>> first.end()
    >>> first.fingerprint, second.fingerprint, turns.take("body").fingerprint
    ('body', 'body:1', 'body')
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: defaultdict[str, set[int]] = defaultdict(set)

    def take(self, body: str) -> Turn:
        """The first free turn of a body (its digest)."""
        with self._lock:
            number = next(n for n in count() if n not in self._taken[body])
            self._taken[body].add(number)
        return Turn(f"{body}:{number}" if number else body, partial(self._end, body, number))

    def _end(self, body: str, number: int) -> None:
        with self._lock:
            self._taken[body].discard(number)
            if not self._taken[body]:
                del self._taken[body]
