"""Bytes by key: params, results and logs. What `put` has returned from survives a power cut."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from coldplate.failpoints import passing

KEY = re.compile(r"[a-z]+/[a-z0-9]{8,40}(/[0-9]+)?")
PREFIX = re.compile(r"[a-z]+(/[a-z0-9]{8,40})?")
CHUNK = 1 << 20


class LocalBlobs:
    """A directory; a key is a relative path made by ourselves, never by a client."""

    def __init__(self, root: Path):
        self.root = root

    def path(self, key: str) -> Path:
        """The file of a key, whether it exists or not."""
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a blob key.")
        return self.root / key

    def put(self, key: str, data: bytes | Path) -> tuple[int, str]:
        """Store bytes, or the content of a file, whole or not at all; gives size and SHA-256.

        Nobody knows of the key before this has returned, so that name and content may become durable in any
        order. The name is given first: one commit of the file system's journal then takes all.
        """
        target = self.path(key)
        _make_directory(target.parent.parent)
        renewed = [target.parent] if target.parent.is_dir() else [target.parent, target.parent.parent]
        target.parent.mkdir(exist_ok=True)
        partial = target.parent / f".{secrets.token_hex(8)}"
        try:
            passing("blob-write", key=key)
            with partial.open("wb") as file:
                size, digest = _write(file, data)
                file.flush()
                partial.replace(target)
                _sync_together(file.fileno(), renewed)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return size, digest

    def open(self, key: str) -> BinaryIO:
        """The bytes of a key, to read.

        Raises:
            FileNotFoundError: There are none.
        """
        return self.path(key).open("rb")

    def delete(self, key: str) -> None:
        """Remove a key, and all below it, also what was half written; nothing happens when there is none."""
        path = self.path(key)
        with suppress(FileNotFoundError):  # another one may be removing it, too
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix, in order; `""` is all."""
        if prefix and not PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is not a prefix of blob keys.")
        for path in sorted((self.root / prefix).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.root).as_posix()


def _write(file: BinaryIO, data: bytes | Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    if isinstance(data, bytes):
        file.write(data)
        digest.update(data)
        return len(data), digest.hexdigest()
    size = 0
    with data.open("rb") as source:
        while chunk := source.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _make_directory(directory: Path) -> None:
    """Make a directory, and its name durable; the same for those above it."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        make_durable(directory.parent)


def _sync_together(file: int, directories: list[Path]) -> None:
    """Make content and names durable side by side: all wait for one commit of the journal."""
    with ThreadPoolExecutor(len(directories)) as beside:
        try:
            syncs = [beside.submit(make_durable, directory) for directory in directories]
        except RuntimeError:  # a job that has used up its memory has no room for another thread
            syncs = []
        os.fsync(file)
        for directory, sync in zip_longest(directories, syncs):
            sync.result() if sync else make_durable(directory)


def make_durable(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
