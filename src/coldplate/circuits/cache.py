"""Bytes that earlier jobs of the same owner on the same backend have left: compiled programs, by content.

A job's process has one cache; whoever compiles asks `cache()` for it. Values come from other processes that
have run their owner's inputs: decode them as carefully as inputs, and key them by all that they depend on.
"""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    """What one job finds, and leaves for the next."""

    def get(self, key: bytes) -> bytes | None:
        """What was kept under a key; None when there is nothing (any more)."""

    def offer(self, key: bytes, value: bytes) -> None:
        """Leave a value for the next jobs; it is dropped without a word when there is no room."""


class NoCache:
    """Keeps nothing."""

    def get(self, key: bytes) -> bytes | None:
        """Nothing."""
        return None

    def offer(self, key: bytes, value: bytes) -> None:
        """Dropped."""


_of_this_process: Cache = NoCache()


def cache() -> Cache:
    """The cache of the job that this process runs."""
    return _of_this_process


def use(cache: Cache) -> None:
    """Have a cache from now on; called once, when the job begins."""
    global _of_this_process
    _of_this_process = cache
