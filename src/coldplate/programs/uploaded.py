"""What an uploaded program sees: `main(backend, user_messenger, **kwargs)`, as the runtime of 2023 had it.

This is the only place where a user's code runs. Its process is shut in before (`workers.lockdown`), and holds
nothing that is not the program's own: whatever it asks for goes through a channel to the job, which trusts
nothing that comes from there.

Source: the runtime programs of qiskit-ibm-runtime 0.12.2 (`qiskit_ibm_runtime.program`).
"""

from __future__ import annotations

import base64
import io
import json
import linecache
import logging
import pickle
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.result import Result
from qiskit.transpiler import Target

from coldplate.programs.channel import Channel
from coldplate.wire import tagged
from coldplate.wire.limits import deflated
from coldplate.wire.params import read
from coldplate.wire.qpy import dump_circuit
from coldplate.wire.v1 import Reader

FILE = "<program>"
BANNED = ("sympy", "symengine")  # by `wire.qpy`, for the reading of circuits; programs may use them
MAX_TRACEBACK = 20_000  # characters
REFUSED = "refused"


class RunRefused(Exception):
    """The backend can't run what the program asked for."""


def play(channel: Channel) -> None:
    """Run the program that the job names first to its end, whatever that is, and say how it ended."""
    order = channel.hear()
    if order is None:
        return
    talk = Talk(channel)
    with redirect_stdout(talk), redirect_stderr(talk):
        logging.basicConfig(stream=talk, level=order["log_level"], force=True)
        try:
            kwargs = Reader().read(read(order["params"].encode()))
            allow_imports()
            channel.say({"end": "result", "value": perform(order, kwargs, channel)})
        except BaseException as error:
            channel.say({"end": "error"} | told(error, source=order["source"], shown=order["shown"]))


def allow_imports() -> None:
    """Let the program import what it likes, old names included; circuits of others are all read by now."""
    for name in BANNED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]
    old = ModuleType("qiskit_ibm_runtime.program")
    vars(old).update(UserMessenger=UserMessenger, ProgramBackend=ProgramBackend)
    sys.modules[old.__name__] = old


def perform(order: Mapping[str, Any], kwargs: dict[str, Any], channel: Channel) -> Any:
    """What `main` returns, or the message that it has published as final, encoded."""
    code = compile(order["source"], FILE, "exec")
    module = ModuleType("program")
    sys.modules[module.__name__] = module
    exec(code, vars(module))  # noqa: S102 (what this process is for)
    main = getattr(module, "main", None)
    if not callable(main):
        raise NameError("The program has no function main(backend, user_messenger, **kwargs).")
    messenger = UserMessenger(channel)
    target = pickle.loads(base64.b64decode(order["target"]))  # noqa: S301 (the job's own words)
    returned = main(ProgramBackend(channel, name=order["backend"], target=target), messenger, **kwargs)
    return messenger.final if returned is None else encoded(returned)


def told(error: BaseException, *, source: str, shown: bool) -> dict[str, Any]:
    """An error that the program raised, as the job tells it.

    Args:
        shown: Whether the asker may read the program's lines: they are its author's.
    """
    lines = source.splitlines(keepends=True) if shown else []
    linecache.cache[FILE] = (len(source), None, lines, FILE)
    frames = traceback.extract_tb(error.__traceback__)
    own = next((place for place, frame in enumerate(frames) if frame.filename == FILE), 0)
    text = "".join(
        ["Traceback (most recent call last):\n", *traceback.format_list(frames[own:])]
        + traceback.format_exception_only(error)
    )
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == FILE), None)
    if isinstance(error, SyntaxError) and error.filename == FILE:
        line = error.lineno
    kind = type(error).__name__
    return {"kind": kind, "text": str(error), "line": line, "traceback": text[-MAX_TRACEBACK:]}


class Talk(io.TextIOBase):
    """What the program prints goes into the job's log, line by line."""

    def __init__(self, channel: Channel):
        self._channel, self._begun = channel, ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str, /) -> int:
        """Print."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._channel.say({"print": line})
        return len(text)

    def flush(self) -> None:
        """Print what is of a line that has no end."""
        if self._begun:
            line, self._begun = self._begun, ""
            self._channel.say({"print": line})


class UserMessenger:
    """Through which a program tells its user what it has so far."""

    def __init__(self, channel: Channel):
        self._channel = channel
        self.final: Any = None

    def publish(
        self, message: Any, encoder: type[json.JSONEncoder] | None = None, final: bool = False
    ) -> None:
        """Tell an interim result, or the final one.

        Args:
            message: What `encoded` knows, unless there is an encoder.
            encoder: Turns anything else into JSON.
            final: This is the result, unless `main` returns another.

        Raises:
            TypeError: It has something that can't be sent.
        """
        value = encoded(message) if encoder is None else json.loads(json.dumps(message, cls=encoder))
        if final:
            self.final = value
        else:
            self._channel.say({"publish": value})


class ProgramBackend(BackendV2):  # type: ignore[misc]
    """The job's backend, as a program drives it."""

    def __init__(self, channel: Channel, *, name: str, target: Target):
        super().__init__(name=name)
        self._channel, self._target, self._runs = channel, target, 0

    @property
    def target(self) -> Target:
        """What circuits must conform to."""
        return self._target

    @property
    def max_circuits(self) -> int | None:
        """As many as a job may have."""
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> Run:
        """Run circuits, with the options of the program `circuit-runner`; it waits for their results.

        Circuits are run as they are, transpiled for this backend by the program.

        Raises:
            RunRefused: The backend can't.
        """
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        sent = [tagged.tagged("QuantumCircuit", deflated(dump_circuit(one))) for one in circuits]
        given = {name: value for name, value in options.items() if value is not None}
        asked = {"skip_transpilation": True} | encoded(self.options.__dict__ | given)
        self._channel.say({"run": asked | {"circuits": sent}})
        answer = self._channel.hear()
        if answer is None:
            raise SystemExit
        if REFUSED in answer:
            raise RunRefused(answer[REFUSED])
        self._runs += 1
        return Run(self, str(self._runs), Result.from_dict(answer["result"]))


class Run(JobV1):  # type: ignore[misc]
    """Circuits that were run."""

    def __init__(self, backend: ProgramBackend, id: str, result: Result):
        super().__init__(backend, id)
        self._result = result

    def submit(self) -> None:
        """It was."""

    def result(self, timeout: float | None = None) -> Result:
        """Counts, and what else was asked for; there already."""
        return self._result

    def status(self) -> JobStatus:
        """Done."""
        return JobStatus.DONE


def encoded(value: Any) -> Any:
    """A value of the program as tagged JSON.

    Raises:
        TypeError: There is something that has no tag.
    """
    if isinstance(value, Result):
        return tagged.tagged("Result", encoded(value.to_dict()))
    if isinstance(value, Mapping):
        return {str(name): encoded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(item) for item in value]
    if not isinstance(value, str | bool | int | float) and hasattr(value, "to_json"):
        return tagged.tagged("to_json", value.to_json())
    return tagged.encode(value)
