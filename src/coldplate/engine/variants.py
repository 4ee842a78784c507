"""The variants of a pub that a job runs: as it is, or one per noise factor, or with Paulis beside layers."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator
from qiskit.circuit import QuantumCircuit

from coldplate.engine.options import EstimatorOptions
from coldplate.mitigation.injected import Known
from coldplate.mitigation.pea import amplify
from coldplate.mitigation.pec import cancel
from coldplate.mitigation.twirl import Injection
from coldplate.mitigation.zne import fold


@dataclass(frozen=True)
class Variant:
    """One way in which the circuit of a pub is run; every variant becomes one item.

    Attributes:
        circuit: What is run.
        factor: How many times its own noise it is run with, as reached.
        injection: Paulis that are put beside layers; needs gate twirling.
        draws: Paulis that an execution draws on average.
        scale: What its means are multiplied by: the overhead gamma of quasi-probabilities, else 1.
        num_randomizations: Instead of the budget's; None: the budget's.
    """

    circuit: QuantumCircuit
    factor: float = 1.0
    injection: Injection | None = None
    draws: float = 0.0
    scale: float = 1.0
    num_randomizations: int | None = None


def variants(
    circuit: QuantumCircuit,
    options: EstimatorOptions,
    *,
    known: Known,
    num_randomizations: int,
    native: bool,
    rng: Generator,
) -> tuple[Variant, ...]:
    """How a pub's circuit is run by the options of its job.

    Args:
        known: The noise of its layers, where a technique needs it.
        num_randomizations: Of the budget.
        native: Gates must stay those of a device.

    Raises:
        IncompatibleOptions: A gate can't be folded.
        LimitExceeded: Cancelling the noise takes more randomizations than a job can have.
    """
    if options.pec is not None:
        how = cancel(known, options.pec)
        number = how.randomizations(num_randomizations)
        draws = known.draws(how.noise_gain - 1)
        return (Variant(circuit, how.noise_gain, how.injection, draws, how.gamma, number),)
    if options.zne is None:
        return (Variant(circuit),)
    if options.zne.amplifier == "pea":
        return tuple(
            Variant(circuit, factor, amplify(known, factor), known.draws(factor - 1))
            for factor in options.zne.noise_factors
        )
    return tuple(
        Variant(*fold(circuit, factor, amplifier=options.zne.amplifier, native=native, rng=rng))
        for factor in options.zne.noise_factors
    )
