"""The job's side of a program that a user uploaded: it starts the program's process, and serves it.

Not a line of the program runs here. What its process says is as trustworthy as what comes over a network:
circuits are read by the codec for clients' circuits, messages and results are checked before they are kept.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import environ, getpid
from pathlib import Path
from typing import Any

import msgspec

from coldplate.circuits.backend import Backend
from coldplate.errors import ChildDied, ColdplateError, JobFailure, ProgramNotRun, ProgramRaised, RanTooLong
from coldplate.programs import registry
from coldplate.programs.channel import Channel
from coldplate.programs.registry import Answer, Context
from coldplate.programs.uploaded import REFUSED
from coldplate.wire.outgoing import outgoing
from coldplate.wire.params import dumps, read
from coldplate.wire.v1 import Reader
from coldplate.workers import sandbox
from coldplate.workers.supervise import manner_of_death

OUTPUT = 60  # the level of what a program prints: it is always in the job's log
PATIENCE_S = 5.0  # for the end of a process that has said its last

log = logging.getLogger("coldplate.job")
logging.addLevelName(OUTPUT, "OUTPUT")


class Code(msgspec.Struct, frozen=True):
    """An uploaded program as a job has it.

    Attributes:
        source: Its text.
        shown: Whether the job's user may read it: users share programs without their texts.
    """

    source: str
    shown: bool


@dataclass
class Host:
    """One job of an uploaded program.

    Attributes:
        data: The directory of the service's data, which the program must not see.
        log_level: Name of the level from which the program's own logging is kept.
    """

    code: Code
    data: Path
    log_level: str
    usage_s: float = field(init=False, default=0.0)
    circuits: int = field(init=False, default=0)

    def run(self, params: bytes, backend: Backend, context: Context) -> Answer:
        """Run the program; a `registry.Run`.

        Raises:
            BadInput: Its inputs have something that can't be read, or shown to others.
            ProgramNotRun: This machine can't shut it in.
            ProgramRaised: It raised an error.
            ColdplateError: It told something that clients must not read, or died.
        """
        Reader().read(read(params))
        order = {
            "source": self.code.source,
            "shown": self.code.shown,
            "params": params.decode(),
            "backend": backend.name,
            "target": base64.b64encode(pickle.dumps(backend.target)).decode(),
            "log_level": self.log_level,
        }
        with started(self.data) as (channel, process):
            tell(channel, order)
            result = self._serve(channel, process, backend, context)
        body = b"" if result is None else dumps(outgoing(result))
        return Answer(body, usage_s=self.usage_s, metrics={"num_circuits": self.circuits})

    def _serve(
        self, channel: Channel, process: subprocess.Popen[bytes], backend: Backend, context: Context
    ) -> Any:
        """Do what the program asks for until it ends; gives its result."""
        while (message := heard(channel)) is not None:
            match message:
                case {"print": str(line)}:
                    log.log(OUTPUT, "%s", line)
                case {"publish": value}:
                    context.publish(outgoing(value))
                case {"run": dict(asked)}:
                    tell(channel, self._run(asked, backend, context))
                case {"end": "result", "value": value}:
                    return value
                case {"end": _}:
                    raise failure(message)
                case _:
                    raise ProgramRaised("The program's process said something that makes no sense.")
        raise death(process)

    def _run(self, asked: dict[str, Any], backend: Backend, context: Context) -> dict[str, Any]:
        """Run circuits as `circuit-runner` does; what is wrong with them is told to the program."""
        try:
            answer = registry.find("circuit-runner")(dumps(asked), backend, context)
        except RanTooLong:
            raise
        except ColdplateError as error:
            return {REFUSED: f"{error.message} {error.solution} Error code: {error.code}."}
        self.usage_s += answer.usage_s
        self.circuits += answer.metrics["num_circuits"]
        return {"result": json.loads(answer.body)}


@contextlib.contextmanager
def started(data: Path) -> Iterator[tuple[Channel, subprocess.Popen[bytes]]]:
    """The program's process, which is dead after the `with` block."""
    ours, theirs = socket.socketpair()
    with ours, contextlib.ExitStack() as stack:
        with theirs:
            command = [sys.executable, "-P", "-m", "coldplate.workers.guest", "--data", str(data)]
            command += ["--channel", str(theirs.fileno()), "--parent", str(getpid())]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=sandbox.environment(environ, threads=1),
                pass_fds=[theirs.fileno()],
            )
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield Channel(ours), process


def tell(channel: Channel, message: dict[str, Any]) -> None:
    """Say something to the program; that it has died is seen when it is listened to."""
    with contextlib.suppress(ConnectionError):
        channel.say(message)


def heard(channel: Channel) -> dict[str, Any] | None:
    """The next message; None when the process has died."""
    try:
        return channel.hear()
    except (ValueError, ConnectionError):
        return None


def failure(message: dict[str, Any]) -> ColdplateError:
    """Why a program did not come to its end, as it says itself."""
    if message["end"] == "not run":
        return ProgramNotRun(str(message.get("why")))
    log.error("%s", str(message.get("traceback", "")).rstrip())
    line = message.get("line")
    place = f" (line {line} of the program)" if isinstance(line, int) else ""
    text = ": ".join(part for part in (str(message.get("kind")), str(message.get("text", ""))) if part)
    return ProgramRaised(f"The program raised {text}{place}.")


def death(process: subprocess.Popen[bytes]) -> ColdplateError:
    """Why a program's process died without a word."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_S)
    code = process.returncode
    if code is not None and -code == signal.SIGXCPU:
        return RanTooLong("Ran too long: the program reached its limit of processor time.")
    if code is None:
        return JobFailure("The program's process hung up.")
    return ChildDied(f"The program's process {manner_of_death(code)}.")
