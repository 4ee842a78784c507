"""The sweep: removes files that belong to no job, and those of private jobs that outlived a crash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coldplate.blobs import LocalBlobs
from coldplate.domain.job import Job, JobId, JobState
from coldplate.store.store import Store

ORPHAN_AGE = timedelta(hours=24)  # younger ones may be of a job that is being accepted


def sweep(store: Store, blobs: LocalBlobs, *, now: datetime, grace: timedelta) -> list[str]:
    """Remove what nobody can read any more; gives the names of the files.

    Args:
        now: The time, UTC, by the clock that also dates files.
        grace: How long the results of a private job can be read again.
    """
    keys = list(blobs.list(""))
    known = store.all_job_ids()  # after the files: whatever was accepted in between is known
    spent = [key for key in keys if _is_spent(key, known, store, blobs, now=now, grace=grace)]
    for key in spent:
        blobs.delete(key)
    halves = list(_halves(blobs.root, now))
    for path in halves:
        path.unlink(missing_ok=True)
    return [*spent, *(path.name for path in halves)]


def _is_spent(
    key: str, known: set[str], store: Store, blobs: LocalBlobs, *, now: datetime, grace: timedelta
) -> bool:
    kind, id = key.split("/")[:2]
    if id not in known:
        return is_old(blobs.path(key), now)
    job = store.job(JobId(id))
    return job is not None and job.private and is_taken_away(job, kind, now=now, grace=grace)


def is_taken_away(job: Job, kind: str, *, now: datetime, grace: timedelta) -> bool:
    """Whether a private job's params, result or artifacts must not exist any more."""
    if kind in ("params", "code"):
        return job.state.final
    if kind in ("result", "artifacts"):
        read = job.results_read is not None and job.results_read + grace <= now
        return job.state.final and (read or job.state is not JobState.COMPLETED)
    return False


def is_old(path: Path, now: datetime) -> bool:
    """Whether a file is too old to be of something that is just happening; one that is gone isn't."""
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return False
    return written + ORPHAN_AGE <= now


def _halves(root: Path, now: datetime) -> Iterator[Path]:
    """Files whose writing was cut short by a crash."""
    return (path for path in root.rglob(".*") if path.is_file() and is_old(path, now))
