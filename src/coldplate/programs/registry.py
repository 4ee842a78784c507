"""PROGRAMS: program id -> what runs it, imported when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from coldplate.circuits.backend import Backend
from coldplate.errors import UnknownProgram


@dataclass(frozen=True)
class Context:
    """What a program may know beside its params and backend."""

    seed: int | None = None  # the operator's or a test's; a seed in the options comes first
    in_session: bool = False
    log: Callable[[str], None] = lambda _line: None  # a line for the job's log, shown to its owner
    publish: Callable[[Any], None] = lambda _message: None  # an interim result, plain JSON values


@dataclass(frozen=True)
class Answer:
    """A result as the client will read it, and what it cost."""

    body: bytes
    usage_s: float  # quantum seconds
    artifacts: bytes | None = None  # what is kept beside the result, as a ZIP file
    metrics: dict[str, Any] = field(default_factory=dict)  # circuits_execution_time_ns, num_circuits ...


Run = Callable[[bytes, Backend, Context], Answer]

PROGRAMS: dict[str, str] = {
    "sampler": "coldplate.programs.sampler",
    "estimator": "coldplate.programs.estimator",
    "executor": "coldplate.programs.executor",
    "circuit-runner": "coldplate.programs.runner",
    "qasm3-runner": "coldplate.programs.runner",
    "noise-learner": "coldplate.programs.noise_learner",
    "calibrate": "coldplate.programs.calibrate",
}


def find(program: str) -> Run:
    """The `run` of a program.

    Raises:
        UnknownProgram: There is none of that id.
    """
    if program not in PROGRAMS:
        raise UnknownProgram(f"Program {program!r} does not exist; there are {', '.join(sorted(PROGRAMS))}.")
    run: Run = import_module(PROGRAMS[program]).run
    return run
