"""Provider: how clients before 2025 name an instance, `hub/group/project`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from coldplate.domain.instance import Instance

NOT_IN_NAMES = re.compile(r"[^\w.-]+", re.ASCII)
UID = 7  # field of a CRN


@dataclass(frozen=True)
class Provider:
    """The three parts of an instance's old name; none has a slash."""

    hub: str
    group: str
    project: str

    def __str__(self) -> str:
        return f"{self.hub}/{self.group}/{self.project}"


def providers(instances: Sequence[Instance]) -> dict[str, Instance]:
    """The instances of an account by `account/plan/name`.

    Where two of a plan would be called alike, the unique part of the CRN stands for the name.

    >>> list(providers([Instance("crn:v1:::::::u:", "my lab")]))
    ['local/premium/my-lab']
    """
    plain = [provider(instance, instance.name) for instance in instances]
    taken = Counter(plain)
    return {
        str(name if taken[name] == 1 else provider(instance, instance.id.split(":")[UID])): instance
        for name, instance in zip(plain, instances, strict=True)
    }


def provider(instance: Instance, project: str) -> Provider:
    """The old name of an instance, with a project of this name."""
    return Provider(*(plain(part) for part in (instance.account, instance.plan, project)))


def plain(text: str) -> str:
    """Text as a part of such a name.

    >>> plain("a/b c")
    'a-b-c'
    """
    return NOT_IN_NAMES.sub("-", text) or "-"
