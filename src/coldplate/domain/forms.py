"""The forms in which programs take their params: what is to be run, what lies beside it, and the options."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from coldplate.domain.option_tables import (
    ARTIFACTS,
    BOOL,
    COUNT,
    DEPTHS,
    EXECUTOR,
    EXPERIMENTAL,
    REP_DELAY,
    SEED,
    SIMULATOR,
    TABLES,
    Option,
    at_least,
    one_of,
)


@dataclass(frozen=True)
class Form:
    """One form of params.

    Attributes:
        program: The program's id.
        payload: The field with what is to be run; None: there is none.
        opening: How that begins.
        settings: The fields beside it.
        schema_versions: Those that are spoken; none: it has no ``schema_version``.
        version: What ``version`` has to be, where it is given.
    """

    program: str
    table: tuple[Option, ...]
    payload: str | None = "pubs"
    opening: bytes = b"["
    settings: tuple[str, ...] = ("options", "version", "support_qiskit")
    schema_versions: tuple[str, ...] = ()
    version: int = 2


STRATEGIES = one_of("active", "active-accum", "active-circuit", "all")
CHECKS = "shots are discarded by it before anything is learnt"
PULSES = "xslow is x on emulated devices; rx needs a backend with fractional gates"

LEARNER = (
    Option(
        "max_layers_to_learn",
        at_least(0),
        4,
        nullable=True,
        note="the most frequent first, then those with most gates; null: all",
    ),
    Option("shots_per_randomization", COUNT, 128),
    Option("num_randomizations", COUNT, 32, note="for each measurement basis and depth"),
    Option("layer_pair_depths", DEPTHS, (0, 1, 2, 4, 16, 32), note="at least two different ones"),
    Option(
        "twirling_strategy", STRATEGIES, "active-accum", note="layers are unique with their twirled qubits"
    ),
    Option("support_qiskit", BOOL, True, note="without it the result is plain JSON"),
    *SIMULATOR,
    *EXPERIMENTAL,
    ARTIFACTS,
)


def checks(path: str) -> tuple[Option, ...]:
    """The options of one bit-flip check."""
    return (
        Option(f"{path}.enable", BOOL, False, note=CHECKS),
        Option(f"{path}.x_pulse_type", one_of("xslow", "rx"), "xslow", note=PULSES),
        Option(f"{path}.strategy", one_of("node", "edge"), "node"),
    )


LEARNER_V3 = (
    Option("shots_per_randomization", COUNT, 128),
    Option("num_randomizations", COUNT, 32, note="for each measurement basis and depth"),
    Option("layer_pair_depths", DEPTHS, (0, 1, 2, 4, 16, 32), note="of boxes with gates; at least two"),
    *checks("bit_flip_checks.pre_circuit"),
    *checks("bit_flip_checks.post_circuit"),
    *checks("post_selection"),
    Option("init_qubits", BOOL, True),
    Option("rep_delay", REP_DELAY, note="seconds; the backend's default when not given"),
    *EXPERIMENTAL,
    ARTIFACTS,
    Option("experimental.seed", SEED, note="our own: the same job with the same seed gives the same bytes"),
)

FORMS: dict[str, Form] = {
    "sampler": Form("sampler", TABLES["sampler"]),
    "estimator": Form(
        "estimator",
        TABLES["estimator"],
        settings=("options", "version", "support_qiskit", "resilience_level"),
    ),
    "executor": Form(
        "executor",
        EXECUTOR,
        payload="quantum_program",
        opening=b"{",
        settings=("options", "schema_version"),
        schema_versions=("v0.1", "v0.2", "v1.0", "v1.1", "v2.0"),
    ),
    "noise-learner": Form("noise-learner", LEARNER, payload="circuits", settings=("options", "version")),
    "noise-learner-v3": Form(
        "noise-learner",
        LEARNER_V3,
        payload="instructions",
        opening=b"{",
        settings=("options", "schema_version", "version"),
        schema_versions=("v0.1", "v0.2", "v0.3"),
        version=3,
    ),
    "calibrate": Form(
        "calibrate",
        EXPERIMENTAL,
        payload=None,
        settings=("options", "schema_version"),
        schema_versions=("v0.1",),
    ),
}


def form_of(program: str, fields: Collection[str]) -> str | None:
    """The form in which a program was asked for, by the names of the fields that were sent; None: no program.

    >>> form_of("noise-learner", ["schema_version", "instructions", "options"])
    'noise-learner-v3'
    """
    if program == "noise-learner" and "schema_version" in fields:
        return "noise-learner-v3"
    return program if program in FORMS and FORMS[program].program == program else None
