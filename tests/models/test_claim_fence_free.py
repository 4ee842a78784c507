"""A model of claim, fence and free, explored whole: every order of every step of two schedulers.

Two jobs want one device. Each scheduler may stop for any time between any two of its steps; processes die at
any moment; leases end at any moment. With all four rules no reachable state has two drivers on the device or
two ends of a job, and every job can still end; without any one of them there is such a state.

The rules, and where they are in the code:

- claim: a job starts only if it still waits and its lane is free, in one write (`jobs.start`, `one_run`);
- fence: only the attempt with the current fence may end a job or be replaced (`store.jobs._current`);
- kill: before anybody may take a lease for over, its process is dead (`Zygote._end_leases`, `Attempt.watch`);
- lease: an attempt of which nobody hears any more is replaced (`scheduler.leases`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

WAITS, RUNS, ENDED = "waits", "runs", "ended"
RULES = frozenset({"claim", "fence", "kill", "lease"})
TROUBLE = 2  # leases that end, in all: it bounds the model


@dataclass(frozen=True)
class Job:
    """A row, and what the world has seen of it."""

    state: str = WAITS
    fence: int = 0
    lane: bool = False  # it holds the only lane
    over: bool = False  # the lease of its current attempt is
    ends: int = 0


@dataclass(frozen=True)
class State:
    """Everything at one moment. A scheduler's plan is what it will do next, however stale by then."""

    jobs: tuple[Job, ...] = (Job(), Job())
    plans: tuple[tuple, ...] = ((), ())
    alive: frozenset = frozenset()  # processes (job, fence) that drive the device
    receipts: frozenset = frozenset()  # attempts that are done, and that nobody has stored yet
    trouble: int = 0


def change(before: State, j: int, **fields) -> State:
    """The state with another row."""
    jobs = [replace(job, **fields) if i == j else job for i, job in enumerate(before.jobs)]
    return replace(before, jobs=tuple(jobs))


def planned(state: State, s: int, *plan) -> State:
    """The state in which a scheduler has another plan."""
    return replace(state, plans=tuple(plan if i == s else old for i, old in enumerate(state.plans)))


def steps(state: State, rules: frozenset[str]) -> Iterator[State]:
    """What may happen next."""
    for s, plan in enumerate(state.plans):
        yield from scheduler(state, s, plan, rules)
    for attempt in state.alive:  # it is done, or dies: both end its process
        gone = replace(state, alive=state.alive - {attempt})
        yield replace(gone, receipts=state.receipts | {attempt})
    for j, fence in state.receipts:
        yield from store_end(state, j, fence, rules)
    for j, job in enumerate(state.jobs):
        if job.state == RUNS and not job.over and state.trouble < TROUBLE:
            yield end_lease(state, j, rules)


def scheduler(state: State, s: int, plan: tuple, rules: frozenset[str]) -> Iterator[State]:
    """A scheduler looks and plans, or carries out what it planned."""
    if not plan:
        free = not any(job.lane for job in state.jobs)
        for j, job in enumerate(state.jobs):
            if job.state == WAITS and free:
                yield planned(state, s, "claim", j)
            if job.state == RUNS and job.over and "lease" in rules:
                yield planned(state, s, "replace", j, job.fence)
        return
    state = planned(state, s)
    j = plan[1]
    job = state.jobs[j]
    if plan[0] == "claim":
        free = not any(other.lane for other in state.jobs)
        if "claim" not in rules or (job.state == WAITS and free):
            fence = job.fence + 1
            yield planned(
                change(state, j, state=RUNS, fence=fence, lane=True, over=False), s, "launch", j, fence
            )
        else:
            yield state
    elif plan[0] == "replace":
        if job.state == RUNS and job.over and ("fence" not in rules or job.fence == plan[2]):
            yield planned(change(state, j, fence=job.fence + 1, over=False), s, "launch", j, job.fence + 1)
        else:
            yield state
    else:  # a ticket whose lease is over is not worked on
        stale = "kill" in rules and (job.fence != plan[2] or job.over or job.state != RUNS)
        yield state if stale else replace(state, alive=state.alive | {(j, plan[2])})


def store_end(state: State, j: int, fence: int, rules: frozenset[str]) -> Iterator[State]:
    """What a done attempt has to say reaches the store."""
    job, state = state.jobs[j], replace(state, receipts=state.receipts - {(j, fence)})
    current = job.state == RUNS and ("fence" not in rules or job.fence == fence)
    yield change(state, j, state=ENDED, lane=False, over=False, ends=job.ends + 1) if current else state


def end_lease(state: State, j: int, rules: frozenset[str]) -> State:
    """Nobody has renewed a lease: its watchdog has killed the process before anybody else may notice."""
    job = state.jobs[j]
    state = replace(change(state, j, over=True), trouble=state.trouble + 1)
    return replace(state, alive=state.alive - {(j, job.fence)}) if "kill" in rules else state


def wrong(state: State) -> str | None:
    """What must never be."""
    if len(state.alive) > 1:
        return "two drivers on one device"
    if any(job.ends > 1 for job in state.jobs):
        return "a job that ended twice"
    if any(job.ends and job.state != ENDED for job in state.jobs):
        return "a job that came back from its end"
    if any(job.state == ENDED and (j, job.fence) in state.alive for j, job in enumerate(state.jobs)):
        return "a device that was freed while it is driven"
    return None


def explore(rules: frozenset[str]) -> tuple[dict[State, list[State]], str | None]:
    """All reachable states with what may follow, and the first thing that is wrong."""
    known: dict[State, list[State]] = {}
    queue = deque([State()])
    while queue:
        state = queue.popleft()
        if state in known:
            continue
        if (mistake := wrong(state)) is not None:
            return known, mistake
        known[state] = list(steps(state, rules))
        queue.extend(known[state])
    return known, None


def stuck(known: dict[State, list[State]]) -> list[State]:
    """States from which there is no way to the end of all jobs."""
    before: dict[State, list[State]] = {state: [] for state in known}
    for state, after in known.items():
        for each in after:
            before[each].append(state)
    good = {state for state in known if all(job.state == ENDED for job in state.jobs)}
    queue = deque(good)
    while queue:
        for state in before[queue.popleft()]:
            if state not in good:
                good.add(state)
                queue.append(state)
    return [state for state in known if state not in good]


def test_with_all_rules_nothing_is_ever_wrong_and_every_job_can_end():
    known, mistake = explore(RULES)
    assert mistake is None
    assert len(known) > 1000
    # A process that died leaves a receipt without an end here; the end of trouble is what bounds the model.
    assert stuck(known) == []


@pytest.mark.parametrize("rule", sorted(RULES - {"lease"}))
def test_without_one_rule_something_goes_wrong(rule):
    _, mistake = explore(RULES - {rule})
    assert mistake is not None


def test_without_leases_a_job_can_wait_for_ever():
    known, mistake = explore(RULES - {"lease"})
    assert mistake is None
    assert stuck(known)
