"""Audit: holds the store and its files against each other; reads only, also while a server works.

Two orders make it possible: params are on disk before their job is stored, and a result before its job
completes. So a row without its file is damage, while a file without a row is what a crash leaves, and is
swept up after a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from coldplate.blobs import LocalBlobs
from coldplate.domain.job import Job, JobState
from coldplate.errors import Unavailable
from coldplate.store.store import Store


@dataclass
class Findings:
    """What an audit has found."""

    problems: list[str] = field(default_factory=list)
    jobs: int = 0
    files: int = 0
    orphans: list[str] = field(default_factory=list)  # keys of files that no job needs


def audit(store: Store, blobs: LocalBlobs) -> Findings:
    """Check the tables, and every file that a job must have: there, as long and with the SHA-256 it had."""
    found = Findings()
    try:
        keys = set(blobs.list(""))  # before the jobs: whatever is written meanwhile is no orphan
        jobs, found.problems = store.audited()
    except Unavailable as error:  # too damaged to be read
        return Findings([error.message])
    needed: set[str] = set()
    for job in jobs:
        found.jobs += 1
        for key, size, sha256 in must_have(job):
            needed.add(key)
            found.files += 1
            wrong = damage(blobs.path(key), size, sha256)
            if wrong and is_still(job, store.job(job.id)):
                found.problems.append(f"The {key.split('/')[0]} of job {job.id} {wrong}.")
        needed.update(may_have(job))
    found.orphans = sorted(keys - needed)
    return found


def is_still(job: Job, now: Job | None) -> bool:
    """Whether a job is as it was when its files were looked for; else they may have gone with right."""
    return now is not None and replace(now, tags=()) == replace(job, tags=())


def must_have(job: Job) -> Iterator[tuple[str, int, str]]:
    """The keys of files that a job can't be without, with their size and SHA-256."""
    if not (job.private and job.state.final):
        yield job.params_key, job.params_size, job.params_sha256
    whole = job.result_size is not None and job.result_sha256 is not None
    if job.state is JobState.COMPLETED and whole and not (job.private and job.results_read):
        assert job.result_size is not None
        assert job.result_sha256 is not None
        yield job.attempt_key("result"), job.result_size, job.result_sha256


def may_have(job: Job) -> list[str]:
    """The keys of files that belong to a job, if they exist."""
    of_attempt = (job.attempt_key(kind) for kind in ("result", "artifacts", "log", "interim"))
    return [job.params_key, job.code_key, *of_attempt]


def damage(file: Path, size: int, sha256: str) -> str | None:
    """What is wrong with a file; None: nothing."""
    try:
        if file.stat().st_size != size:
            return f"has {file.stat().st_size} bytes, not {size}"
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"can't be read: {error.strerror}"
    return None if digest == sha256 else "is not what was written"
