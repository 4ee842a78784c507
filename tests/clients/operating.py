"""An operator's commands beside a running server."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import uuid4

from coldplate.testing import Server


def command(server: Server, *arguments: str) -> str:
    """What a command prints."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "COLDPLATE_", "IAM_"))}
    words = [sys.executable, "-P", "-m", "coldplate", *arguments, "--data", str(server.data)]
    return subprocess.run(words, env=clean, capture_output=True, text=True, check=True).stdout.strip()


def new_user(server: Server, *, account: str | None = None) -> str:
    """The key of one more user, of the server's own account or of another, with an instance of its own."""
    name, of = f"user-{uuid4().hex[:8]}", ["--account", account] if account else []
    if account:
        command(server, "instances", "create", f"{account}-{name}", *of)
    command(server, "users", "create", name, "--role", "writer", *of)
    return command(server, "keys", "create", "laptop", "--user", name, *of)
