"""The checker: what must be true, from journals of all parties, the API, and last the store itself."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from coldplate.audit import audit
from coldplate.blobs import LocalBlobs
from coldplate.store.store import Store
from torture.evidence import Evidence, Violation, of, of_points
from torture.fairness import fairness
from torture.load import FINAL
from torture.work import ENDS

ORDER = {"Queued": 0, "Running": 1, **dict.fromkeys(FINAL, 2)}
IDLE_S = 50.0  # less than the interactive TTL of a session
WHOLE_S, TINY_S = 1.0, 0.001  # the API tells whole seconds
TOO_LONG = "Ran too long"
CREATED_BY_MISTAKE = "The job's inputs are missing"


def violations(e: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        rows = {
            row[0]: dict(zip(("id", "state", "reason", "fence", "usage", "instance"), row, strict=True))
            for row in connection.execute("SELECT id, state, reason, fence, usage_s, instance FROM job")
        }
        tags = list(connection.execute("SELECT tag, job FROM job_tag"))
        members = dict(
            connection.execute(
                "SELECT job.id, session FROM job JOIN session AS s ON s.id = session WHERE mode = 'dedicated'"
            )
        )
    return [
        *accepted_jobs_end(e, rows),
        *ends_are_deserved(e, rows, members),
        *states_go_forward(e),
        *drivers_are_alone(e),
        *sessions_own_their_device(e, members),
        *ends_are_fenced(e),
        *results_are_right(e),
        *nothing_is_doubled(e, tags),
        *cancels_hold(e, rows),
        *others_see_nothing(e),
        *answers_last(e),
        *(Violation("I11", leak) for leak in e.leaks),
        *store_is_whole(e),
        *only_use_is_charged(e),
        *accounts_balance(e),
        *shares_are_fair(e),
    ]


def at_once(e: Evidence) -> list[Violation]:
    """What journals alone show to be wrong, while a run goes on."""
    return [
        *told_jobs_are_there(e),
        *states_go_forward(e),
        *drivers_are_alone(e),
        *ends_are_fenced(e),
        *results_are_right(e),
        *others_see_nothing(e),
    ]


def deleted(e: Evidence) -> set[str]:
    """Jobs that somebody tried to delete."""
    return {line["job"] for line in of(e.clients, "delete")}


def kinds_of(e: Evidence) -> dict[str, str]:
    """Kinds of accepted jobs, as in `work.py`."""
    kinds = {line["number"]: line.get("kind", "right") for line in of(e.clients, "submit")}
    return {line["job"]: kinds[line["number"]] for line in of(e.clients, "submitted") if line["job"]}


def told_jobs_are_there(e: Evidence) -> Iterator[Violation]:
    """I1: whoever was told of a job finds it, and its inputs with it."""
    gone = deleted(e)
    for line in of(e.clients, "state"):
        if line["state"] == "404" and line["job"] not in gone:
            yield Violation("I1", f"Job {line['job']} was accepted and is not found.")
        elif CREATED_BY_MISTAKE in (line.get("reason") or ""):
            yield Violation("I1", f"Job {line['job']} was accepted without its inputs.")


def accepted_jobs_end(e: Evidence, rows: dict[str, dict]) -> Iterator[Violation]:
    """I1: every job whose id was told exists, with its inputs, and has ended."""
    yield from told_jobs_are_there(e)
    for job in kinds_of(e):
        state = e.states.get(job)
        if job in deleted(e):
            continue
        if state not in FINAL:
            yield Violation("I1", f"Job {job} was accepted and is {state}.")
        elif CREATED_BY_MISTAKE in (rows[job]["reason"] or ""):
            yield Violation("I1", f"Job {job} was accepted without its inputs.")


def ends_are_deserved(e: Evidence, rows: dict[str, dict], members: dict[str, str]) -> Iterator[Violation]:
    """I2: good jobs fail only with their session, and somebody cancels them; bad ones end as they must."""
    cancelled = {line["job"] for line in [*of(e.clients, "cancel"), *of(e.harm, "aimed cancel")]}
    for job, kind in kinds_of(e).items():
        row = rows.get(job, {"state": None, "reason": None})
        state, reason = row["state"], row["reason"] or ""
        if state not in FINAL:
            continue  # told elsewhere
        if TOO_LONG in reason:
            continue  # whatever it was, the machine was too slow for it
        if kind in ENDS:
            due, word = ENDS[kind]
            if state != due or word not in reason:
                yield Violation("I2", f"Job {job} ({kind}) is {state}: {reason}")
        elif state == "Failed" and "session" not in reason:
            yield Violation("I2", f"Job {job} failed: {reason}")
        elif state == "Cancelled" and job not in cancelled | members.keys():
            yield Violation("I2", f"Job {job} is cancelled, which nobody has asked for.")


def states_go_forward(e: Evidence) -> Iterator[Violation]:
    """I2: nobody has ever seen a job go back, or change its end."""
    seen: dict[str, list[str]] = defaultdict(list)
    for line in of(e.clients, "state"):
        if line["state"] in ORDER:
            seen[line["job"]].append(line["state"])
    for job, states in seen.items():
        steps = [ORDER[state] for state in states]
        if steps != sorted(steps) or len({state for state in states if state in FINAL}) > 1:
            yield Violation("I2", f"Job {job} was seen as {' '.join(dict.fromkeys(states))}.")


def drivers_are_alone(e: Evidence) -> Iterator[Violation]:
    """I3: while the driver of a device or job lives, there is no other."""
    for line in e.overlaps:
        yield Violation("I3", f"{line['of']}: {line['job']}/{line['fence']} beside {line['other']}.")


def sessions_own_their_device(e: Evidence, members: dict[str, str]) -> Iterator[Violation]:
    """I4: between two jobs of an active dedicated session, no other job drives its device.

    A session that was idle for its interactive TTL, by whatever clock, waits in line again like any other.
    """
    jumps = [line["at"] for line in of(e.harm, "jumped")]
    last: dict[str, float] = {}  # when a session's device was last taken by a job of it
    others: list[tuple[float, str]] = []
    for line in e.points:
        if line["point"] != "T7-device-opened" or line.get("backend") != "emu_device":
            continue
        at, session = line["at"], members.get(line["job"])
        if session is None:
            others.append((at, line["job"]))
            continue
        since = last.get(session, at)
        if at - since < IDLE_S and not any(since < jump < at for jump in jumps):
            for when, job in others:
                if since < when < at:
                    yield Violation("I4", f"Job {job} drove the device of session {session}.")
        last[session] = at


def ends_are_fenced(e: Evidence) -> Iterator[Violation]:
    """I5: a job ends once, by its last attempt; fences only grow."""
    ends = Counter(line["job"] for line in of_points(e, "T10-end-committed"))
    for job, times in ends.items():
        if times > 1:
            yield Violation("I5", f"Job {job} ended {times} times.")
    claims: dict[str, list[int]] = defaultdict(list)
    for line in of_points(e, "T5-claim-committed"):
        claims[line["job"]].append(line["fence"])
    for job, fences in claims.items():
        if len(set(fences)) != len(fences):
            yield Violation("I5", f"Job {job} was given out with the same fence twice: {fences}.")
    for line in of_points(e, "T10-end-committed"):
        newest = max(claims[line["job"]], default=0)
        if line["fence"] < newest:
            yield Violation("I5", f"Job {line['job']} was ended by attempt {line['fence']} of {newest}.")


def results_are_right(e: Evidence) -> Iterator[Violation]:
    """I6 and I7: a result is whole, of its job, and the same whenever it is read."""
    digests: dict[str, set[str]] = defaultdict(set)
    for line in of(e.clients, "result", "official result"):
        if line["right"] is False:
            yield Violation("I7", f"The result of job {line['job']} is another's.")
        if line.get("status", 200) == 200 and "digest" in line:
            digests[line["job"]].add(line["digest"])
        elif line.get("status", 200) not in (200, 204, 404):
            yield Violation("I6", f"The result of job {line['job']} is answered with {line['status']}.")
    for job, different in digests.items():
        if len(different) > 1:
            yield Violation("I6", f"The result of job {job} has changed.")


def nothing_is_doubled(e: Evidence, tags: list[tuple[str, str]]) -> Iterator[Violation]:
    """I10: a submission makes at most one job, and the one whose id was told."""
    made: dict[int, set[str]] = defaultdict(set)
    for tag, job in tags:
        made[int(tag.removeprefix("n"))].add(job)
    gone = deleted(e)
    for line in of(e.clients, "submitted"):
        if line["job"] and line["job"] not in gone:
            made[line["number"]].add(line["job"])
    excused = meanwhile_jumped(e)
    for number, jobs in made.items():
        if len(jobs) > 1 and number not in excused:
            yield Violation("I10", f"Submission {number} made {len(jobs)} jobs.")


def meanwhile_jumped(e: Evidence) -> set[int]:
    """Submissions between whose tries the clock jumped by hours: they look like wishes of another day."""
    jumps = [line["at"] for line in of(e.harm, "jumped")]
    began = {line["number"]: line["at"] for line in of(e.clients, "submit")}
    ended = {line["number"]: line["at"] for line in of(e.clients, "submitted")}
    last = max((line["at"] for line in e.clients), default=0.0)
    return {n for n, at in began.items() if any(at < jump < ended.get(n, last) for jump in jumps)}


def cancels_hold(e: Evidence, rows: dict[str, dict]) -> Iterator[Violation]:
    """I2: who was told that a job is cancelled never finds it otherwise; who was told no, finds it ended."""
    for line in of(e.clients, "cancel"):
        state = rows.get(line["job"], {}).get("state")
        if line["status"] == 204 and state != "Cancelled":
            yield Violation("I2", f"Job {line['job']} was cancelled and is {state}.")


def others_see_nothing(e: Evidence) -> Iterator[Violation]:
    """I12: a job of another tenant is as unknown as one that never was, whatever is asked of it."""
    for line in of(e.clients, "pry"):
        if line["status"] != 404 or not line["alike"]:
            yield Violation("I12", f"A stranger's {line['how']} of job {line['job']} met {line['status']}.")


def answers_last(e: Evidence) -> Iterator[Violation]:
    """I13: a restart changes no end."""
    for job, state in e.states.items():
        if state in FINAL and e.again.get(job) != state:
            yield Violation("I13", f"Job {job} was {state} and is {e.again.get(job)} after a restart.")
    seen = {line["job"]: line["state"] for line in of(e.clients, "state") if line["state"] in FINAL}
    for job, state in seen.items():
        if job not in deleted(e) and e.again.get(job) != state:
            yield Violation("I13", f"Job {job} was seen as {state} and is {e.again.get(job)}.")


def store_is_whole(e: Evidence) -> Iterator[Violation]:
    """I8 and I14: tables and files agree, charges too; nothing is held by nobody."""
    with contextlib.closing(Store(f"sqlite:///{e.database}")) as store:
        for problem in audit(store, LocalBlobs(e.blobs)).problems:
            yield Violation("I8" if "charged" in problem else "I14", problem)
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        held = connection.execute("SELECT id FROM job WHERE state IN ('Queued', 'Running')").fetchall()
        owners = connection.execute(
            "SELECT id FROM session WHERE state = 'active' AND mode = 'dedicated' AND closed IS NOT NULL"
        ).fetchall()
    yield from (Violation("I11", f"Job {id} still waits or runs.") for (id,) in held)
    yield from (Violation("I11", f"Session {id} is closed and owns a device.") for (id,) in owners)


def only_use_is_charged(e: Evidence) -> Iterator[Violation]:
    """I8: a job is charged once at most, and only if it was given out."""
    begun = {line["job"] for line in of_points(e, "T5-claim-committed")}
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        charged = Counter(job for (job,) in connection.execute("SELECT job FROM usage WHERE job IS NOT NULL"))
    for job, times in charged.items():
        if times > 1:
            yield Violation("I8", f"Job {job} was charged {times} times.")
        if job not in begun:
            yield Violation("I8", f"Job {job} was charged and never ran.")


def accounts_balance(e: Evidence) -> Iterator[Violation]:
    """I8: an instance has used what its jobs and sessions were charged; a session may have ended since."""
    for_jobs: Counter[str] = Counter()
    for_sessions: Counter[str] = Counter()
    with contextlib.closing(sqlite3.connect(e.database)) as connection:
        for instance, job, seconds in connection.execute("SELECT instance, job, seconds FROM usage"):
            (for_sessions if job is None else for_jobs)[instance] += seconds
    for instance, used_s in e.used_s.items():
        least, most = for_jobs[instance], for_jobs[instance] + for_sessions[instance]
        if not least - WHOLE_S < used_s <= most + TINY_S:
            yield Violation(
                "I8", f"{instance} used {used_s:.3f} s, and was charged {least:.3f} to {most:.3f}."
            )


def shares_are_fair(e: Evidence) -> Iterator[Violation]:
    """I9: no gap is larger than the bound."""
    found = fairness(e)
    if found.gap > found.bound + TINY_S:
        yield Violation("I9", f"The gap between shares is {found.gap:.3f}, more than {found.bound:.3f}.")


def states_of(lines: Iterable[bytes]) -> dict[str, str]:
    """States by job, from pages of the API's list."""
    return {
        job["id"]: job["status"].partition(" - ")[0] for page in lines for job in json.loads(page)["jobs"]
    }
