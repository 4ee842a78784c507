"""The body of a child: a Ticket in, a Receipt out; the only hatch from the office into the lab."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import qiskit

from coldplate.blobs import LocalBlobs
from coldplate.circuits.backend import Backend
from coldplate.errors import ColdplateError, JobFailure, LimitExceeded, ProgramNotRun
from coldplate.failpoints import passing
from coldplate.ids import could_be_id
from coldplate.programs import registry
from coldplate.programs.registry import Context, Run
from coldplate.workers import devices, receipts, sandbox
from coldplate.workers.host import Code, Host
from coldplate.workers.interim import Interim
from coldplate.workers.pool import Limits, Receipt, Ticket
from coldplate.workers.tally import Tally
from coldplate.workers.turns import InTurn

Find = Callable[[str], Run]
Load = Callable[[str, Path | None], Backend]

STORE_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}  # the machine's, not the job's
STORE_PAUSES_S = (0.1, 0.5, 2.0, *(5.0,) * 11)  # between attempts to store a result: a minute in all

MAX_LOG = 1 << 20  # characters of a job's log
MAX_CAUSE = 200  # characters of an unforeseen error's text that its reason shows
JOB_LOG = logging.getLogger("coldplate.job")

OUT_OF_MEMORY = re.compile(
    r"insufficient memory|cannot allocate|unable to allocate|bad_alloc|memory allocation", re.I
)


def run_job(ticket: Ticket, *, find: Find = registry.find, load: Load = devices.load) -> Receipt:
    """Run a ticket's program on its backend; whatever happens, there is a receipt.

    Args:
        ticket: What to run; params are read from, result and log written to, the ticket's blobs.
        find: Gives the program of an id.
        load: Gives the backend of a name, of a catalog file or the default one.
    """
    np.random.seed()  # the zygote's global state would be the same for every job
    passing("T6-child-started", job=ticket.job, fence=ticket.fence)
    blobs = LocalBlobs(Path(ticket.blobs_root))
    with job_log(ticket.log_level) as log:
        try:
            receipt = complete(ticket, blobs=blobs, find=find, load=load)
        except BaseException as error:  # PanicException of Rust code is not an Exception
            sandbox.use_reserve()
            receipt = receipts.of_error(ticket, explain(error, limits=ticket.limits))
            JOB_LOG.error("%s", receipt.reason, exc_info=None if isinstance(error, ColdplateError) else error)
    if log.lines:
        with contextlib.suppress(OSError):  # a log that can't be kept is no reason to lose the result
            blobs.put(ticket.log_key, "".join(log.lines).encode("utf-8", "replace"))
    return receipt


def complete(ticket: Ticket, *, blobs: LocalBlobs, find: Find, load: Load) -> Receipt:
    """The receipt of a job that ran to its end, its result stored."""
    run = uploaded(ticket, blobs) if could_be_id(ticket.program) else find(ticket.program)
    params = read_file(ticket.params_key, blobs, what="inputs are")
    backend = load(ticket.backend, None if ticket.catalog is None else Path(ticket.catalog))
    if ticket.exclusive:
        backend = InTurn(backend, ticket)
    else:
        passing("T7-device-opened", job=ticket.job, fence=ticket.fence, backend=ticket.backend)
    context = Context(seed=ticket.seed, in_session=ticket.in_session, log=JOB_LOG.info)
    if ticket.interim_key is not None:
        context = replace(context, publish=Interim(blobs.path(ticket.interim_key)))
    tally = Tally(backend)
    answer = run(params, tally, context)
    try:
        if answer.artifacts is not None:
            store_body(ticket.artifacts_key, answer.artifacts, blobs)
        size, sha256 = store_body(ticket.result_key, answer.body, blobs)
    except OSError as error:
        if error.errno not in STORE_TROUBLE:
            raise
        return receipts.lost(ticket, f"The job's result can't be stored ({error.strerror}).")
    passing("T8-result-stored", job=ticket.job, fence=ticket.fence)
    return Receipt(
        ticket.job,
        ticket.fence,
        "Completed",
        usage_s=answer.usage_s,
        result_size=size,
        result_sha256=sha256,
        metrics=versions() | answer.metrics | {"coldplate": tally.told()},
    )


def uploaded(ticket: Ticket, blobs: LocalBlobs) -> Run:
    """The program that a user uploaded, as something to run.

    Raises:
        ProgramNotRun: The operator has switched that off since.
    """
    if ticket.code_key is None:
        raise ProgramNotRun(f"Program {ticket.program} was accepted, but uploaded programs are not run now.")
    code = msgspec.json.decode(read_file(ticket.code_key, blobs, what="program is"), type=Code)
    return Host(code, data=Path(ticket.blobs_root).parent, log_level=ticket.log_level).run


def read_file(key: str, blobs: LocalBlobs, *, what: str) -> bytes:
    """What was stored with the job, as the client sent it."""
    try:
        with blobs.open(key) as file:
            return file.read()
    except FileNotFoundError as error:
        raise JobFailure(f"The job's {what} missing from the service's store.") from error


def store_body(key: str, body: bytes, blobs: LocalBlobs) -> tuple[int, str]:
    """Store what a job gives, also on a disk that is full for a while: the job is not to blame."""
    for pause_s in STORE_PAUSES_S:
        try:
            return blobs.put(key, body)
        except OSError as error:
            if error.errno not in STORE_TROUBLE:
                raise
            JOB_LOG.warning("The result can't be stored yet (%s).", error.strerror)
            time.sleep(pause_s)
    return blobs.put(key, body)


def versions() -> dict[str, Any]:
    """What a result was computed with."""
    return {"qiskit_version": qiskit.__version__}


def explain(error: BaseException, *, limits: Limits) -> ColdplateError:
    """What the user is told about an error: ours as it is, any other in one line without our internals."""
    if isinstance(error, ColdplateError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    text = (error.strerror if isinstance(error, OSError) else str(error)) or ""
    if isinstance(error, MemoryError) or number == errno.ENOMEM or receipts.tells_of_no_memory(text):
        return receipts.out_of_memory(limits)
    if number == errno.EFBIG:
        return LimitExceeded(f"The job's result is larger than {limits.file_bytes / 2**30:.3g} GiB.")
    cause = f"{type(error).__name__}: {text.partition(chr(10))[0][:MAX_CAUSE]}".removesuffix(": ")
    return JobFailure(f"Internal error while executing the job ({cause}).")


# --- the log that the job's owner reads ---------------------------------------------------------


class JobLog(logging.Handler):
    """Keeps the lines for the end, and writes them to stderr, where they outlive a crash."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormat("%(asctime)s %(levelname)s %(message)s"))
        self.lines: list[str] = []
        self._room = MAX_LOG

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record; those that find no room are left out."""
        text = self.format(record) + "\n"
        self._room -= len(text)
        if self._room >= 0:
            self.lines.append(text)
            sys.stderr.write(text)


class LineFormat(logging.Formatter):
    """`<ISO time> <LEVEL> message`, UTC."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The record's time as ISO 8601 with milliseconds."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


@contextlib.contextmanager
def job_log(level: str) -> Iterator[JobLog]:
    """Everything that is logged or warned of inside, from `level` up; an unknown level is WARNING."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.WARNING)
    root, handler = logging.getLogger(), JobLog()
    before = root.level
    root.addHandler(handler)
    root.setLevel(threshold)
    logging.captureWarnings(True)
    try:
        yield handler
    finally:
        logging.captureWarnings(False)
        root.setLevel(before)
        root.removeHandler(handler)
