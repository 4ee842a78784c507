"""The receipts of a ticket that did not complete."""

from __future__ import annotations

import re

from coldplate.errors import ColdplateError, OutOfMemory, RanTooLong
from coldplate.workers.pool import Limits, Receipt, Ticket

# Characters; a receipt has to fit into one page, whatever alphabet it is written in.
MAX_REASON = 600
MAX_SOLUTION = 200

# As Aer, the C++ and Rust runtimes, NumPy and the C library say it.
NO_MEMORY = re.compile(
    r"insufficient memory|(cannot|unable to) allocate|bad_alloc|memory allocation of \d+ bytes|MemoryError",
    re.IGNORECASE,
)


def of_error(ticket: Ticket, error: ColdplateError) -> Receipt:
    """What became of a job that raised an error: only one that ran too long is not to blame."""
    if isinstance(error, RanTooLong):
        return over_limit(ticket, error)
    return failed(ticket, error)


def failed(ticket: Ticket, error: ColdplateError) -> Receipt:
    """The job is to blame."""
    return Receipt(
        ticket.job,
        ticket.fence,
        "Failed",
        code=error.code,
        reason=plain(error.message),
        solution=plain(error.solution, limit=MAX_SOLUTION),
    )


def cancelled(ticket: Ticket) -> Receipt:
    """A user's cancel carries no reason and no code."""
    return Receipt(ticket.job, ticket.fence, "Cancelled")


def ran_too_long(ticket: Ticket, limit: str) -> Receipt:
    """The job was cut at a time limit, which ends it as Cancelled with code 1305."""
    return over_limit(ticket, RanTooLong(f"Ran too long: the job reached its limit of {limit}."))


def over_limit(ticket: Ticket, error: RanTooLong) -> Receipt:
    """The job was cut off, by whomever."""
    return Receipt(
        ticket.job, ticket.fence, "Cancelled", code=error.code, reason=error.message, solution=error.solution
    )


def lost(ticket: Ticket, reason: str) -> Receipt:
    """The worker is to blame; the job may run again."""
    return Receipt(ticket.job, ticket.fence, "Failed", reason=plain(reason), lost=True)


def plain(text: str, *, limit: int = MAX_REASON) -> str:
    """Text that every store and every JSON takes: one line, printable, of bounded length."""
    shown = "".join(c if c.isprintable() else " " for c in text).strip()
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def tells_of_no_memory(text: str) -> bool:
    """Whether an error message means that memory ran out."""
    return NO_MEMORY.search(text) is not None


def out_of_memory(limits: Limits) -> OutOfMemory:
    """The job reached its own memory limit."""
    return OutOfMemory(
        f"The job needed more memory than the {limits.memory_bytes / 2**30:.3g} GiB it may use."
    )
