"""One attempt at a job: its heart-beat, its time limit, its end, and what the end means."""

from __future__ import annotations

import logging
import math
import queue
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from coldplate.blobs import LocalBlobs
from coldplate.errors import ChildDied, OutOfMemory
from coldplate.workers import receipts
from coldplate.workers.messages import Ended, Lost, Started
from coldplate.workers.pool import Receipt, Ticket
from coldplate.workers.processes import end_group

Cause = Literal["cancel", "wall", "stale", "close"]  # why we killed it
Beat = Callable[[str, int], bool | None]  # True: a cancel was asked for; None: the fence is stale

PATIENCE_S = 10.0  # a zygote that has not forked or killed by then hangs, and is replaced

# Nothing that computes brings these upon itself: an operator, or the machine as it is shut down, sent them.
FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}

log = logging.getLogger(__name__)


class Killer(Protocol):
    """What an attempt may ask of its pool."""

    def kill(self, ticket: Ticket) -> None:
        """SIGKILL the attempt's processes."""

    def renew(self, ticket: Ticket, asked_at: float) -> None:
        """The lease goes on, from the moment (monotonic) at which that was asked for."""

    def replace_zygote(self) -> None:
        """End a zygote that does not answer; all its attempts are then lost."""


class Ordered(msgspec.Struct, frozen=True):
    """From ourselves: an order went to the zygote, which has to answer."""


class Rests(msgspec.Struct, frozen=True):
    """From ourselves: the process waits for its device, or waits no more."""

    rests: bool


class Attempt:
    """Watches over one ticket, from its start to the proof that nothing of it is alive.

    `watch` runs in a thread of its own; `tell` and `stop` are called from others.
    """

    def __init__(self, ticket: Ticket, *, killer: Killer, beat: Beat | None, beat_s: float):
        self.ticket = ticket
        self._killer = killer
        self._beat = beat
        self._beat_s = beat_s
        self._news: queue.SimpleQueue[Started | Ended | Lost | Ordered | Rests] = queue.SimpleQueue()
        self._cause: Cause | None = None
        self._pid: int | None = None
        self._beat_at = time.monotonic() + beat_s if beat else math.inf
        self._wall_at = math.inf
        self._rested_at: float | None = None  # since when the process waits for its device
        self._answer_by = math.inf

    def tell(self, news: Started | Ended | Lost | Ordered | Rests) -> None:
        """Something happened to the attempt."""
        self._news.put(news)

    def stop(self, cause: Cause) -> None:
        """Kill it; the first cause counts."""
        self._cause = self._cause or cause
        self._killer.kill(self.ticket)
        self.tell(Ordered())

    def watch(self) -> Receipt:
        """Wait for the end, and give the receipt."""
        while True:
            try:
                news = self._news.get(timeout=self._pause())
            except queue.Empty:
                self._keep_time()
                continue
            if isinstance(news, Ended | Lost):
                return self._conclude(news)
            self._note(news)

    def _pause(self) -> float | None:
        """Seconds until something is due."""
        due = min(self._beat_at, self._wall_due, self._answer_by)
        return None if due == math.inf else max(0.0, due - time.monotonic())

    @property
    def _wall_due(self) -> float:
        return self._wall_at if self._rested_at is None else math.inf

    def _note(self, news: Started | Ordered | Rests) -> None:
        now = time.monotonic()
        if isinstance(news, Rests):
            self._rest(now, begins=news.rests)
            return
        if isinstance(news, Ordered):
            self._answer_by = now + PATIENCE_S
            return
        self._pid = news.pid
        self._wall_at = now + self.ticket.limits.wall_s
        if self._cause is None:
            self._answer_by = math.inf

    def _rest(self, now: float, *, begins: bool) -> None:
        """The time limit rests while the process waits for others."""
        if begins:
            self._rested_at = now
        elif self._rested_at is not None:
            self._wall_at += now - self._rested_at
            self._rested_at = None

    def _keep_time(self) -> None:
        """Do what is due: renew the lease, enforce the time limit, give up on a zygote that hangs."""
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + self._beat_s
            self._renew()
        if now >= self._wall_due:
            self._wall_at = math.inf
            self.stop("wall")
        if now >= self._answer_by:
            self._answer_by = math.inf
            log.error("The zygote has not answered for %s s; it is replaced.", PATIENCE_S)
            self._killer.replace_zygote()

    def _renew(self) -> None:
        assert self._beat is not None
        asked_at = time.monotonic()
        try:
            asked = self._beat(self.ticket.job, self.ticket.fence)
        except Exception:
            # One missed beat is nothing; when the lease runs out, the fence keeps us from committing.
            log.exception("The lease of job %s could not be renewed.", self.ticket.job)
            return
        if asked is None:
            self.stop("stale")
        elif asked:
            self.stop("cancel")
        else:
            self._killer.renew(self.ticket, asked_at)

    def _conclude(self, news: Ended | Lost) -> Receipt:
        if isinstance(news, Lost) and self._pid is not None:
            end_group(self._pid)
        receipt = verdict(self.ticket, news, self._cause)
        if isinstance(news, Ended) and own_receipt(self.ticket, news) is None:
            keep_log(self.ticket, news.tail, receipt)
        return receipt


# --- what an end means --------------------------------------------------------------------------


def verdict(ticket: Ticket, news: Ended | Lost, cause: Cause | None) -> Receipt:
    """The receipt of an attempt, from how it ended and why we killed it, if we did."""
    if cause == "cancel":
        return receipts.cancelled(ticket)
    if cause == "stale":
        return receipts.lost(ticket, "Another attempt at this job has taken its place.")
    if (handed_in := own_receipt(ticket, news)) is not None:
        return handed_in
    if cause == "wall":
        return receipts.ran_too_long(ticket, f"{ticket.limits.wall_s:g} s")
    if cause == "close":
        return receipts.lost(ticket, "The service was stopped.")
    if isinstance(news, Lost):
        return receipts.lost(ticket, news.reason)
    return died(ticket, news)


def own_receipt(ticket: Ticket, news: Ended | Lost) -> Receipt | None:
    """The receipt that the process handed in, if it is this attempt's."""
    receipt = news.receipt if isinstance(news, Ended) else None
    if receipt is None or (receipt.job, receipt.fence) != (ticket.job, ticket.fence):
        return None
    return receipt


def died(ticket: Ticket, ended: Ended) -> Receipt:
    """The receipt of a process that died by itself and left none."""
    limits = ticket.limits
    overran = -ended.exit == signal.SIGKILL and ended.cpu_s >= limits.cpu_s
    if -ended.exit == signal.SIGXCPU or overran:
        return receipts.ran_too_long(ticket, f"{limits.cpu_s:g} s of processor time")
    if receipts.tells_of_no_memory(ended.tail):
        return receipts.failed(ticket, receipts.out_of_memory(limits))
    if -ended.exit == signal.SIGKILL and ended.oom_kills > 0:
        return receipts.failed(ticket, OutOfMemory("The machine ran out of memory and ended the job."))
    if -ended.exit in FROM_OUTSIDE:
        return receipts.lost(ticket, f"The job's process {manner_of_death(ended.exit)} from outside.")
    return receipts.failed(ticket, ChildDied(f"The job's process {manner_of_death(ended.exit)}."))


def manner_of_death(code: int) -> str:
    """An exit code in words.

    >>> manner_of_death(-11)
    'was ended by SIGSEGV (Segmentation fault)'
    """
    if code >= 0:
        return f"ended with exit code {code} and without a result"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name} ({signal.strsignal(-code)})"


# --- the record ---------------------------------------------------------------------------------


def keep_log(ticket: Ticket, tail: str, receipt: Receipt) -> None:
    """Write the log of a process that could not write it any more: what it said, and how it ended."""
    said = tail if not tail or tail.endswith("\n") else tail + "\n"
    if receipt.reason:
        said += f"{datetime.now(UTC).isoformat(timespec='milliseconds')} CRITICAL {receipt.reason}\n"
    if not said:
        return
    try:
        LocalBlobs(Path(ticket.blobs_root)).put(ticket.log_key, said.encode())
    except OSError:
        log.exception("The log of job %s could not be written.", ticket.job)
