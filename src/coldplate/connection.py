"""Connection: where a server is and who asks; found in the environment or in a server's data directory."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from coldplate.errors import ColdplateError

ACCOUNT_FILE = "account.json"  # the first key and its instance; written once, readable by the owner alone
SERVER_FILE = "server.json"  # process id and address; there while a server runs
TIMEOUT_S = 30.0
ELSEWHERE = ".cloud.ibm.com"  # the official service: its keys and addresses are none of our business


class NoServer(ColdplateError):
    """There is nobody to ask."""

    code, solution = (
        4090,
        "Start one with `coldplate serve`, or set the variables that `coldplate env` prints.",
    )


class Refused(ColdplateError):
    """The server answered with an error."""

    code = 4091

    def __init__(self, status: int, message: str, *, solution: str | None = None):
        super().__init__(message, solution=solution)
        self.status = status


@dataclass(frozen=True)
class Connection:
    """A server, a key and an instance. `url` is the origin that has the routes: `http://127.0.0.1:8080`."""

    url: str
    key: str
    crn: str

    def variables(self, *, simple: bool = False) -> dict[str, str]:
        """The environment variables that point an unmodified client here.

        Args:
            simple: One instance and fewer calls (recipe A) instead of the whole account (recipe B).

        >>> sorted(Connection("http://h:1", "cp_k", "crn:v1").variables(simple=True))[-2:]
        ['QISKIT_IBM_TOKEN', 'QISKIT_IBM_URL']
        """
        common = {
            "QISKIT_IBM_TOKEN": self.key,
            "QISKIT_IBM_INSTANCE": self.crn,
            # Clients take a URL as it is, port and path included, only if it has this word in it.
            "QISKIT_IBM_URL": f"{self.url}/experimental",
        }
        if simple:
            return common | {"IAM_URL": self.url, "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"}
        return common | cloud_variables(self.url)

    @property
    def old_variables(self) -> dict[str, str]:
        """The variables for a client before 2025: it finds instances by itself, under other names.

        >>> Connection("http://h:1", "cp_k", "crn:v1").old_variables["QISKIT_IBM_URL"]
        'http://h:1/api'
        """
        return {
            "QISKIT_IBM_CHANNEL": "ibm_quantum",
            "QISKIT_IBM_TOKEN": self.key,
            "QISKIT_IBM_URL": f"{self.url}/api",
        }

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """Send one request; the answer's JSON or text, None when there is no content.

        Raises:
            Refused: The server answered with an error.
            NoServer: Nobody answered.
        """
        url = f"{self.url}{quote(path)}"
        if query:
            url += "?" + urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        headers = {"Authorization": f"apikey {self.key}", "Service-CRN": self.crn}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        return send(request, timeout_s=timeout_s)


def cloud_variables(url: str) -> dict[str, str]:
    """The variables that say where the services around the runtime are: tokens, instances and plans."""
    return {"IAM_URL": url, "GLOBAL_SEARCH_URL": url, "GLOBAL_CATALOG_URL": f"{url}/api/v1"}


def send(request: urllib.request.Request, *, timeout_s: float = TIMEOUT_S) -> Any:
    """The answer to a request: parsed JSON, text, the bytes of a ZIP file, or None when it is empty."""
    context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=context) as answer:
            body, kind = answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        raise refusal(error.code, error.read(), request.full_url) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NoServer(f"No answer from {origin(request.full_url)}: {reason}.") from error
    if kind == "application/json" and body:
        return json.loads(body)
    if kind == "application/zip":
        return body
    return body.decode(errors="replace") or None


def refusal(status: int, body: bytes, url: str) -> Refused:
    """What a server's error body says, or only its status when it is not one of ours."""
    try:
        first = json.loads(body)["errors"][0]
        return Refused(status, f"{first['message']} (code {first['code']})", solution=first.get("solution"))
    except (ValueError, KeyError, IndexError, TypeError):
        return Refused(status, f"{url} answered with status {status}.", solution="Is it a Coldplate server?")


def origin(url: str) -> str:
    """Scheme and host of a URL.

    >>> origin("http://127.0.0.1:8080/experimental")
    'http://127.0.0.1:8080'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# --- where connections are found ----------------------------------------------------------------


def from_data(data: Path) -> Connection:
    """The server of a data directory on this machine, whether it runs now or not."""
    try:
        account = json.loads((data / ACCOUNT_FILE).read_text())
        server = json.loads((data / SERVER_FILE).read_text())
    except FileNotFoundError as error:
        state = "is running" if (data / ACCOUNT_FILE).exists() else "was ever started"
        raise NoServer(f"No server {state} with the data directory {data}.") from error
    except PermissionError as error:
        raise NoServer(
            f"{error.filename} belongs to another user.", solution="Ask that user for a key of your own."
        ) from error
    return Connection(url=server["url"], key=account["key"], crn=account["crn"])


def from_environment(environment: Mapping[str, str]) -> Connection | None:
    """What the variables of an official client point at; None when that is not a server like ours.

    >>> names = {"QISKIT_IBM_TOKEN": "k", "QISKIT_IBM_INSTANCE": "crn:v1:c:p:q:eu-de:a/b:u::"}
    >>> from_environment(names | {"QISKIT_IBM_URL": "https://qc.example.org"}).url
    'https://eu-de.quantum.qc.example.org'
    """
    key, url = environment.get("QISKIT_IBM_TOKEN"), environment.get("QISKIT_IBM_URL")
    if not key or not url or f".{urlsplit(url).hostname}".endswith(ELSEWHERE):
        return None
    crn = environment.get("QISKIT_IBM_INSTANCE", "")
    return Connection(url=runtime_origin(url, crn), key=key, crn=crn)


def runtime_origin(url: str, crn: str) -> str:
    """The origin that an official client (0.51) derives from its URL and instance."""
    if "experimental" in url or not crn.startswith("crn:"):
        return origin(url)
    parts = urlsplit(url)
    region = (crn.split(":") + [""] * 6)[5]
    prefix = "quantum" if region in ("", "us-east") else f"{region}.quantum"
    return f"{parts.scheme}://{prefix}.{parts.hostname}"


def find(data: Path | None = None) -> Connection:
    """A directory that was named, else the exported variables, else this user's own server."""
    if data is None:
        named = from_environment(os.environ)
        if named is not None:
            return named
    from coldplate.settings import default_data_dir  # costs more than all the rest

    return from_data(data or Path(os.environ.get("COLDPLATE_DATA") or default_data_dir()))
