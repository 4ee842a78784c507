"""Compiled circuits that are kept: among the items of a job, and from job to job of an owner on a device."""

from __future__ import annotations

import json

from coldplate.backends.array_data import Arrays, pack, unpack
from coldplate.backends.methods import Choice
from coldplate.circuits.cache import NoCache, cache

Part = tuple[Arrays, Choice]

LARGEST = 64  # circuits that one job holds at a time
_of_this_job: dict[bytes, list[Part]] = {}


class Kept:
    """What was compiled of one circuit.

    Args:
        key: A name of the circuit's contents and of how it is run; None: it is not kept.
    """

    def __init__(self, key: bytes | None):
        self._key = key
        self._parts: list[Part] = []

    def load(self) -> list[Part] | None:
        """The components as they were compiled before; None when they were not."""
        if self._key is None:
            return None
        if self._key not in _of_this_job:
            raw = cache().get(self._key)
            if raw is None:
                return None
            self._remember(read(raw))
        return _of_this_job[self._key]

    def add(self, part: Arrays, choice: Choice) -> None:
        """Note a component that was compiled."""
        self._parts.append((part, choice))

    def offer(self, number: int) -> None:
        """Keep the components, if all of them were compiled.

        Args:
            number: Of the circuit's components.
        """
        if self._key is not None and len(self._parts) == number:
            self._remember(self._parts)
            if not isinstance(cache(), NoCache):
                cache().offer(self._key, written(self._parts))

    def _remember(self, parts: list[Part]) -> None:
        assert self._key is not None
        if len(_of_this_job) >= LARGEST:
            _of_this_job.clear()
        _of_this_job[self._key] = parts


def written(parts: list[Part]) -> bytes:
    """Components and choices as bytes."""
    choices = json.dumps([[one.method, one.reason, one.settled] for _, one in parts]).encode()
    return len(choices).to_bytes(8, "little") + choices + pack([part for part, _ in parts])


def read(raw: bytes) -> list[Part]:
    """The inverse of `written`."""
    size = 8 + int.from_bytes(raw[:8], "little")
    choices = [Choice(*one) for one in json.loads(raw[8:size])]
    return list(zip(unpack(raw[size:]), choices, strict=True))
