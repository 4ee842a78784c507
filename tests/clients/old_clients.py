"""Clients of earlier years, each in an environment of its own with exact versions, made once and kept.

A client runs in a process beside the test; the test calls functions of `scripts` in it by name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
KEPT = ROOT / ".venv-clients"
HARNESS = Path(__file__).with_name("harness.py")
PYTHONS = ("python3.11", "python3.12")  # what the releases of 2023 have wheels for


class ClientError(Exception):
    """What a function raised in the client's process: its type, and its text."""

    def __init__(self, kind: str, text: str):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


class Client:
    """A process in which an official client of another release is imported."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        self.warnings: list[str] = []

    def call(self, function: str, /, **arguments: Any) -> Any:
        """What a function of the scripts returns, which is named `module.function`.

        Raises:
            ClientError: It raised.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"name": function, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The client's process ended in {function}.")
        answer = json.loads(line)
        self.warnings = answer["warnings"]
        if "error" in answer:
            raise ClientError(*answer["error"])
        return answer["value"]


def environment(release: str) -> Path:
    """The Python of a release's environment; it is made when it isn't there yet, or out of date."""
    wanted = REQUIREMENTS / f"client-{release}.txt"
    home, digest = KEPT / release, hashlib.sha256(wanted.read_bytes()).hexdigest()
    KEPT.mkdir(exist_ok=True)
    with (KEPT / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test runs beside this one make it, too
        ready = home / "ready"
        if not ready.exists() or ready.read_text() != digest:
            shutil.rmtree(home, ignore_errors=True)
            uv("venv", "-q", "--python", interpreter(), str(home))
            install("--python", str(home / "bin" / "python"), "--compile-bytecode", requirements=wanted)
            ready.write_text(digest)
    return home / "bin" / "python"


def interpreter() -> str:
    """A Python that the old releases have wheels for."""
    for name in PYTHONS:
        found = shutil.which(name)
        works = found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
        if found and works:
            return found
    if os.environ.get("CI"):
        raise RuntimeError(f"Neither of {', '.join(PYTHONS)} is installed.")
    return pytest.skip(f"the clients of 2023 need {' or '.join(PYTHONS)}")


def extra(name: str) -> Path:
    """A directory with packages that go before those of an environment."""
    wanted, target = REQUIREMENTS / f"{name}.txt", KEPT / name
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        install("--python", sys.executable, "--target", str(partial), requirements=wanted)
        partial.rename(target)
    return target


def install(*options: str, requirements: Path) -> None:
    """Install exact versions."""
    uv(
        *("pip", "install", "-q", *options, "--require-hashes"),
        *("--build-constraint", str(REQUIREMENTS / "build.in"), "-r", str(requirements)),
    )


def uv(*arguments: str) -> None:
    """Run uv of this environment."""
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-4000:]}")


@contextmanager
def client(
    release: str, scripts: Path, variables: dict[str, str], home: Path, *, before: Path | None = None
) -> Iterator[Client]:
    """A client's process for a `with` block.

    Args:
        release: Which environment.
        scripts: The directory of the functions to call.
        variables: The environment variables that it has beside the usual few.
        before: A directory of packages that go before the environment's own.
    """
    with started(str(environment(release)), scripts, variables, home, before=before) as process:
        yield process


@contextmanager
def current(scripts: Path, variables: dict[str, str], home: Path) -> Iterator[Client]:
    """The same with the client of this environment."""
    with started(sys.executable, scripts, variables, home, before=None) as process:
        yield process


@contextmanager
def started(
    python: str, scripts: Path, variables: dict[str, str], home: Path, *, before: Path | None
) -> Iterator[Client]:
    """A process of some Python, for a `with` block."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    path = [str(scripts)] + ([str(before)] if before else [])
    own = {"HOME": str(home), "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "default"}
    with (home / "client.log").open("ab") as log:
        process = subprocess.Popen(
            [python, str(HARNESS)],
            env=kept | own | variables,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Client(process)
        finally:
            process.kill()
            process.communicate()
