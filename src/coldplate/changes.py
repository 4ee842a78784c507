"""Changes: wakes those who wait for a job to change; one broadcaster, no polling, no thread per waiter."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Changes:
    """Published from any thread after a commit; awaited in an event loop, or by the scheduler's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, set[Waiter]] = defaultdict(set)
        self.any = threading.Event()  # set by every change; the scheduler clears it before it looks

    def publish(self, key: str) -> None:
        """Something about `key` (a job or session id) was committed."""
        self.any.set()
        with self._lock:
            waiters = list(self._waiters.get(key, ()))
        for loop, event in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def subscribe(self, key: str) -> Waiter:
        """A waiter for `key`; subscribe first, read the state, then wait, so that no change is missed."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiters[key].add(waiter)
        return waiter

    def unsubscribe(self, key: str, waiter: Waiter) -> None:
        """Forget a waiter."""
        with self._lock:
            self._waiters[key].discard(waiter)
            if not self._waiters[key]:
                del self._waiters[key]
