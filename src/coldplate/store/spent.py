"""What instances have used, kept up to date without reading millions of charges at every look."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select

from coldplate.domain.instance import InstanceId
from coldplate.store.rows import to_micros
from coldplate.store.tables import usage

AGAIN = timedelta(seconds=60)  # between two sums of everything: a window moves slowly

LAST = select(func.coalesce(func.max(usage.c.number), 0))
ALL = (
    select(usage.c.instance, func.sum(usage.c.seconds).label("seconds"))
    .where(usage.c.at > bindparam("since"))
    .group_by(usage.c.instance)
)
NEW = select(usage.c.number, usage.c.instance, usage.c.seconds).where(usage.c.number > bindparam("last"))


class Spent:
    """Quantum seconds by instance. Charges are only ever added, so between two sums only new ones are read.

    Args:
        window: How long a charge counts; None: for ever.
    """

    def __init__(self, window: timedelta | None):
        self._window = window
        self._lock = threading.Lock()
        self._summed: datetime | None = None  # when everything was
        self._last = 0  # number of the newest charge that is in the sums
        self._sums: dict[InstanceId, float] = defaultdict(float)

    def by_instance(self, connection: Connection, now: datetime) -> dict[InstanceId, float]:
        """What each instance has used, charges that left the window less than a minute ago included."""
        with self._lock:
            if self._summed is None or not self._summed <= now < self._summed + AGAIN:
                self._sum(connection, now)
            for row in connection.execute(NEW, {"last": self._last}):
                self._last = max(self._last, row.number)
                self._sums[row.instance] += row.seconds
            return dict(self._sums)

    def _sum(self, connection: Connection, now: datetime) -> None:
        since = 0 if self._window is None else to_micros(now - self._window)
        self._last = connection.execute(LAST).scalar_one()
        self._sums = defaultdict(float)
        for row in connection.execute(ALL, {"since": since}):
            self._sums[row.instance] = row.seconds
        self._summed = now
