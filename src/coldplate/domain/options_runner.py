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
    anything,
    at_least,
    number,
    one_of,
)
from coldplate.domain.options_v1 import MAX_SHOTS, is_layout, levels
from coldplate.errors import BadRequest, IncompatibleOptions


def is_circuit(value: Any) -> bool:
    """Whether a value is a circuit, as far as can be told without opening it."""
    return isinstance(value, dict) and value.get("__type__") == "QuantumCircuit"


RUNNERS = ("circuit-runner", "qasm3-runner")
CIRCUITS = "circuits"
MORE = "transpiler_options"  # holds options of compilation, also those that have a place of their own
NO_ESP = "no backend here has readout by excited states (measure_esp_enabled is false)"
COMPILING = (
    Option("optimization_level", levels(3), 1),
    Option("initial_layout", Kind("list of qubits", is_layout)),
    Option("layout_method", one_of("trivial", "dense", "noise_adaptive", "sabre")),
    Option("routing_method", one_of("basic", "lookahead", "stochastic", "sabre", "none")),
    Option("translation_method", one_of("unroller", "translator", "synthesis"), note="unroller: translator"),
    Option("seed_transpiler", SEED),
)
ONLY_INSIDE = (
    Option(f"{MORE}.scheduling_method", one_of("alap", "as_late_as_possible", "asap", "as_soon_as_possible")),
    Option(f"{MORE}.approximation_degree", number("0 to 1", lambda value: 0 <= value <= 1), note="1: exact"),
)
INSIDE = {option.path: option for option in COMPILING} | {
    option.path.removeprefix(f"{MORE}."): option for option in ONLY_INSIDE
}
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
    *COMPILING,
    Option(MORE, OBJECT, {}, note="names of the six options above, and the two below"),
    *ONLY_INSIDE,
    Option("measurement_error_mitigation", BOOL, False, note="by M3: quasi-probabilities beside counts"),
    Option("use_measure_esp", Kind("false", lambda value: value is False), False, note=NO_ESP),
    Option("init_circuit", Kind("circuit", is_circuit), note="before each circuit, on its first qubits"),
    Option("init_num_resets", at_least(0, 1000), 0, note="of each used qubit; none with init_circuit"),
)


def check_runner(names: Collection[str], read: Callable[[str], Any]) -> None:
    """Refuse params whose options can't be honoured; circuits stay unopened.

    Args:
        names: The fields of the params.
        read: Gives a field as plain values.

    Raises:
        BadRequest: An unknown field, a wrong type, a value out of bounds, or an option given twice.
        IncompatibleOptions: Readout mitigation of IQ points.
    """
    if CIRCUITS not in names:
        raise BadRequest("params.circuits is missing.")
    settle_runner({name: read(name) for name in names if name != CIRCUITS})


def settle_runner(params: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option, with defaults for those not given; for errors see `check_runner`."""
    table = {option.path: option for option in OPTIONS}
    settled = {name: option.default for name, option in table.items()}
    given = {name: value for name, value in params.items() if name != CIRCUITS and value is not None}
    for name, value in given.items():
        if name not in table or table[name] in ONLY_INSIDE:
            raise BadRequest(f"params.{name:.60} is an unknown option.")
        settled[name] = checked(table[name], value, where=f"params.{name}")
    for name, value in settled[MORE].items():
        here = f"params.{MORE}.{name:.60}"
        if name not in INSIDE:
            raise BadRequest(f"{here} is an option that can't be honoured here, only {', '.join(INSIDE)}.")
        if name in given:
            raise BadRequest(f"{here} is given beside params.{name}.")
        if value is not None:
            settled[INSIDE[name].path] = checked(INSIDE[name], value, where=here)
    if settled["measurement_error_mitigation"] and settled["meas_level"] != 2:
        raise IncompatibleOptions("params.measurement_error_mitigation is for bits: with meas_level 2 only.")
    return settled


def checked(option: Option, value: Any, *, where: str) -> Any:
    """A value of an option.

    Raises:
        BadRequest: It is of the wrong type, or out of bounds.
    """
    if not option.kind.accepts(value):
        because = f": {option.note}" if option.path == "use_measure_esp" else ""
        raise BadRequest(f"{where} is {str(value)[:60]!r}, not {option.kind.name}{because}.")
    return value
