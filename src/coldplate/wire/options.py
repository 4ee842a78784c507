"""Clients' options -> what the engines are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coldplate.domain.options import settle
from coldplate.engine.options import EstimatorOptions, Execution, LearnerOptions, SamplerOptions, Twirling
from coldplate.mitigation.dd import DdOptions
from coldplate.mitigation.pec import PecOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions
from coldplate.noise.checks import Check, Checks
from coldplate.noise.learning import LearningOptions
from coldplate.noise.model import LayerNoise
from coldplate.wire.layer_noise import read_layer_noise
from coldplate.wire.limits import Budget
from coldplate.wire.noise_model import noise_model
from coldplate.wire.tagged import VALUES, decode

PEC_SHOTS = 64  # per randomization


def sampler_options(params: Mapping[str, Any]) -> SamplerOptions:
    """The options of a sampler job, defaults filled in.

    Args:
        params: The job's params; only what lies beside the pubs is looked at.

    Raises:
        BadRequest, NotYet, IncompatibleOptions: See `domain.options.check_params`.
    """
    settled = settle("sampler", params)
    return SamplerOptions(
        default_shots=settled["default_shots"],
        twirling=twirling(settled, measure=settled["twirling.enable_measure"]),
        execution=execution(settled),
        m3=settled["experimental.readout_mitigation"] == "m3",
        artifacts=settled["experimental.artifacts"],
        seed=settled["simulator.seed_simulator"],
    )


def estimator_options(params: Mapping[str, Any]) -> EstimatorOptions:
    """The options of an estimator job, defaults filled in; for errors see `sampler_options`."""
    settled = settle("estimator", params)
    mitigated = settled["resilience.measure_mitigation"]
    readout = "resilience.measure_noise_learning"
    trex = TrexOptions(
        num_randomizations=settled[f"{readout}.num_randomizations"],
        shots_per_randomization=number(settled[f"{readout}.shots_per_randomization"]),
    )
    # readout mitigation divides by the damping of twirled readout, so it turns twirling on
    measure = settled["twirling.enable_measure"] or mitigated
    seed = settled["seed_estimator"]
    return EstimatorOptions(
        default_shots=settled["default_shots"],
        default_precision=settled["default_precision"],
        twirling=for_layer_noise(twirling(settled, measure=measure), settled),
        trex=trex if mitigated else None,
        zne=zne(settled) if settled["resilience.zne_mitigation"] else None,
        pec=pec(settled) if settled["resilience.pec_mitigation"] else None,
        layer_noise=layer_noise(settled["resilience.layer_noise_model"]),
        learning=learning(settled, "resilience.layer_noise_learning."),
        max_layers_to_learn=settled["resilience.layer_noise_learning.max_layers_to_learn"],
        execution=execution(settled),
        seed=settled["simulator.seed_simulator"] if seed is None else seed,
        artifacts=settled["experimental.artifacts"],
        metadata=estimator_metadata(settled, measure=measure),
    )


def executor_options(schema_version: str, options: Mapping[str, Any]) -> Execution:
    """How an executor job's circuits are run; for errors see `sampler_options`."""
    settled = settle("executor", {"schema_version": schema_version, "options": options})
    return Execution(
        init_qubits=settled["init_qubits"],
        rep_delay_s=settled["rep_delay"],
        method=settled["experimental.method"],
        single=single(settled),
        tell_times=settled["scheduler_timing"],
        tell_stretches=settled["stretch_values"],
    )


def executor_artifacts(options: Mapping[str, Any]) -> bool:
    """Whether an executor job keeps what was run beside its result."""
    return bool((options.get("experimental") or {}).get("artifacts", False))


def executor_seed(options: Mapping[str, Any], passthrough: Any) -> int | None:
    """The seed of an executor job: its own, or the one that client-side primitives were given.

    Those send no simulator options; what they were given is in their notes to themselves.
    """
    own = (options.get("experimental") or {}).get("seed")
    found = passthrough if own is None else None
    for name in ("post_processor", "options", "simulator", "seed_simulator"):
        found = found.get(name) if isinstance(found, dict) else None
    if own is None and type(found) is int and 0 <= found < 2**64:
        return found
    return None if own is None else int(own)


def learner_options(params: Mapping[str, Any]) -> LearnerOptions:
    """The options of a learner's job of version 2, defaults filled in; for errors see `sampler_options`."""
    settled = settle("noise-learner", params)
    names = ("max_layers_to_learn", "shots_per_randomization", "num_randomizations", "layer_pair_depths")
    told = {name: settled[name] for name in (*names, "twirling_strategy")}
    return LearnerOptions(
        learning=learning(settled, ""),
        execution=simulation(settled),
        seed=settled["simulator.seed_simulator"],
        max_layers=settled["max_layers_to_learn"],
        strategy=settled["twirling_strategy"],
        plain=not settled["support_qiskit"],
        artifacts=settled["experimental.artifacts"],
        metadata={**told, "layer_pair_depths": list(told["layer_pair_depths"])},
    )


def learner_v3_options(params: Mapping[str, Any]) -> LearnerOptions:
    """The options of a learner's job of version 3, defaults filled in; for errors see `sampler_options`."""
    settled = settle("noise-learner-v3", params)
    after = check(settled, "bit_flip_checks.post_circuit") or check(settled, "post_selection")
    checks = Checks(before=check(settled, "bit_flip_checks.pre_circuit"), after=after)
    return LearnerOptions(
        learning=replace(learning(settled, ""), checks=checks),
        execution=Execution(
            init_qubits=settled["init_qubits"],
            rep_delay_s=settled["rep_delay"],
            method=settled["experimental.method"],
            single=single(settled),
        ),
        seed=settled["experimental.seed"],
        artifacts=settled["experimental.artifacts"],
        schema_version=params["schema_version"],
    )


def check(settled: Mapping[str, Any], path: str) -> Check | None:
    """A bit-flip check; None where it is off."""
    if not settled[f"{path}.enable"]:
        return None
    return Check(settled[f"{path}.x_pulse_type"], settled[f"{path}.strategy"])


def supports_qiskit(params: Mapping[str, Any]) -> bool:
    """Whether the client reads tagged results; without it they are plain JSON."""
    return bool(params.get("support_qiskit"))


def execution(settled: Mapping[str, Any]) -> Execution:
    """How circuits are run."""
    return replace(
        simulation(settled),
        meas_level=settled.get("execution.meas_type", "classified"),
        init_qubits=settled["execution.init_qubits"],
        rep_delay_s=settled["execution.rep_delay"],
        decoupling=decoupling(settled) if settled["dynamical_decoupling.enable"] else None,
        tell_times=settled["execution.scheduler_timing"],
        tell_stretches=settled["execution.stretch_values"],
    )


def simulation(settled: Mapping[str, Any]) -> Execution:
    """How circuits are simulated."""
    gates, coupling = settled["simulator.basis_gates"], settled["simulator.coupling_map"]
    return Execution(
        noise=noise(settled["simulator.noise_model"]),
        method=settled["experimental.method"],
        single=single(settled),
        basis_gates=None if gates is None else frozenset(gates),
        coupling=None if coupling is None else frozenset((first, second) for first, second in coupling),
    )


def single(settled: Mapping[str, Any]) -> bool | None:
    """Whether amplitudes are in single precision; None: as the backend likes."""
    precision = settled["experimental.precision"]
    return None if precision is None else precision == "single"


def decoupling(settled: Mapping[str, Any]) -> DdOptions:
    """How idle qubits are decoupled."""
    return DdOptions(
        sequence=settled["dynamical_decoupling.sequence_type"],
        slack=settled["dynamical_decoupling.extra_slack_distribution"],
        method=settled["dynamical_decoupling.scheduling_method"],
        skip_reset=settled["dynamical_decoupling.skip_reset_qubits"],
    )


def noise(value: Any) -> Any | None:
    """An Aer noise model, sent as one or as its dictionary."""
    if value is None:
        return None
    found = decode(value, allow=VALUES | {"NoiseModel"}, budget=Budget())
    return noise_model(found) if isinstance(found, dict) else found


def twirling(settled: Mapping[str, Any], *, measure: bool) -> Twirling:
    """How gates and measurements are twirled."""
    return Twirling(
        measure=measure,
        num_randomizations=number(settled["twirling.num_randomizations"]),
        shots_per_randomization=number(settled["twirling.shots_per_randomization"]),
        gates=settled["twirling.enable_gates"],
        strategy=settled["twirling.strategy"],
    )


def zne(settled: Mapping[str, Any]) -> ZneOptions:
    """How noise is amplified and extrapolated."""
    factors, points = (
        settled["resilience.zne.noise_factors"],
        settled["resilience.zne.extrapolated_noise_factors"],
    )
    names = settled["resilience.zne.extrapolator"]
    return ZneOptions(
        amplifier=settled["resilience.zne.amplifier"],
        noise_factors=tuple(factors),
        extrapolators=(names,) if isinstance(names, str) else tuple(names),
        points=(0, *factors) if points == "auto" else tuple(points),
    )


def for_layer_noise(given: Twirling, settled: Mapping[str, Any]) -> Twirling:
    """The twirling that techniques need which know the noise of twirled layers: gates are, whatever is given.

    PEC draws afresh for every 64 shots where the numbers are auto.
    """
    if not needs_layer_noise(settled):
        return given
    auto = given.num_randomizations is None and given.shots_per_randomization is None
    each = PEC_SHOTS if auto and settled["resilience.pec_mitigation"] else given.shots_per_randomization
    return replace(given, gates=True, shots_per_randomization=each)


def needs_layer_noise(settled: Mapping[str, Any]) -> bool:
    """Whether a technique is on that needs the noise of layers."""
    amplified = settled["resilience.zne_mitigation"] and settled["resilience.zne.amplifier"] == "pea"
    return bool(settled["resilience.pec_mitigation"] or amplified)


def pec(settled: Mapping[str, Any]) -> PecOptions:
    """How noise is cancelled."""
    gain = settled["resilience.pec.noise_gain"]
    return PecOptions(settled["resilience.pec.max_overhead"], None if gain == "auto" else float(gain))


def learning(settled: Mapping[str, Any], path: str) -> LearningOptions:
    """How the noise of a layer is learnt.

    Args:
        path: What stands before the names.
    """
    return LearningOptions(
        num_randomizations=settled[f"{path}num_randomizations"],
        shots_per_randomization=settled[f"{path}shots_per_randomization"],
        pair_depths=tuple(settled[f"{path}layer_pair_depths"]),
    )


def layer_noise(value: Any) -> tuple[LayerNoise, ...] | None:
    """The models that the user gave; None: none, so they are learnt."""
    return None if value is None else read_layer_noise(value, Budget())


def number(value: int | str) -> int | None:
    """A number; None for "auto"."""
    return None if isinstance(value, str) else value


def estimator_metadata(settled: Mapping[str, Any], *, measure: bool) -> dict[str, Any]:
    """The options that an estimator result's metadata repeat, as the service writes them."""
    decoupling = ("enable", "sequence_type", "extra_slack_distribution", "scheduling_method")
    twirls = ("enable_gates", "num_randomizations", "shots_per_randomization", "strategy")
    mitigation = ("measure_mitigation", "zne_mitigation", "pec_mitigation")
    resilience: dict[str, Any] = {name: settled[f"resilience.{name}"] for name in mitigation}
    if settled["resilience.zne_mitigation"]:
        chosen = zne(settled)
        resilience["zne"] = {
            "amplifier": chosen.amplifier,
            "noise_factors": list(chosen.noise_factors),
            "extrapolator": list(chosen.extrapolators),
            "extrapolated_noise_factors": list(chosen.points),
        }
    forced = {"enable_gates": True} if needs_layer_noise(settled) else {}
    return {
        "dynamical_decoupling": {name: settled[f"dynamical_decoupling.{name}"] for name in decoupling},
        "twirling": {name: settled[f"twirling.{name}"] for name in twirls}
        | {"enable_measure": measure, "interleave_randomizations": True}
        | forced,
        "resilience": resilience,
    }
