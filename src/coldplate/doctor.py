"""What `coldplate doctor` examines: each check gives findings, and each problem a way to mend it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
import stat
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from coldplate import kernel
from coldplate.connection import (
    ACCOUNT_FILE,
    Connection,
    NoServer,
    Refused,
    find,
    from_environment,
    send,
)
from coldplate.settings import Settings

Level = Literal["ok", "note", "problem"]

CLIENT = "0.51."  # releases of the official client that our tests run
EXPORT = 'Run: eval "$(coldplate env)"'
ANSWER_S = 5.0
LAB_S = 90.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says how to mend a problem."""

    level: Level
    what: str
    fix: str | None = None


def examine(data: Path | None) -> Iterator[Finding]:
    """All findings, the cheap ones first.

    Args:
        data: A data directory that was named; None: the variables of this shell, or this user's own.
    """
    settings = Settings() if data is None else Settings(data=data)
    yield from client_release()
    yield from data_directory(settings.data)
    yield from environment(os.environ)
    yield from kernel_is_built()
    yield from server(data, settings)
    yield from backends_are_described(settings)
    yield from jobs_can_run(settings)
    yield from uploaded_programs(settings)


# --- this shell ---------------------------------------------------------------------------------


def client_release() -> Iterator[Finding]:
    """The official client's release is one that is tested."""
    try:
        release = importlib.metadata.version("qiskit-ibm-runtime")
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "problem", "qiskit-ibm-runtime is not installed here.", "Install Coldplate again with pip."
        )
        return
    if release.startswith(CLIENT):
        yield Finding("ok", f"qiskit-ibm-runtime {release} is a release that is tested.")
    else:
        yield Finding(
            "note",
            f"qiskit-ibm-runtime {release} is not tested with this release of Coldplate.",
            f"pip install 'qiskit-ibm-runtime=={CLIENT}*'",
        )


def kernel_is_built() -> Iterator[Finding]:
    """Whether simulations run on the native kernel."""
    built_for = kernel.instruction_set()
    if built_for:
        yield Finding("ok", f"Simulations run on the native kernel ({built_for}).")
    else:
        yield Finding(
            "note",
            "There is no native kernel: simulations run on NumPy and Aer, which take many times as long.",
            "Install a C++ compiler (GCC 12 or Clang 15), then install Coldplate again.",
        )


def environment(variables: Mapping[str, str]) -> Iterator[Finding]:
    """The variables of this shell point an official client at a server like ours, all of them."""
    connection = from_environment(variables)
    if connection is None:
        yield Finding("note", "The variables of this shell point at no Coldplate server.", EXPORT)
        return
    yield Finding("ok", f"This shell points clients at {connection.url}.")
    if "IAM_URL" not in variables:
        yield Finding(
            "problem", "IAM_URL is not set: every call of a client will wait for about a minute.", EXPORT
        )
    if "QISKIT_FUNCTIONS_EXPERIMENTAL" not in variables:
        for name in ("GLOBAL_SEARCH_URL", "GLOBAL_CATALOG_URL"):
            if name not in variables:
                yield Finding("problem", f"{name} is not set: clients look for instances elsewhere.", EXPORT)
    elif not connection.crn:
        yield Finding(
            "problem",
            "QISKIT_FUNCTIONS_EXPERIMENTAL is set without QISKIT_IBM_INSTANCE: the client fails at once.",
            'Run: eval "$(coldplate env --simple)"',
        )
    yield from proxies(connection.url)


def proxies(url: str) -> Iterator[Finding]:
    """Requests for the server are not sent to some proxy by mistake."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    host = parts.hostname or ""
    if proxy and host in ("127.0.0.1", "localhost", "::1") and not urllib.request.proxy_bypass(host):
        yield Finding("note", f"Requests for {host} go through the proxy {proxy}.", f"export NO_PROXY={host}")


# --- the server ---------------------------------------------------------------------------------


def data_directory(data: Path) -> Iterator[Finding]:
    """Keys and jobs are readable for their owner alone."""
    if not data.exists():
        yield Finding("note", f"The data directory {data} is not there yet.", "coldplate serve")
        return
    wrong = []
    for path in (data, data / ACCOUNT_FILE):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            wrong.append(path)
    for path in wrong:
        yield Finding("problem", f"{path} can be read by other users.", f"chmod go-rwx {path}")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("problem", f"{data} can't be written to.", "Give it to this user, or use --data.")
    elif not wrong:
        yield Finding("ok", f"The data directory {data} is private.")


def server(data: Path | None, settings: Settings) -> Iterator[Finding]:
    """A server runs and answers, takes the key, and knows the instance; or could be started."""
    try:
        connection = find(data)
        connection.ask("GET", "/api/v1/versions", timeout_s=ANSWER_S)
    except NoServer as error:
        yield Finding("problem", error.message, "coldplate serve")
        yield from port_is_free(settings)
        return
    except Refused as error:
        yield Finding("problem", f"{error.message} That is no Coldplate server.", EXPORT)
        return
    yield Finding("ok", f"The server at {connection.url} answers.")
    yield from tokens(connection, os.environ.get("IAM_URL") if data is None else None)
    yield from instance_is_known(connection)


def port_is_free(settings: Settings) -> Iterator[Finding]:
    """A server could listen where the settings say."""
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        yield Finding(
            "problem",
            f"A server could not listen on {settings.host}:{settings.port}: {error.strerror}.",
            "coldplate serve --port 0",
        )


def tokens(connection: Connection, iam_url: str | None) -> Iterator[Finding]:
    """The token service answers, with a token that clients can read."""
    url = iam_url or connection.url
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": connection.key}
    request = urllib.request.Request(f"{url}/identity/token", urllib.parse.urlencode(form).encode())
    try:
        _header, _claims, _signature = send(request, timeout_s=ANSWER_S)["access_token"].split(".")
    except Refused as error:
        yield Finding(
            "problem",
            f"The key is refused: {error.message}.",
            f"{EXPORT}; or make a new key: coldplate keys create NAME",
        )
    except (NoServer, KeyError, TypeError, ValueError):
        yield Finding(
            "problem",
            f"IAM_URL is {url}, and no token that clients can read comes from there: every call will wait.",
            EXPORT,
        )
    else:
        yield Finding("ok", f"The key is good, and {url} gives tokens for it.")


def instance_is_known(connection: Connection) -> Iterator[Finding]:
    """The server knows the instance, and the key may use it."""
    if not connection.crn.startswith("crn:"):
        yield Finding("note", "No instance is named: the client chooses one of yours.")
        return
    try:
        connection.ask("GET", "/api/v1/instances/usage", timeout_s=ANSWER_S)
    except Refused as error:
        yield Finding("problem", f"The instance can't be used: {error.message}.", "coldplate instances")
    else:
        yield Finding("ok", "The instance is known, and the key may use it.")


# --- the lab ------------------------------------------------------------------------------------


def backends_are_described(settings: Settings) -> Iterator[Finding]:
    """The catalog can be read, and its backends described."""
    command = [sys.executable, "-P", "-m", "coldplate.backends.describe"]
    if settings.catalog is not None:
        command += ["--catalog", str(settings.catalog)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LAB_S, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        yield Finding("problem", f"The catalog can't be described: {last[0]}", "Correct the catalog file.")
    else:
        yield Finding("ok", f"The catalog describes {len(json.loads(done.stdout))} backends.")


def jobs_can_run(settings: Settings) -> Iterator[Finding]:
    """The lab can be loaded, and what jobs run in is shut."""
    from coldplate.workers.local import LocalPool

    pool = LocalPool(slots=1, threads=settings.threads_per_job)
    try:
        if not pool.warm(LAB_S):
            reason = pool.error or f"it was not ready after {LAB_S:g} s"
            yield Finding("problem", f"No job can run: {reason}", "Install Coldplate again with pip.")
            return
        yield Finding("ok", "The lab is loaded, and jobs can be started.")
        for feature, left in pool.isolation.items():
            if left == "none":
                yield Finding("ok", f"Jobs have no access to: {feature}.")
            else:
                yield Finding(
                    "note",
                    f"Jobs can reach {feature}: {left}.",
                    "Allow user namespaces, or serve trusted users only.",
                )
    finally:
        pool.close()


def uploaded_programs(settings: Settings) -> Iterator[Finding]:
    """Whether programs that users upload are run, and can be shut in; nothing where they are not run."""
    if not settings.run_uploads:
        return
    command = [sys.executable, "-P", "-m", "coldplate.workers.lockdown", str(settings.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LAB_S, check=False)
    if done.returncode:
        last = (done.stdout or done.stderr).strip().splitlines()[-1:] or ["no reason was given"]
        yield Finding(
            "problem",
            f"Programs that users upload can't be run: {last[0]}",
            "Use Linux 6.2 or newer where jobs can leave the network, or switch run_uploads off.",
        )
        return
    yield Finding(
        "note",
        "Programs that users upload are run: who has a key can run code on this machine, shut in.",
        "Switch run_uploads off where that is not wanted; docs/decisions/uploaded-programs.md has the risk.",
    )
