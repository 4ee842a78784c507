"""What an engine may be asked for: frozen, checked elsewhere, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coldplate.circuits.layers import Strategy
from coldplate.circuits.program import MeasLevel
from coldplate.mitigation.dd import DdOptions
from coldplate.mitigation.pec import PecOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions
from coldplate.noise.learning import LearningOptions
from coldplate.noise.model import LayerNoise


@dataclass(frozen=True)
class Twirling:
    """What is twirled, and over how many randomizations; None is "auto".

    Attributes:
        strategy: Which idle qubits are twirled with the gates of a layer.
    """

    measure: bool = False
    num_randomizations: int | None = None
    shots_per_randomization: int | None = None
    gates: bool = False
    strategy: Strategy = "active-accum"

    @property
    def on(self) -> bool:
        """Whether anything is twirled."""
        return self.measure or self.gates

    @property
    def product(self) -> int | None:
        """Shots over all randomizations, when twirling is on and both numbers are given."""
        if not self.on or self.num_randomizations is None or self.shots_per_randomization is None:
            return None
        return self.num_randomizations * self.shots_per_randomization


@dataclass(frozen=True)
class Execution:
    """How circuits are run and read.

    Attributes:
        rep_delay_s: Pause between shots, seconds; None: the backend's default.
        noise: A noise model that replaces the backend's own.
        method: Simulation method to force.
        single: Amplitudes in single precision; None: as the backend likes.
        basis_gates: Names of the only gates that circuits may have; None: all the backend has.
        decoupling: How idle qubits are decoupled; None: not at all.
        tell_times, tell_stretches: Put the schedule of each circuit, and the values of its stretches, into
            the metadata.
        coupling: The only pairs of qubits that two-qubit gates may act on; None: all the backend has.
    """

    meas_level: MeasLevel = "classified"
    init_qubits: bool = True
    rep_delay_s: float | None = None
    noise: Any | None = None
    method: str | None = None
    single: bool | None = None
    basis_gates: frozenset[str] | None = None
    coupling: frozenset[tuple[int, int]] | None = None
    decoupling: DdOptions | None = None
    tell_times: bool = False
    tell_stretches: bool = False


@dataclass(frozen=True)
class SamplerOptions:
    """Options of a sampler job.

    Attributes:
        m3: Mitigate readout: quasi-probabilities in the metadata.
        artifacts: Keep what was run beside the result.
    """

    default_shots: int = 4096
    twirling: Twirling = Twirling()
    execution: Execution = Execution()
    m3: bool = False
    artifacts: bool = False
    seed: int | None = None


@dataclass(frozen=True)
class EstimatorOptions:
    """Options of an estimator job.

    Attributes:
        default_shots: Shots of a pub without precision; overrides `default_precision`.
        trex: Readout mitigation; None: off. While it is on, measurements are twirled.
        zne: Extrapolation to no noise; None: off.
        pec: Cancellation of layer noise; None: off.
        layer_noise: What is known of the noise of layers; None: it is learnt where it is needed.
        learning: How the noise of one layer is learnt.
        max_layers_to_learn: The most layers that are learnt, the most frequent first; None: all.
        artifacts: Keep what was run beside the result.
        metadata: The options that the result's metadata repeat.
    """

    default_shots: int | None = None
    default_precision: float = 0.015625
    twirling: Twirling = Twirling(measure=True)
    trex: TrexOptions | None = TrexOptions()
    zne: ZneOptions | None = None
    pec: PecOptions | None = None
    layer_noise: tuple[LayerNoise, ...] | None = None
    learning: LearningOptions = LearningOptions()
    max_layers_to_learn: int | None = 4
    execution: Execution = Execution()
    seed: int | None = None
    artifacts: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def twirled_for(self) -> str:
        """The option that twirls gates: techniques that know the noise of twirled layers do it themselves."""
        if not self.needs_layer_noise:
            return "twirling.enable_gates"
        return "resilience.pec_mitigation" if self.pec else "resilience.zne.amplifier = pea"

    @property
    def needs_layer_noise(self) -> bool:
        """Whether a technique is on that needs the noise of layers."""
        return self.pec is not None or (self.zne is not None and self.zne.amplifier == "pea")


@dataclass(frozen=True)
class LearnerOptions:
    """Options of a noise learner job.

    Attributes:
        max_layers: The most layers of circuits that are learnt; None: all.
        strategy: Which idle qubits are twirled with the gates of a layer.
        plain: The result has no tags.
        artifacts: Keep what was run beside the result.
        schema_version: Of a job of version 3.
        metadata: The options that the result's metadata repeat.
    """

    learning: LearningOptions = LearningOptions()
    execution: Execution = Execution()
    seed: int | None = None
    max_layers: int | None = 4
    strategy: Strategy = "active-accum"
    plain: bool = False
    artifacts: bool = False
    schema_version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
