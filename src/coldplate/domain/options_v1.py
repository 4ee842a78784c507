"""Options of V1 primitives, as clients of 2023 send them: checked, and settled to values with defaults.

A V1 job has `circuits` with lists of indices where a V2 job has `pubs`, and its options are in three groups
of settings. Like those of V2 they are honoured or refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from coldplate.domain.option_tables import (
    BOOL,
    COUPLING,
    NAMES,
    SEED,
    Kind,
    Option,
    anything,
    at_least,
    is_int,
    list_of,
    number,
    one_of,
)
from coldplate.errors import BadRequest, IncompatibleOptions

PROGRAMS = ("sampler", "estimator")
PAYLOAD = {
    "sampler": ("circuits", "circuit_indices", "parameters", "parameter_values"),
    "estimator": (
        *("circuits", "circuit_indices", "observables", "observable_indices"),
        *("parameters", "parameter_values"),
    ),
}
OPTIONAL = ("parameters", "circuit_indices", "observable_indices")  # clients of 2024 leave them out
MAX_SHOTS = 100_000  # per circuit and basis
AMPLIFIERS = ("TwoQubitAmplifier", "CxAmplifier", "LocalFoldingAmplifier", "GlobalFoldingAmplifier")
DEGREES = {
    "LinearExtrapolator": 1,
    "QuadraticExtrapolator": 2,
    "CubicExtrapolator": 3,
    "QuarticExtrapolator": 4,
}
ZNE_LEVEL = 2


def is_layout(value: Any) -> bool:
    """Whether a value places qubits: a list of physical ones, or an object from virtual to physical."""
    if isinstance(value, dict):
        flags = {"__int_keys__"}
        places = [place for key, place in value.items() if key not in flags]
        return all(key.isdigit() for key in value.keys() - flags) and all(map(is_int, places))
    return isinstance(value, list) and all(is_int(place) and place >= 0 for place in value)


def levels(most: int) -> Kind:
    """A level from 0 to `most`."""
    return Kind(f"0 to {most}", lambda value: is_int(value) and 0 <= value <= most)


def extrapolators() -> Kind:
    """The name of an extrapolator."""
    return one_of(*DEGREES)


FACTORS = list_of(number("number >= 1", lambda value: value >= 1))
TRANSPILATION = (
    Option("transpilation_settings.skip_transpilation", BOOL, False),
    Option(
        "transpilation_settings.optimization_settings.level",
        levels(3),
        1,
        note="clients send 3 for devices and 1 for ideal simulators unless told otherwise",
    ),
    Option("transpilation_settings.initial_layout", Kind("list of qubits", is_layout)),
    Option(
        "transpilation_settings.layout_method",
        one_of("trivial", "dense", "noise_adaptive", "sabre"),
        note="noise_adaptive is no longer part of Qiskit; sabre is used, which looks at errors too",
    ),
    Option(
        "transpilation_settings.routing_method",
        one_of("basic", "lookahead", "stochastic", "sabre", "none"),
        note="stochastic is no longer part of Qiskit; sabre is used",
    ),
    Option(
        "transpilation_settings.approximation_degree",
        number("0.0 to 1.0", lambda value: 0 <= value <= 1),
    ),
    Option("transpilation_settings.coupling_map", COUPLING, note="simulators only"),
    Option("transpilation_settings.basis_gates", NAMES, note="simulators only"),
)
RUN = (
    Option("run_options.shots", at_least(1, MAX_SHOTS), 4000),
    Option("run_options.init_qubits", BOOL, True),
    Option("run_options.noise_model", anything("noise model"), note="simulators only, as documented"),
    Option("run_options.seed_simulator", SEED),
)
TABLES: dict[str, tuple[Option, ...]] = {
    "sampler": (
        Option("resilience_settings.level", levels(1), 0, note="clients send 1 unless told otherwise"),
        *TRANSPILATION,
        *RUN,
    ),
    "estimator": (
        Option("resilience_settings.level", levels(3), 0, note="clients send 1 unless told otherwise"),
        Option("resilience_settings.noise_factors", FACTORS, note="level 2; [1, 3, 5] when not given"),
        Option("resilience_settings.noise_amplifier", one_of(*AMPLIFIERS), note="level 2"),
        Option("resilience_settings.extrapolator", extrapolators(), note="level 2; linear when not given"),
        *TRANSPILATION,
        *RUN,
    ),
}
# The sampler of these clients sends the estimator's resilience options along.
IDLE = {"sampler": ("noise_factors", "noise_amplifier", "extrapolator")}


def is_v1(program: str, names: Collection[str]) -> bool:
    """Whether params with these fields are those of a V1 primitive."""
    return program in PROGRAMS and "circuits" in names and "pubs" not in names


def check_v1(program: str, names: Collection[str], read: Callable[[str], Any]) -> None:
    """Refuse V1 params whose options can't be honoured; circuits stay unopened.

    Args:
        names: The fields of the params.
        read: Gives a field as plain values.

    Raises:
        BadRequest: An unknown field or option, a wrong type, or a value out of bounds.
        IncompatibleOptions: Two options that don't go together.
    """
    payload = PAYLOAD[program]
    groups = groups_of(program)
    for name in names:
        if name not in payload and name not in groups:
            raise BadRequest(f"params.{name:.60} is not an option of the {program} primitive.")
    for name in payload:
        if name not in names and name not in OPTIONAL:
            raise BadRequest(f"params.{name} is missing.")
    settle_v1(program, {name: read(name) for name in groups if name in names})


def groups_of(program: str) -> set[str]:
    """The fields that hold options."""
    return {option.path.partition(".")[0] for option in TABLES[program]}


def settle_v1(program: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option by path, with defaults for those not given; for errors see `check_v1`."""
    table = {option.path: option for option in TABLES[program]}
    idle = {f"resilience_settings.{name}" for name in IDLE.get(program, ())}
    given: dict[str, Any] = {}
    for group in groups_of(program):
        given |= walk(params.get(group), table=table, idle=idle, path=group)
    settled = {path: given.get(path, option.default) for path, option in table.items()}
    if program == "estimator" and settled["resilience_settings.level"] == ZNE_LEVEL:
        check_zne(settled)
    return settled


def walk(
    value: Any, *, table: Mapping[str, Option], idle: Collection[str], path: str
) -> Iterator[tuple[str, Any]]:
    """Every option that was given below a path, each checked; null means "not given"."""
    if value is None:
        return
    if path in table:
        option = table[path]
        if not option.kind.accepts(value):
            raise BadRequest(f"params.{path} is {str(value)[:60]!r}, not {option.kind.name}.")
        yield path, value
    elif path in idle:
        return
    elif not any(known.startswith(f"{path}.") for known in table):
        raise BadRequest(f"params.{path:.200} is an unknown option.")
    elif not isinstance(value, dict):
        raise BadRequest(f"params.{path} is not an object.")
    else:
        for name, inner in value.items():
            yield from walk(inner, table=table, idle=idle, path=f"{path}.{name}")


def check_zne(settled: dict[str, Any]) -> None:
    """Refuse an extrapolation that the noise factors don't determine; fill in the documented defaults."""
    factors: Sequence[float] = settled["resilience_settings.noise_factors"] or [1, 3, 5]
    name = settled["resilience_settings.extrapolator"] or "LinearExtrapolator"
    if len(set(factors)) < len(factors) or len(factors) <= DEGREES[name]:
        raise IncompatibleOptions(
            f"{name} needs at least {DEGREES[name] + 1} noise factors that differ, not {factors}.",
            solution="Give more noise factors, or use a simpler extrapolator.",
        )
    settled["resilience_settings.noise_factors"] = [float(factor) for factor in factors]
    settled["resilience_settings.extrapolator"] = name
    if settled["resilience_settings.noise_amplifier"] is None:
        settled["resilience_settings.noise_amplifier"] = AMPLIFIERS[0]
