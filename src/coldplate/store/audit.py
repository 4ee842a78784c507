"""SQL of what must be true of the tables, whatever happened; every sentence found is a contradiction."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select, text

from coldplate.domain.job import Job
from coldplate.store.rows import job_from
from coldplate.store.tables import job

# Each query finds rows that can't be; its columns fill the sentence.
CONTRADICTIONS = {
    "Job {0} has ended as {1}, but no end of it was recorded.": """
        SELECT id, state FROM job WHERE state IN ('Completed', 'Cancelled', 'Failed')
        AND id NOT IN (SELECT job FROM terminal_event)""",
    "Job {0} is {1}, but its end was recorded as {2}.": """
        SELECT id, job.state, terminal_event.state FROM job JOIN terminal_event ON job = id
        WHERE job.state != terminal_event.state""",
    "Job {0} ended with fence {1}, but its row has {2}.": """
        SELECT id, terminal_event.fence, job.fence FROM job JOIN terminal_event ON job = id
        WHERE job.fence != terminal_event.fence""",
    "Job {0} is Running without a lane, a lease or a fence.": """
        SELECT id FROM job WHERE state = 'Running' AND (lane IS NULL OR lease_until IS NULL OR fence < 1)""",
    "Job {0} is {1} and still holds a lane or a lease.": """
        SELECT id, state FROM job
        WHERE state != 'Running' AND (lane IS NOT NULL OR lease_until IS NOT NULL)""",
    "Job {0} is {1} and still holds or wants its device.": """
        SELECT id, state FROM job
        WHERE state != 'Running' AND (asked IS NOT NULL OR driving IS NOT NULL)""",
    "Job {0} both waits for its device and drives it.": """
        SELECT id FROM job WHERE asked IS NOT NULL AND driving IS NOT NULL""",
    "Session {0} was charged {1} s, but its row says {2} s.": """
        SELECT id, sum(seconds), usage_s FROM session JOIN usage ON session = id
        WHERE mode = 'dedicated' AND job IS NULL GROUP BY id HAVING abs(sum(seconds) - usage_s) > 0.001""",
    "Job {0} has {1} attempts, but its fence is {2}.": """
        SELECT id, attempts, fence FROM job WHERE attempts != fence""",
    "Job {0} is {1}, but has {2} time of its end.": """
        SELECT id, state, iif(ended IS NULL, 'no', 'a') FROM job
        WHERE (state IN ('Completed', 'Cancelled', 'Failed')) != (ended IS NOT NULL)""",
    "Job {0} is Completed without a result.": """
        SELECT id FROM job WHERE state = 'Completed' AND (result_size IS NULL OR result_sha256 IS NULL)""",
    "Job {0} was charged {1} times.": """
        SELECT job, count(*) FROM usage WHERE job IS NOT NULL GROUP BY job HAVING count(*) > 1""",
    "Job {0} was charged {1} s, but its row says {2} s.": """
        SELECT id, seconds, usage_s FROM job JOIN usage ON job = id WHERE usage_s IS NOT seconds""",
    "Job {0} of instance {1} was charged to {2}.": """
        SELECT id, job.instance, usage.instance FROM job JOIN usage ON job = id
        WHERE job.instance != usage.instance""",
    "Job {0} and its session {1} are of different instances or backends.": """
        SELECT job.id, session.id FROM job JOIN session ON session.id = job.session
        WHERE job.instance != session.instance OR job.backend != session.backend""",
    "Session {0} is closed, but accepts jobs or has no time of its end.": """
        SELECT id FROM session WHERE state = 'closed' AND (accepting_jobs OR closed IS NULL)""",
    "A role of {1} in the account {0} is in the instance {2}, which is of another.": """
        SELECT role.account, user, instance.id FROM role JOIN instance ON instance.id = role.instance
        WHERE instance.account != role.account""",
}


def audited(connection: Connection) -> tuple[list[Job], list[str]]:
    """All jobs, in the order of acceptance and without their tags; and what is wrong with the tables."""
    every = connection.execute(select(job).order_by(job.c.number))
    return [job_from(row, ()) for row in every], list(contradictions(connection))


def contradictions(connection: Connection) -> Iterator[str]:
    """What is wrong with the database, one sentence each."""
    for (word,) in connection.execute(text("PRAGMA integrity_check")):
        if word != "ok":
            yield word
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"A row of {row[0]} refers to one of {row[2]} that is not there."
    for sentence, query in CONTRADICTIONS.items():
        for row in connection.execute(text(query)):
            yield sentence.format(*row)
