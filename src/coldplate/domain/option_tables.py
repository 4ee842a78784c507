"""The tables of every official option: its path, what it may be, its default, and whether it is honoured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coldplate.domain.extrapolators import NAMES as EXTRAPOLATORS


class Standing(StrEnum):
    """What this server does with an option."""

    HONOURED = "honoured"
    NOT_YET = "not yet"


@dataclass(frozen=True)
class Kind:
    """What values an option may have; null always means "not given"."""

    name: str
    accepts: Callable[[Any], bool]


@dataclass(frozen=True)
class Option:
    """One official option.

    Attributes:
        path: Its place inside ``options``, with dots.
        default: Its value when not given, at every resilience level that `levels` does not name.
        levels: Defaults by resilience level.
        idle: Values of an option that is not yet honoured which ask for nothing, and so are accepted.
        note: What to know about it, for the documentation.
        nullable: null is a value of its own, not "not given".
    """

    path: str
    kind: Kind
    default: Any = None
    levels: tuple[tuple[int, Any], ...] = ()
    standing: Standing = Standing.HONOURED
    idle: tuple[Any, ...] = ()
    note: str = ""
    nullable: bool = False

    def default_at(self, level: int) -> Any:
        """The default at a resilience level."""
        return dict(self.levels).get(level, self.default)


def is_int(value: Any) -> bool:
    """Whether a JSON value is an integer; true and false are not."""
    return type(value) is int


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)


def at_least(least: int, most: int = 2**53) -> Kind:
    """Integers from `least` to `most`."""
    return Kind(f"integer >= {least}", lambda value: is_int(value) and least <= value <= most)


def number(name: str, accepts: Callable[[float], bool]) -> Kind:
    """Finite numbers for which `accepts` holds."""
    return Kind(name, lambda value: is_number(value) and accepts(value))


def one_of(*words: str) -> Kind:
    """One of some words."""
    return Kind(" | ".join(words), lambda value: isinstance(value, str) and value in words)


def auto_or(kind: Kind) -> Kind:
    """`"auto"`, or a value of another kind."""
    return Kind(f"auto | {kind.name}", lambda value: value == "auto" or kind.accepts(value))


def list_of(kind: Kind) -> Kind:
    """Lists of values of another kind."""
    return Kind(
        f"list of {kind.name}", lambda value: isinstance(value, list) and all(map(kind.accepts, value))
    )


def some(kind: Kind) -> Kind:
    """Lists of at least one value of another kind."""
    return Kind(
        f"list of {kind.name}, not empty", lambda value: list_of(kind).accepts(value) and len(value) > 0
    )


def one_or_some(kind: Kind) -> Kind:
    """A value of another kind, or a list of at least one."""
    return Kind(
        f"{kind.name}, or a list of these", lambda value: kind.accepts(value) or some(kind).accepts(value)
    )


def anything(name: str) -> Kind:
    """Any value; for options that are only named in order to be refused."""
    return Kind(name, lambda _value: True)


def is_coupling_map(value: Any) -> bool:
    """Whether a value is a list of pairs of qubits."""
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(is_int(qubit) and qubit >= 0 for qubit in pair)
        for pair in value
    )


BOOL = Kind("boolean", lambda value: isinstance(value, bool))
COUNT = at_least(1)
DEPTHS = some(at_least(0, 200))
SEED = at_least(0, 2**64 - 1)
NAMES = list_of(Kind("name", lambda value: isinstance(value, str)))
OBJECT = Kind("object", lambda value: isinstance(value, dict))
COUPLING = Kind("list of [qubit, qubit]", is_coupling_map)
REP_DELAY = number("seconds, 0 to 1", lambda value: 0 <= value <= 1)
PRECISION = number("number > 0", lambda value: value > 0)
LOOPS = "circuits with stretches and a while loop, whose length nobody knows, fail (3211)"
METHODS = ("statevector", "density_matrix", "stabilizer", "matrix_product_state", "aer")


def later(path: str, kind: Kind, default: Any = None, *, idle: Sequence[Any] = (), note: str = "") -> Option:
    """An official option that is not honoured yet."""
    return Option(path, kind, default, standing=Standing.NOT_YET, idle=tuple(idle), note=note)


DECOUPLING = (
    Option("dynamical_decoupling.enable", BOOL, False, note="not for dynamic circuits (1521)"),
    Option("dynamical_decoupling.sequence_type", one_of("XX", "XpXm", "XY4"), "XX"),
    Option(
        "dynamical_decoupling.extra_slack_distribution",
        one_of("middle", "edges"),
        "middle",
        note="where goes what rounding to dt leaves over",
    ),
    Option("dynamical_decoupling.scheduling_method", one_of("alap", "asap"), "alap"),
    Option(
        "dynamical_decoupling.skip_reset_qubits",
        BOOL,
        False,
        note="no pulses on qubits that wait after the start or a reset",
    ),
)

EXECUTION = (
    Option("execution.init_qubits", BOOL, True),
    Option("execution.rep_delay", REP_DELAY, note="seconds; the backend's default when not given"),
)

TIMING = (
    Option("execution.scheduler_timing", BOOL, False, note="the schedule, in the metadata of each pub"),
    Option(
        "execution.stretch_values",
        BOOL,
        False,
        note=f"what stretches became, in the metadata of each pub; {LOOPS}",
    ),
)

SIMULATOR = (
    Option(
        "simulator.noise_model",
        OBJECT,
        note="an Aer noise model, as its dictionary; replaces the backend's own noise",
    ),
    Option("simulator.seed_simulator", SEED, note="the same job with the same seed gives the same bytes"),
    Option("simulator.coupling_map", COUPLING, note="circuits are checked against it (1517)"),
    Option("simulator.basis_gates", NAMES, note="circuits are checked against it (1517)"),
)

EXPERIMENTAL = (
    Option("experimental.method", one_of(*METHODS), note="our own: the simulation method to use"),
    Option(
        "experimental.precision",
        one_of("single", "double"),
        note="our own: of amplitudes on the native kernel; else single from 13 qubits on, double below",
    ),
)


ARTIFACTS = Option(
    "experimental.artifacts",
    BOOL,
    False,
    note="our own: circuits as run, twirl samples, raw values and noise models are kept beside the result; "
    "`coldplate jobs artifacts`",
)


def twirling(
    *, measure_levels: tuple[tuple[int, Any], ...] = (), gate_levels: tuple[tuple[int, Any], ...] = ()
) -> tuple[Option, ...]:
    """The options of twirling, whose defaults differ between programs."""
    return (
        Option(
            "twirling.enable_gates",
            BOOL,
            False,
            levels=gate_levels,
            note="Pauli twirls of two-qubit Clifford gates; fractional gates are refused (1519)",
        ),
        Option(
            "twirling.enable_measure",
            BOOL,
            False,
            levels=measure_levels,
            note="readout mitigation turns it on, whatever is given, and the metadata says so",
        ),
        Option(
            "twirling.num_randomizations",
            auto_or(COUNT),
            "auto",
            note="used while twirling is on; auto: ceil(shots / shots_per_randomization)",
        ),
        Option(
            "twirling.shots_per_randomization",
            auto_or(COUNT),
            "auto",
            note="used while twirling is on; auto: max(64, ceil(shots / 32))",
        ),
        Option(
            "twirling.strategy",
            one_of("active", "active-accum", "active-circuit", "all"),
            "active-accum",
            note="which idle qubits are twirled with the gates of a layer",
        ),
    )


SAMPLER = (
    Option("default_shots", COUNT, 4096),
    *DECOUPLING,
    *EXECUTION,
    *TIMING,
    Option(
        "execution.meas_type",
        one_of("classified", "kerneled", "avg_kerneled"),
        "classified",
        note="measurement twirling needs classified",
    ),
    *twirling(),
    *SIMULATOR,
    *EXPERIMENTAL,
    ARTIFACTS,
    Option(
        "experimental.readout_mitigation",
        one_of("none", "m3"),
        "none",
        note="our own: m3 puts quasi-probabilities and their overhead into the metadata of each pub",
    ),
)

ZNE = (
    Option("resilience.zne_mitigation", BOOL, False, levels=((2, True),)),
    Option(
        "resilience.zne.amplifier",
        one_of("gate_folding", "gate_folding_front", "gate_folding_back", "pea"),
        "gate_folding",
        note="folding: of two-qubit gates, at random or from one end where a factor needs some only",
    ),
    Option(
        "resilience.zne.noise_factors",
        some(number("number >= 1", lambda value: value >= 1)),
        (1, 3, 5),
        note="those reached by folding are fitted, and told in the metadata",
    ),
    Option(
        "resilience.zne.extrapolator",
        one_or_some(one_of(*EXTRAPOLATORS)),
        ("exponential", "linear"),
        note="of several each Pauli string takes the first that succeeds",
    ),
    Option(
        "resilience.zne.extrapolated_noise_factors",
        auto_or(list_of(number("number >= 0", lambda value: value >= 0))),
        "auto",
        note="where every fit is evaluated; auto: 0 and the noise factors",
    ),
)

PEC = (
    Option(
        "resilience.pec_mitigation",
        BOOL,
        False,
        note="quasi-probabilities of the learnt layer noise; turns gate twirling on; not with ZNE",
    ),
    Option(
        "resilience.pec.max_overhead",
        number("number > 0", lambda value: value > 0),
        100,
        nullable=True,
        note="the most that randomizations are multiplied by; null: no limit",
    ),
    Option(
        "resilience.pec.noise_gain",
        auto_or(number("number >= 0", lambda value: value >= 0)),
        "auto",
        note="how much of the noise is left: 0 none, 1 all; auto: as little as max_overhead allows",
    ),
)

FOR_LAYERS = "of each layer, where PEC or PEA is on and layer_noise_model is not given"
LAYER_NOISE = (
    Option(
        "resilience.layer_noise_learning.max_layers_to_learn",
        at_least(0),
        4,
        nullable=True,
        note="the most frequent first; the others count as free of noise; null: all",
    ),
    Option("resilience.layer_noise_learning.shots_per_randomization", COUNT, 128, note=FOR_LAYERS),
    Option("resilience.layer_noise_learning.num_randomizations", COUNT, 32, note=FOR_LAYERS),
    Option(
        "resilience.layer_noise_learning.layer_pair_depths", DEPTHS, (0, 1, 2, 4, 16, 32), note=FOR_LAYERS
    ),
    Option(
        "resilience.layer_noise_model",
        Kind("list of layer errors, or a learner's result", lambda value: isinstance(value, list | dict)),
        note="used as it is; layers without a model count as free of noise",
    ),
)

ESTIMATOR = (
    Option("default_shots", COUNT, note="overrides default_precision"),
    Option("default_precision", PRECISION, 0.015625, note="shots = ceil(1 / precision^2)"),
    Option("seed_estimator", SEED, note="the same job with the same seed gives the same bytes"),
    *DECOUPLING,
    *EXECUTION,
    *TIMING,
    Option(
        "resilience.measure_mitigation",
        BOOL,
        False,
        levels=((1, True), (2, True)),
        note="TREX by the direct ratio; forces measurement twirling",
    ),
    Option("resilience.measure_noise_learning.num_randomizations", COUNT, 32),
    Option(
        "resilience.measure_noise_learning.shots_per_randomization",
        auto_or(COUNT),
        "auto",
        note="auto: as many calibration shots as the pub with most shots has",
    ),
    *ZNE,
    *PEC,
    *LAYER_NOISE,
    *twirling(measure_levels=((1, True), (2, True)), gate_levels=((2, True),)),
    *SIMULATOR,
    *EXPERIMENTAL,
    ARTIFACTS,
)

EXECUTOR = (
    Option("init_qubits", BOOL, True),
    Option("rep_delay", REP_DELAY, note="seconds; the backend's default when not given"),
    Option("scheduler_timing", BOOL, False, note="the schedule, in the metadata of each item"),
    Option(
        "stretch_values", BOOL, False, note=f"what stretches became, in the metadata of each item; {LOOPS}"
    ),
    *EXPERIMENTAL,
    ARTIFACTS,
    Option(
        "experimental.seed",
        SEED,
        note="our own: the same job with the same seed gives the same bytes; without it, the "
        "simulator.seed_simulator of the client-side primitives is used",
    ),
)

TABLES: dict[str, tuple[Option, ...]] = {
    "sampler": SAMPLER,
    "estimator": ESTIMATOR,
    "executor": EXECUTOR,
}
