"""What jobs leave for the next jobs of their owner on the same backend: compiled programs, as bytes by key.

A job may have been taken over by what its client sent, so that none may read or change what belongs to
another owner. The bytes are therefore never in the zygote's own memory, which all children inherit: they
lie in sealed memory files, and a child is handed the one of its owner with its ticket. It writes its offers
into a file of its own, of fixed size, which the zygote looks into when the child can write no more.

A file is a row of records: digest of the key, length, bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import NamedTuple

HEAD = struct.Struct("<32sQ")  # SHA-256 of the key, length of the value
MAX_OFFERS = 4 << 20  # bytes that one job may leave
MAX_FILES = 128  # owners and backends that are remembered
ROOM = 64 << 20
SHARE = 4  # no file is larger than the room over this

SEAL_SIZE = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK if hasattr(fcntl, "F_SEAL_GROW") else 0
SEAL_ALL = SEAL_SIZE | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL if SEAL_SIZE else 0


class Record(NamedTuple):
    """Where a value is in a file."""

    key: bytes
    start: int
    length: int


def records(file: int, size: int) -> Iterator[Record]:
    """The records of a file, up to the first that is none."""
    at = 0
    while at + HEAD.size <= size:
        key, length = HEAD.unpack(os.pread(file, HEAD.size, at))
        at += HEAD.size
        if length == 0 or length > size - at:
            return
        yield Record(key, at, length)
        at += length


def digest(key: bytes) -> bytes:
    """A key as it is written."""
    return hashlib.sha256(key).digest()


# --- in a job -----------------------------------------------------------------------------------


class JobCache:
    """The cache of one job.

    Args:
        found: File of what earlier jobs have left; None: nothing.
        offers: File for what this one leaves.
    """

    def __init__(self, found: int | None, offers: int):
        self._found, self._offers = found, offers
        self._room, self._at = os.fstat(offers).st_size, 0
        self._index: dict[bytes, Record] | None = None

    def get(self, key: bytes) -> bytes | None:
        """What was kept under a key."""
        if self._found is None:
            return None
        if self._index is None:
            size = os.fstat(self._found).st_size
            self._index = {record.key: record for record in records(self._found, size)}
        record = self._index.get(digest(key))
        return None if record is None else os.pread(self._found, record.length, record.start)

    def offer(self, key: bytes, value: bytes) -> None:
        """Leave a value for the next jobs, if there is room."""
        if not value or self._at + HEAD.size + len(value) > self._room:
            return
        with contextlib.suppress(OSError):  # a job's own limit on files
            os.pwrite(self._offers, value, self._at + HEAD.size)
            os.pwrite(self._offers, HEAD.pack(digest(key), len(value)), self._at)
            self._at += HEAD.size + len(value)


# --- in the zygote ------------------------------------------------------------------------------


def file_for_offers() -> int:
    """A descriptor of an empty memory file that can't grow; of nothing, where the system has none."""
    if not SEAL_ALL:
        return os.open(os.devnull, os.O_RDWR)
    file = os.memfd_create("offers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, MAX_OFFERS)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEAL_SIZE)
    return file


class Kept:
    """Files of what jobs have left, by whose they are; the one that was used last at the end.

    Args:
        room: Bytes that they may take together; 0: nothing is kept.
    """

    def __init__(self, room: int = ROOM):
        self.room = room
        self._files: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # descriptor, size

    def lend(self, whose: Hashable) -> int | None:
        """The file to hand to a job of this owner; None when there is none."""
        if whose not in self._files:
            return None
        self._files.move_to_end(whose)
        return self._files[whose][0]

    def take(self, whose: Hashable, offers: int) -> None:
        """Keep what a job has offered, before what was there; the oldest goes when there is no room."""
        if not SEAL_ALL or HEAD.size * 2 > self.room:
            return
        new = list(records(offers, min(os.fstat(offers).st_size, MAX_OFFERS)))
        if not new:
            return
        with contextlib.suppress(OSError):  # no memory, no descriptors: then nothing new is kept
            self._replace(whose, offers, new)
        while len(self._files) > MAX_FILES or sum(size for _, size in self._files.values()) > self.room:
            self._forget(next(iter(self._files)))

    def _replace(self, whose: Hashable, offers: int, new: list[Record]) -> None:
        old, old_size = self._files.get(whose, (-1, 0))
        sources = [(offers, record) for record in new] + [(old, record) for record in records(old, old_size)]
        file = os.memfd_create("kept", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            size = copied(sources, file, most=self.room // SHARE)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEAL_ALL)
        except BaseException:
            os.close(file)
            raise
        self._forget(whose)
        self._files[whose] = file, size

    def _forget(self, whose: Hashable) -> None:
        if whose in self._files:
            os.close(self._files.pop(whose)[0])


def copied(sources: list[tuple[int, Record]], file: int, *, most: int) -> int:
    """Copy records to a file inside the kernel, the first of each key, while there is room; the new size."""
    seen: set[bytes] = set()
    size = 0
    for source, record in sources:
        whole = HEAD.size + record.length
        if record.key in seen or size + whole > most:
            continue
        seen.add(record.key)
        os.write(file, HEAD.pack(record.key, record.length))
        at, left = record.start, record.length
        while left:
            sent = os.sendfile(file, source, at, left)
            if sent == 0:
                raise OSError("an offer has become shorter")
            at, left = at + sent, left - sent
        size += whole
    return size
