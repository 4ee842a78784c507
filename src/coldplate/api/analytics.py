"""REST of current clients: usage analytics of an account, in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Query
from starlette.responses import Response

from coldplate.accounting import Wanted
from coldplate.api import render
from coldplate.api.identify import Asker, anyone
from coldplate.api.queries import moment
from coldplate.auth import Principal
from coldplate.domain.analytics import Done, days, grouped, totals
from coldplate.domain.instance import Instance
from coldplate.errors import BadRequest
from coldplate.service import Service

Texts = Annotated[list[str] | None, Query()]
Group = Literal["instance", "backend", "user_id", "plan"]


@dataclass(frozen=True)
class Filters:
    """What to look at; values of one filter are ORed, filters are ANDed."""

    interval_start: str | None = None
    interval_end: str | None = None
    instance: Texts = None
    backend: Texts = None
    user_id: Texts = None
    plan: Texts = None
    subscription_id: Texts = None
    simulators: bool = True


Asked = Annotated[Filters, Depends()]


class Analytics:
    """Routes of what an account has used: of the instances that the asker may use."""

    def __init__(self, service: Service):
        self.service = service

    def usage(self, asker: Asker, asked: Asked) -> Response:
        """Totals of an interval; of the last 28 days if none is given."""
        _, done, _ = self._look(asker, asked)
        return render.reply(totals(done))

    def grouped(self, asker: Asker, asked: Asked, group_by: Group) -> Response:
        """The same by instance, backend, user or plan."""
        instances, done, _ = self._look(asker, asked)
        figures = grouped(done, key_of(group_by, instances))
        return render.reply({"data": [{"key": key} | each for key, each in figures.items()]})

    def by_date(self, asker: Asker, asked: Asked, group_by: Literal["instance"] = "instance") -> Response:
        """The same by instance and day (UTC)."""
        instances, done, (start, end) = self._look(asker, asked)
        data = []
        for first, last in days(start, end):
            inside = [one for one in done if first <= one.at < last]
            for key, each in grouped(inside, key_of(group_by, instances)).items():
                interval = {"interval_start": render.utc(first), "interval_end": render.utc(last)}
                data.append({"key": key} | interval | each)
        return render.reply({"data": data})

    def filters(self, asker: Asker) -> Response:
        """The values that filters can have."""
        instances, done, _ = self._look(asker, Filters())
        return render.reply(
            {
                "backends": sorted({one.backend for one in done}),
                "instances": [{"id": i.id, "deleted": False} for i in instances],
                "users": sorted({one.user for one in done}),
                "plans": sorted({i.plan_id for i in instances}),
            }
        )

    def _look(
        self, asker: Asker, asked: Filters
    ) -> tuple[list[Instance], list[Done], tuple[datetime, datetime]]:
        principal = anyone(self.service, asker)
        if asked.subscription_id:
            raise BadRequest("subscription_id means nothing here: there are no subscriptions.")
        instances = chosen(self._instances(principal), asked)
        wanted = Wanted(
            tuple(i.id for i in instances),
            moment(asked.interval_start, name="interval_start"),
            moment(asked.interval_end, name="interval_end"),
            backends=tuple(asked.backend or ()),
            users=tuple(asked.user_id or ()),
            simulators=asked.simulators,
        )
        done, interval = self.service.accounting.done(wanted)
        return instances, done, interval

    def _instances(self, principal: Principal) -> list[Instance]:
        return self.service.instances(principal)


def chosen(instances: list[Instance], asked: Filters) -> list[Instance]:
    """The instances that are looked at; plans by name or id."""
    return [
        i
        for i in instances
        if (not asked.instance or i.id in asked.instance)
        and (not asked.plan or {i.plan, i.plan_id} & set(asked.plan))
    ]


def key_of(group_by: Group, instances: list[Instance]) -> Callable[[Done], str]:
    """What groups are made by."""
    plans = {i.id: i.plan_id for i in instances}
    keys: dict[Group, Callable[[Done], str]] = {
        "instance": lambda one: one.instance,
        "backend": lambda one: one.backend,
        "user_id": lambda one: one.user,
        "plan": lambda one: plans[one.instance],
    }
    return keys[group_by]
