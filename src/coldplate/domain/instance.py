"""Instance: what a job is charged to; named by a CRN."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from coldplate.domain.plan import Plan, plan_of

InstanceId = NewType("InstanceId", str)  # the CRN


@dataclass(frozen=True)
class Instance:
    """A share of the service: jobs, sessions and usage belong to exactly one.

    `crn` has ten colon-separated fields; official clients read the region from the sixth.
    """

    id: InstanceId
    name: str
    plan: str = "premium"
    pricing: str = "free"  # free, trial, paygo, paid, subscription, unknown: what catalog clients accept
    region: str = "us-east"
    account: str = "local"
    tags: tuple[str, ...] = field(default=())
    allocation_s: int | None = None  # quantum seconds per window; None: no allocation
    limit_s: int | None = None  # quantum seconds per window; None: no limit
    backends: tuple[str, ...] | None = None  # None: all
    cap_s: int | None = None  # quantum seconds that its limit may not exceed; None: its plan says

    @property
    def plan_id(self) -> str:
        """The plan's id in the global catalog; never a route's name."""
        return f"coldplate-plan-{self.plan}"

    @property
    def rules(self) -> Plan:
        """What its plan allows."""
        return plan_of(self.plan)

    @property
    def most_s(self) -> int | None:
        """Quantum seconds it may use: its own limit, else its plan's, within its cap; None: no limit.

        >>> Instance(InstanceId("i"), "i", limit_s=90, cap_s=60).most_s
        60
        """
        limit_s = self.rules.limit_s if self.limit_s is None else self.limit_s
        return min((s for s in (limit_s, self.cap_s) if s is not None), default=None)

    @property
    def most_limit_s(self) -> int | None:
        """The highest limit that a manager of the account may give it; None: any."""
        return self.rules.limit_s if self.cap_s is None else self.cap_s

    def may_use(self, backend: str) -> bool:
        """Whether jobs of this instance may run on a backend (a mock twin goes with its device)."""
        return self.backends is None or backend in self.backends


def make_crn(account: str, uid: str, region: str = "us-east") -> InstanceId:
    """The CRN of an instance, ten fields long.

    >>> make_crn("local", "default")
    'crn:v1:coldplate:public:quantum-computing:us-east:a/local:default::'
    """
    return InstanceId(f"crn:v1:coldplate:public:quantum-computing:{region}:a/{account}:{uid}::")
