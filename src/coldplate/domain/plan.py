"""Plan: what an instance's plan allows, and what happens at its usage limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

WINDOW = timedelta(days=28)
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class AtLimit(StrEnum):
    """What becomes of an instance that has used its limit. Queued jobs wait with each of them."""

    WAIT = "wait"  # new jobs are accepted, and wait as well; active sessions go on
    REFUSE = "refuse"  # new jobs are refused; what runs goes on, active sessions too
    STOP = "stop"  # new jobs are refused, running ones are cut off at the limit, sessions end


@dataclass(frozen=True)
class Plan:
    """The rules of one plan. `_s` are seconds."""

    name: str
    at_limit: AtLimit = AtLimit.WAIT
    limit_s: int | None = None  # quantum seconds, for instances that have no limit of their own
    rolling: bool = True  # use counts for 28 days; else for ever
    dedicated_sessions: bool = True
    max_ttl_s: int = 28_800
    max_execution_s: int = 10_800

    def since(self, now: datetime) -> datetime:
        """What is used from then on counts."""
        return now - WINDOW if self.rolling else EVER


PREMIUM = Plan("premium")
PLANS = {
    plan.name: plan
    for plan in (
        PREMIUM,
        Plan("flex", rolling=False),
        Plan("payg", AtLimit.STOP, rolling=False),
        Plan(
            "open", AtLimit.REFUSE, limit_s=600, dedicated_sessions=False, max_ttl_s=600, max_execution_s=600
        ),
    )
}


def plan_of(name: str) -> Plan:
    """The rules of a plan; those of an operator's own plans are those of `premium`.

    >>> plan_of("open").max_ttl_s
    600
    """
    return PLANS.get(name, PREMIUM)
