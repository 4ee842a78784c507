"""KeyRecord: what is remembered of an API key; never the key itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KeyRecord:
    """An API key of a user. `digest` is a keyed hash of it; the key is shown once, when it is made."""

    id: str
    digest: str
    user: str
    account: str
    name: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    last_used: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether it still opens the door."""
        return self.revoked is None and (self.expires is None or now < self.expires)
