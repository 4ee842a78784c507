"""Options that are right alone, but not together; both are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldplate.domain.extrapolators import least_factors
from coldplate.errors import IncompatibleOptions

LEARNING = (
    "resilience.measure_noise_learning.num_randomizations",
    "resilience.measure_noise_learning.shots_per_randomization",
)


def check_together(program: str, *, given: Mapping[str, Any], settled: Mapping[str, Any]) -> None:
    """Refuse options that don't go together.

    Args:
        given: Values by path, of the options that were given.
        settled: Values of all options.

    Raises:
        IncompatibleOptions: Two don't.
    """
    if program == "sampler":
        check_readout(settled)
    if program == "estimator":
        check_learning(given, settled)
        check_extrapolation(settled)


def check_readout(settled: Mapping[str, Any]) -> None:
    """What needs bits, where there are none."""
    meas_type = settled["execution.meas_type"]
    if settled["twirling.enable_measure"] and meas_type != "classified":
        raise IncompatibleOptions(
            "options.twirling.enable_measure needs bits to flip back, and "
            f"options.execution.meas_type is {meas_type}."
        )
    if settled["experimental.readout_mitigation"] != "none" and meas_type != "classified":
        raise IncompatibleOptions(
            "options.experimental.readout_mitigation needs bits, and "
            f"options.execution.meas_type is {meas_type}."
        )


def check_learning(given: Mapping[str, Any], settled: Mapping[str, Any]) -> None:
    """Options of readout mitigation while it is off; official clients refuse them too."""
    for path in LEARNING:
        if path in given and not settled["resilience.measure_mitigation"]:
            raise IncompatibleOptions(
                f"options.{path} is given, but options.resilience.measure_mitigation is off.",
                solution="Turn measure_mitigation on, or leave measure_noise_learning out.",
            )


def check_extrapolation(settled: Mapping[str, Any]) -> None:
    """Extrapolation together with what it excludes, or with too few noise factors."""
    if not settled["resilience.zne_mitigation"]:
        return
    if settled["resilience.pec_mitigation"]:
        raise IncompatibleOptions(
            "options.resilience.pec_mitigation and options.resilience.zne_mitigation cannot be "
            "simultaneously enabled.",
            solution="Set one of the two to false; resilience level 2 turns ZNE on.",
        )
    factors = settled["resilience.zne.noise_factors"]
    names = settled["resilience.zne.extrapolator"]
    for name in (names,) if isinstance(names, str) else names:
        if len(set(factors)) < least_factors(name):
            raise IncompatibleOptions(
                f"options.resilience.zne.extrapolator {name} needs {least_factors(name)} different values in "
                f"options.resilience.zne.noise_factors, which has {len(set(factors))}.",
                solution="Give more noise factors, or a simpler extrapolator.",
            )
