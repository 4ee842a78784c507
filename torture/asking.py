"""One HTTP request at a time, repeated with the same bytes until it is answered; journals have every try."""

from __future__ import annotations

import contextlib
import http.client
import time
from dataclasses import dataclass

from torture.journal import Journal

AGAIN = {500, 502, 503, 504, 520, 521, 522, 524}  # what official clients repeat
PATIENCE_S = 45.0  # then the outcome stays unknown
TIMEOUT_S = 15.0


class Unknown(Exception):
    """Nobody answered for so long that nothing can be said."""


@dataclass
class Tenant:
    """A user of an instance."""

    name: str
    key: str
    crn: str


class Asking:
    """Asks a server as a tenant, through a proxy that is not to be relied on."""

    def __init__(self, tenant: Tenant, port: int, journal: Journal, *, patience_s: float = PATIENCE_S):
        self.tenant, self.port, self.journal, self.patience_s = tenant, port, journal, patience_s

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and body of the answer.

        Raises:
            Unknown: There was none.
        """
        deadline, pause_s = time.monotonic() + self.patience_s, 0.1
        while time.monotonic() < deadline:
            began = time.monotonic()
            try:
                status, answer = self._once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.journal.write("no answer", method=method, path=path, error=repr(error))
            else:
                took_s = time.monotonic() - began
                self.journal.write("answer", method=method, path=path, status=status, took_s=took_s)
                if status not in AGAIN:
                    return status, answer
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)
        raise Unknown(f"{method} {path}")

    def _once(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"apikey {self.tenant.key}", "Service-CRN": self.tenant.crn}
        with contextlib.closing(connection):
            connection.request(method, f"/api/v1{path}", body, headers | {"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
