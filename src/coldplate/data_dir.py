"""The data directory: private, used by one server at a time; tells its owner where the server is."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coldplate.connection import ACCOUNT_FILE, SERVER_FILE
from coldplate.errors import ColdplateError

LOCK_FILE = "lock"


class DataDirUnusable(ColdplateError):
    """The data directory can't be used."""

    code = 4092


@contextmanager
def opened(data: Path) -> Iterator[None]:
    """Make the directory if needed, and keep every other server out of it.

    The lock is the kernel's: it is gone with its process, however that ends.

    Raises:
        DataDirUnusable: Another server uses it, or it can't be made or written to.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)  # it was made with other rights, or before us
        lock = (data / LOCK_FILE).open("a")
    except OSError as error:
        raise DataDirUnusable(
            f"The data directory {data} can't be used: {error.strerror}.",
            solution="Choose another one with --data.",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirUnusable(
                f"The data directory {data} is used by another server{whose(data)}.",
                solution="Stop that server, or choose another directory with --data.",
            ) from error
        (data / SERVER_FILE).unlink(missing_ok=True)  # of a server that was killed
        yield


def whose(data: Path) -> str:
    """Which server says that it uses the directory, if one does."""
    try:
        told = json.loads((data / SERVER_FILE).read_text())
        return f" (process {told['pid']} at {told['url']})"
    except (OSError, ValueError, KeyError):
        return ""


def write_account(data: Path, *, key: str, crn: str) -> None:
    """Keep the first key where only the owner can read it."""
    write_private(data / ACCOUNT_FILE, {"key": key, "crn": crn})


@contextmanager
def announced(data: Path, *, url: str) -> Iterator[None]:
    """Tell this user's commands where the server is, as long as it runs."""
    file = data / SERVER_FILE
    write_private(file, {"pid": os.getpid(), "url": url})
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def write_private(file: Path, content: dict[str, object] | dict[str, str]) -> None:
    """Replace a JSON file at once: a reader sees the old or the whole new one; only the owner reads."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as text:
        json.dump(content, text)
        text.flush()
        os.fsync(descriptor)
    new.replace(file)
