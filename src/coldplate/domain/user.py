"""User: who may do what in which instances of an account; a person, or a program with a service id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

EVERYWHERE = "*"  # in place of a CRN: all instances of the account, also those to come
NAME = re.compile(r"[\w.@+-]{1,64}")


class Role(StrEnum):
    """What a user may do in an instance; each includes those before it.

    >>> Role.WRITER.includes(Role.READER), Role.WRITER.includes(Role.MANAGER)
    (True, False)
    """

    READER = "reader"  # sees everything
    WRITER = "writer"  # runs jobs and sessions, cancels them, deletes its own jobs
    MANAGER = "manager"  # deletes everybody's jobs

    def includes(self, other: Role) -> bool:
        """Whether whoever has this role may do what the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Kind(StrEnum):
    """Who it is."""

    PERSON = "user"
    SERVICE = "service-id"


@dataclass(frozen=True)
class User:
    """Somebody with keys. `roles` are by instance, or `EVERYWHERE`; one by instance goes before that."""

    name: str
    account: str
    created: datetime
    kind: Kind = Kind.PERSON
    roles: Mapping[str, Role] = field(default_factory=dict)


def role_in(roles: Mapping[str, Role], instance: str) -> Role | None:
    """The role in an instance; None: it is as if the instance did not exist.

    >>> role_in({EVERYWHERE: Role.READER, "crn:a": Role.MANAGER}, "crn:b")
    <Role.READER: 'reader'>
    """
    return roles.get(instance, roles.get(EVERYWHERE))
