"""Held reads: the answer waits until the job ends, at most as long as the client would have slept.

An unmodified client then sees a result within milliseconds instead of at its next poll. While a read is
held it costs one entry in `Changes`: no thread, and no look at the database until something was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coldplate.changes import Changes
from coldplate.domain.job import Job

HOLD_S, HOLD_IN_SESSION_S = 0.5, 0.1  # what official clients sleep between two polls


async def held(changes: Changes, job_id: str, read: Callable[[], Awaitable[Job]]) -> Job:
    """The job once it is final, or as it is when the client's patience is over.

    `read` is called once before, and once after each change that was committed meanwhile.
    """
    waiter = changes.subscribe(job_id)  # before the read, so that no change falls between
    try:
        job = await read()
        hold_s = HOLD_IN_SESSION_S if job.session else HOLD_S
        deadline = asyncio.get_running_loop().time() + hold_s
        changed = waiter[1]
        while not job.state.final and await _set_before(changed, deadline):
            changed.clear()
            job = await read()
        return job
    finally:
        changes.unsubscribe(job_id, waiter)


async def _set_before(event: asyncio.Event, deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(deadline):
            await event.wait()
    except TimeoutError:
        return False
    return True
