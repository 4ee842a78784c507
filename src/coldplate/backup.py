"""Backup and restore of a data directory, while a server works on it or not.

The database is copied in one step; then the files that it needs. Files never change, so what an earlier
backup has is not copied again. A job that is deleted in between takes its files with it: then the database
is copied anew, until it and the files are of one moment.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

from coldplate.audit import Findings, audit, may_have, must_have
from coldplate.blobs import LocalBlobs, make_durable
from coldplate.connection import ACCOUNT_FILE
from coldplate.data_dir import opened
from coldplate.errors import ColdplateError
from coldplate.store.store import Store

DATABASE = "coldplate.db"
BLOBS = "blobs"
TRIES = 50  # copies of the database while jobs are being deleted


class BackupFailed(ColdplateError):
    """A backup could not be made, or can't be used."""

    code, solution = 4095, "Choose another directory, or free some space, and try again."


def back_up(data: Path, target: Path) -> Findings:
    """Bring a backup up to date, or make one; what it holds was audited.

    Raises:
        BackupFailed: The target is no backup, or what was copied is damaged.
    """
    if target.exists() and any(target.iterdir()) and not (target / DATABASE).exists():
        raise BackupFailed(f"{target} is neither empty nor a backup.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    blobs = LocalBlobs(target / BLOBS)
    for _ in range(TRIES):
        copy_database(data / DATABASE, target / DATABASE)
        with contextlib.closing(Store(f"sqlite:///{target / DATABASE}")) as store:
            jobs, _ = store.audited()
        wanted = [key for job in jobs for key in may_have(job)]
        needed = {key for job in jobs for key, *_ in must_have(job)}
        missing = copy_files(LocalBlobs(data / BLOBS), blobs, wanted) & needed
        if not missing:
            break
    for key in set(blobs.list("")) - set(wanted):  # of jobs that were deleted since the last backup
        blobs.delete(key)
    if (data / ACCOUNT_FILE).exists():
        shutil.copy2(data / ACCOUNT_FILE, target / ACCOUNT_FILE)
    return checked(target)


def restore(source: Path, data: Path) -> Findings:
    """Put a backup into an empty data directory; a server may then be started on it.

    Raises:
        BackupFailed: The backup is damaged, or the directory has a database already.
    """
    if not (source / DATABASE).exists():
        raise BackupFailed(f"{source} is no backup: it has no {DATABASE}.")
    checked(source)
    with opened(data):
        if (data / DATABASE).exists():
            raise BackupFailed(f"{data} has a database already.", solution="Restore into an empty directory.")
        source_blobs = LocalBlobs(source / BLOBS)
        copy_files(source_blobs, LocalBlobs(data / BLOBS), list(source_blobs.list("")))
        if (source / ACCOUNT_FILE).exists():
            shutil.copy2(source / ACCOUNT_FILE, data / ACCOUNT_FILE)
        copy_database(source / DATABASE, data / DATABASE)  # last: without it the directory is empty
    return checked(data)


def checked(directory: Path) -> Findings:
    """An audit of a copy, which must not find anything."""
    with contextlib.closing(Store(f"sqlite:///{directory / DATABASE}")) as store:
        found = audit(store, LocalBlobs(directory / BLOBS))
    if found.problems:
        raise BackupFailed(
            f"{directory} is damaged: {found.problems[0]}",
            solution="Run `coldplate db check` on the original; restore an older backup.",
        )
    return found


def copy_database(source: Path, target: Path) -> None:
    """A copy of one moment, whatever a server writes meanwhile; replaced whole or not at all."""
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
        contextlib.closing(sqlite3.connect(new)) as copy,
    ):
        old.backup(copy)
    new.chmod(0o600)
    make_durable(new)
    for name in ("-wal", "-shm"):  # of the copy that is replaced
        target.with_name(target.name + name).unlink(missing_ok=True)
    new.replace(target)
    make_durable(target.parent)


def copy_files(source: LocalBlobs, target: LocalBlobs, keys: list[str]) -> set[str]:
    """Copy what the target has not; gives the keys that the source has not either."""
    missing = set()
    for key in keys:
        if not target.path(key).exists():
            try:
                target.put(key, source.path(key))
            except FileNotFoundError:
                missing.add(key)
    return missing
