"""What instances have used, and whether their limits let them go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coldplate.domain.instance import Instance
from coldplate.domain.plan import AtLimit
from coldplate.domain.usage import UsageReport
from coldplate.errors import UsageLimitReached
from coldplate.store.store import Store


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

    def check_limit(self, instance: Instance) -> None:
        """Refuse new work of an instance that has used its limit, where its plan doesn't let work wait.

        Raises:
            UsageLimitReached: It has.
        """
        if instance.most_s is None or instance.rules.at_limit is AtLimit.WAIT:
            return
        if self.report(instance).limit_reached:
            raise UsageLimitReached(f"The instance has used its limit of {instance.most_s} s.")
