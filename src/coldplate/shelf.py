"""Shelf: the files of each job (params, result, log), kept as blobs; a private job's are taken away."""

from __future__ import annotations

import hashlib
from pathlib import Path

from coldplate.blobs import LocalBlobs
from coldplate.domain.job import Job
from coldplate.errors import ResultDamaged, Unavailable

MAX_VERIFIED = 10_000  # results whose checksum is remembered as right; afterwards it is computed again


class Shelf:
    """Files of jobs. A file that is missing was taken away, or never written."""

    def __init__(self, blobs: LocalBlobs):
        self._blobs = blobs
        self._verified: set[str] = set()

    def put_params(self, job: Job, params: bytes) -> tuple[int, str]:
        """Store a job's params durably; their size and SHA-256.

        Raises:
            Unavailable: There is no room for them.
        """
        return self._put(job.params_key, params)

    def put_code(self, job: Job, code: bytes) -> None:
        """Store the program of a job, when a user uploaded it; for errors see `put_params`."""
        self._put(job.code_key, code)

    def _put(self, key: str, data: bytes) -> tuple[int, str]:
        try:
            return self._blobs.put(key, data)
        except OSError as error:  # nothing refers to them yet, so that a repeat does no harm
            raise Unavailable(f"The job's inputs can't be stored ({error.strerror}).") from error

    def params(self, job: Job) -> bytes | None:
        """A job's params as they were sent; None when they were taken away."""
        try:
            return self._blobs.path(job.params_key).read_bytes()
        except FileNotFoundError:
            return None

    def log(self, job: Job) -> str:
        """What the last attempt logged; empty when it logged nothing."""
        try:
            return self._blobs.path(job.attempt_key("log")).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def interim(self, job: Job) -> list[bytes]:
        """What the current attempt has told so far, a JSON value each."""
        try:
            told = self._blobs.path(job.attempt_key("interim")).read_bytes()
        except FileNotFoundError:
            return []
        return told[: told.rfind(b"\n") + 1].splitlines()  # the last line may still be being written

    def result(self, job: Job) -> Path:
        """The file that a completed job wrote; its checksum is computed once.

        Raises:
            ResultDamaged: The file is missing, or is not what the job wrote.
        """
        key = job.attempt_key("result")
        path = self._blobs.path(key)
        try:
            whole = path.stat().st_size == job.result_size
            if whole and key not in self._verified:
                with path.open("rb") as file:
                    whole = hashlib.file_digest(file, "sha256").hexdigest() == job.result_sha256
        except FileNotFoundError:
            whole = False
        if not whole:
            raise ResultDamaged(f"The stored result of job {job.id} is missing or damaged.")
        self._remember(key)
        return path

    def artifacts(self, job: Job) -> Path | None:
        """The file of what was kept beside a result; None: nothing was."""
        path = self._blobs.path(job.attempt_key("artifacts"))
        return path if path.exists() else None

    def _remember(self, key: str) -> None:
        if len(self._verified) >= MAX_VERIFIED:
            self._verified.clear()
        self._verified.add(key)

    def take_params(self, job: Job) -> None:
        """Take a job's params away, and its program if a user uploaded that."""
        self._blobs.delete(job.params_key)
        self._blobs.delete(job.code_key)

    def take_result(self, job: Job) -> None:
        """Take a job's result away, and what was kept beside it."""
        for kind in ("result", "artifacts"):
            self._blobs.delete(f"{kind}/{job.id}")

    def take_all(self, job: Job) -> None:
        """Take everything of a job away."""
        for kind in ("params", "code", "result", "artifacts", "log", "interim"):
            self._blobs.delete(f"{kind}/{job.id}")
