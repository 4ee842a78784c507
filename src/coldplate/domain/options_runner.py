"""Options of `circuit-runner` and `qasm3-runner`: whole circuits, as `backend.run` of 2023 sends them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from coldplate.domain.option_tables import (
    BOOL,
    OBJECT,
    REP_DELAY,
    SEED,
    Kind,
    Option,
    Standing,
    anything,
    at_least,
    later,
    one_of,
)
from coldplate.domain.options_v1 import MAX_SHOTS, is_layout, levels
from coldplate.errors import BadRequest, NotYet

RUNNERS = ("circuit-runner", "qasm3-runner")
CIRCUITS = "circuits"
OPTIONS = (
    Option("shots", at_least(1, MAX_SHOTS), 4000),
    Option("memory", BOOL, False),
    Option("meas_level", Kind("1 | 2", lambda value: value in (1, 2) and type(value) is int), 2),
    Option("meas_return", one_of("single", "avg"), "avg", note="of IQ points (meas_level 1)"),
    Option("init_qubits", BOOL, True),
    Option("rep_delay", REP_DELAY, note="seconds"),
    Option("noise_model", anything("noise model"), note="simulators only"),
    Option("seed_simulator", SEED),
    Option("header", OBJECT, {}, note="repeated in the result"),
    Option("skip_transpilation", BOOL, False),
    Option("optimization_level", levels(3), 1),
    Option("initial_layout", Kind("list of qubits", is_layout)),
    Option("layout_method", one_of("trivial", "dense", "noise_adaptive", "sabre")),
    Option("routing_method", one_of("basic", "lookahead", "stochastic", "sabre", "none")),
    Option("seed_transpiler", SEED),
    later("translation_method", anything("name")),
    later("transpiler_options", OBJECT, idle=[{}]),
    later("measurement_error_mitigation", BOOL, False, idle=[False]),
    later("use_measure_esp", BOOL, False, idle=[False]),
    later("init_circuit", anything("circuit")),
    later("init_num_resets", at_least(0), note="use init_qubits"),
)


def check_runner(names: Collection[str], read: Callable[[str], Any]) -> None:
    """Refuse params whose options can't be honoured; circuits stay unopened.

    Args:
        names: The fields of the params.
        read: Gives a field as plain values.

    Raises:
        BadRequest: An unknown field, a wrong type, or a value out of bounds.
        NotYet: An option that this release does not honour.
    """
    if CIRCUITS not in names:
        raise BadRequest("params.circuits is missing.")
    settle_runner({name: read(name) for name in names if name != CIRCUITS})


def settle_runner(params: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option, with defaults for those not given; for errors see `check_runner`."""
    table = {option.path: option for option in OPTIONS}
    settled = {name: option.default for name, option in table.items()}
    for name, value in params.items():
        if name == CIRCUITS or value is None:
            continue
        if name not in table:
            raise BadRequest(f"params.{name:.60} is an unknown option.")
        option = table[name]
        if not option.kind.accepts(value):
            raise BadRequest(f"params.{name} is {str(value)[:60]!r}, not {option.kind.name}.")
        if option.standing is Standing.NOT_YET and value not in option.idle:
            raise NotYet(f"params.{name}")
        settled[name] = value
    return settled
