"""Resilience levels of the V1 estimator: what the engine is asked for, and what results say of it.

Levels build on each other, as those of V2 do: 1 TREX, 2 ZNE behind it, 3 PEC behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from qiskit.primitives import PubResult

from coldplate.domain.options_v1 import DEGREES
from coldplate.engine.estimator import Prepared
from coldplate.engine.layer_noise import Knowledge
from coldplate.engine.options import EstimatorOptions, Execution, Twirling
from coldplate.mitigation.pec import PecOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import Amplifier, ZneOptions

TWIRLS, CALIBRATION_SHOTS = 16, 8192  # of TREX, as documented
SAMPLE_SHOTS = 128  # of each sample of PEC, as documented
CONFIDENCE = 0.95
AMPLIFIERS: dict[str, Amplifier] = {
    "TwoQubitAmplifier": "gate_folding",
    "CxAmplifier": "cx_folding",
    "LocalFoldingAmplifier": "local_folding",
    "GlobalFoldingAmplifier": "global_folding",
}


def options(
    level: int, settings: Mapping[str, Any], *, shots: int, execution: Execution, simulator: bool
) -> EstimatorOptions:
    """What the engine is asked for at a level.

    Args:
        shots: Per circuit and basis; at level 3, samples per circuit and basis before the overhead.
    """
    if level == 0:
        return EstimatorOptions(default_shots=shots, twirling=Twirling(), trex=None, execution=execution)
    trex = TrexOptions(TWIRLS, CALIBRATION_SHOTS // TWIRLS)
    if level == 3:
        samples = Twirling(
            measure=True, gates=True, num_randomizations=shots, shots_per_randomization=SAMPLE_SHOTS
        )
        return EstimatorOptions(
            default_shots=shots * SAMPLE_SHOTS,
            twirling=samples,
            trex=trex,
            pec=PecOptions(max_overhead=None, noise_gain=0.0),
            max_layers_to_learn=None,
            execution=execution,
        )
    return EstimatorOptions(
        default_shots=shots,
        twirling=Twirling(measure=True, gates=level == 2 and not simulator, num_randomizations=TWIRLS),
        trex=trex,
        zne=zne(settings) if level == 2 else None,
        execution=execution,
    )


def zne(settings: Mapping[str, Any]) -> ZneOptions:
    """How noise is amplified, and extrapolated by a polynomial."""
    own = {name.removeprefix("resilience_settings."): value for name, value in settings.items()}
    degree = DEGREES[own["extrapolator"]]
    factors = tuple(own["noise_factors"])
    return ZneOptions(
        amplifier=AMPLIFIERS[own["noise_amplifier"]],
        noise_factors=factors,
        extrapolators=(f"polynomial_degree_{degree}",),
        points=(0.0, *factors),
    )


def about(
    chosen: EstimatorOptions,
    settings: Mapping[str, Any],
    pub: PubResult,
    place: int,
    *,
    shots: int,
    weight: float,
) -> dict[str, Any]:
    """What is said of a value.

    Users take ``sqrt(variance / shots)`` for its standard error.

    Args:
        place: Of the value in the pub.
        weight: Sum of the absolute coefficients of its observable.
    """
    error = float(pub.data.stds[place])
    if chosen.pec is not None:
        return cancelled(pub, place, error=error, shots=shots, weight=weight)
    if chosen.trex is None:
        return {"variance": error**2 * shots}
    shots = -(-shots // TWIRLS) * TWIRLS
    told: dict[str, Any] = {
        "variance": error**2 * shots,
        "shots": shots,
        "readout_mitigation_num_twirled_circuits": TWIRLS,
        "readout_mitigation_shots_calibration": CALIBRATION_SHOTS,
    }
    if chosen.zne is not None:
        told["zne"] = extrapolated(chosen.zne, settings, pub, place, shots=shots)
    return told


def extrapolated(
    chosen: ZneOptions, settings: Mapping[str, Any], pub: PubResult, place: int, *, shots: int
) -> dict[str, Any]:
    """What was measured at each noise factor."""
    errors = pub.data.stds_noise_factors[place]
    amplification = {
        "noise_amplifier": settings["resilience_settings.noise_amplifier"],
        "noise_factors": list(chosen.noise_factors),
        "values": pub.data.evs_noise_factors[place].tolist(),
        "variance": (errors**2 * shots).tolist(),
        "shots": [shots] * len(chosen.noise_factors),
    }
    extrapolation = {"extrapolator": settings["resilience_settings.extrapolator"]}
    return {"noise_amplification": amplification, "extrapolation": extrapolation}


def cancelled(pub: PubResult, place: int, *, error: float, shots: int, weight: float) -> dict[str, Any]:
    """What PEC took, and where the value is with 95 % confidence (Hoeffding's bound)."""
    told = pub.metadata["coldplate"].get("pec", {"gamma": 1.0})
    overhead = float(told["gamma"]) ** 2
    samples = math.floor(shots * overhead)
    value = float(pub.data.evs[place])
    half = weight * math.sqrt(2 * math.log(2 / (1 - CONFIDENCE)) * overhead / samples)
    return {
        "standard_error": error,
        "confidence_interval": [value - half, value + half],
        "confidence_level": CONFIDENCE,
        "shots": samples * SAMPLE_SHOTS,
        "samples": samples,
        "sampling_overhead": overhead,
    }


def progress(known: Knowledge, prepared: Prepared) -> Iterator[dict[str, Any]]:
    """What PEC tells before it runs: the layers that were found, what each costs, what each circuit does."""
    uses = [noise.uses for noise in prepared.known]
    models = list(known.models.values())
    yield {"unique_layers_detected": len(models), "total_layers": sum(map(len, uses))}
    for number, model in enumerate(models):
        overhead = math.exp(2 * model.log_gamma)
        yield {"msg": f"Layer {number} was learnt; its sampling overhead is {overhead:.6g}."}
    for layers in uses:
        each = [math.exp(2 * model.log_gamma) for model in layers]
        yield {
            "sampling_overhead_by_layer": each,
            "unique_layers": len({model.layer for model in layers}),
            "total_sampling_overhead": math.prod(each),
        }
