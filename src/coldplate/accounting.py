"""What instances have used, and whether their limits let them go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from coldplate.domain.analytics import Done
from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.plan import WINDOW, AtLimit
from coldplate.domain.usage import UsageReport
from coldplate.errors import LimitAboveCap, UsageLimitReached
from coldplate.store.store import Store


@dataclass(frozen=True)
class Wanted:
    """What of the past is looked at; empty: everything."""

    instances: tuple[InstanceId, ...]
    start: datetime | None = None  # None: 28 days before the end
    end: datetime | None = None  # None: now
    backends: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    simulators: bool = True


class Accounting:
    """Reads the charges; nothing here makes one.

    Args:
        clock: The time, UTC.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]):
        self._store, self._clock = store, clock

    def report(self, instance: Instance) -> UsageReport:
        """What an instance has used in its window, which ends now."""
        now = self._clock()
        start = instance.rules.since(now)
        used_s = self._store.used_s(instance.id, start)
        return UsageReport(
            consumed_s=int(used_s),
            limit_s=instance.most_s,
            allocation_s=instance.allocation_s,
            limit_reached=instance.most_s is not None and used_s >= instance.most_s,
            start=start,
            end=now,
        )

    def done(self, wanted: Wanted) -> tuple[list[Done], tuple[datetime, datetime]]:
        """The jobs and sessions that ended in an interval, and the interval."""
        end = wanted.end or self._clock()
        start = wanted.start or end - WINDOW
        simulators = set() if wanted.simulators else {r.name for r in self._store.backends() if r.simulator}
        done = [
            one
            for one in self._store.done(wanted.instances, start=start, end=end)
            if (not wanted.backends or one.backend in wanted.backends)
            and (not wanted.users or one.user in wanted.users)
            and one.backend not in simulators
        ]
        return done, (start, end)

    def set_limit(self, instance: Instance, limit_s: int | None) -> None:
        """Give an instance another limit, or none.

        Raises:
            LimitAboveCap: The operator allows it less.
            UsageLimitReached: It has used more already.
        """
        most_s = instance.most_limit_s
        if limit_s is not None and most_s is not None and limit_s > most_s:
            raise LimitAboveCap(f"The limit of this instance may be {most_s} s at most, not {limit_s} s.")
        used_s = self.report(instance).consumed_s
        if limit_s is not None and used_s > limit_s:
            raise UsageLimitReached(f"The instance has already used {used_s} s, more than {limit_s} s.")
        self._store.replace_instance(replace(instance, limit_s=limit_s))

    def check_limit(self, instance: Instance) -> None:
        """Refuse new work of an instance that has used its limit, where its plan doesn't let work wait.

        Raises:
            UsageLimitReached: It has.
        """
        if instance.most_s is None or instance.rules.at_limit is AtLimit.WAIT:
            return
        if self.report(instance).limit_reached:
            raise UsageLimitReached(f"The instance has used its limit of {instance.most_s} s.")
