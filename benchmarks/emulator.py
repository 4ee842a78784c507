"""The emulator beside its peers, inside one process: sweeps, samples, many small pubs, and a noisy device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import trotter, utility
from benchmarks.systems import Pub, Ready, aer_primitive, fake, local_mode, ours, raw_aer
from benchmarks.workloads import chain, hardware_efficient, random_circuit

PRECISION, SHOTS, DEVICE_SHOTS = 0.015, 1024, 4096
DEVICE, EMULATED = "FakeTorino", "emu_heron_r1"  # the same snapshot
UTILITY = {"utility-127": 2e5, "utility-156": 5e4}  # shots per second that are aimed at


@dataclass(frozen=True)
class Bench:
    """A workload, and who is to run it.

    Attributes:
        program: Sampler or estimator.
        pubs: Makes the workload.
        systems: Made in the process that is measured.
        aims: How many times faster than a system ours is to be.
    """

    program: str
    pubs: Callable[[], list[Pub]]
    systems: Mapping[str, Callable[[], Ready]]
    aims: Mapping[str, float] = field(default_factory=dict)


def estimator_sweep(num_qubits: int, sets: int) -> list[Pub]:
    """(a) Many parameter sets, a 40-term observable."""
    circuit = hardware_efficient(num_qubits, 4)
    values = np.random.default_rng(1).uniform(-np.pi, np.pi, (sets, circuit.num_parameters))
    return [(circuit, chain(num_qubits, 40), values)]


def sampler_sets() -> list[Pub]:
    """(b) One pub of a 5-qubit circuit with 2000 parameter sets."""
    circuit = hardware_efficient(5, 5, measure=True)
    return [(circuit, np.random.default_rng(1).uniform(-np.pi, np.pi, (2000, circuit.num_parameters)))]


def sampler_pubs() -> list[Pub]:
    """(b) 500 pubs, each a different 5-qubit circuit."""
    rng = np.random.default_rng(1)
    return [(random_circuit(5, 10, rng),) for _ in range(500)]


def noisy_device() -> list[Pub]:
    """(d) 10 qubits on a chain of an emulated device, 72 CZ, two measurement bases."""
    circuit, observables = trotter.compiled(fake(DEVICE))
    assert circuit.count_ops()["cz"] == 72
    return [(circuit, observables)]


def ideal(program: str) -> dict[str, Callable[[], Ready]]:
    """Every system on ideal simulators."""
    if program == "sampler":
        target: float = SHOTS
        fields = {"options": {"default_shots": SHOTS}}
    else:
        target = PRECISION
        fields = {"options": {"default_precision": PRECISION}, "resilience_level": 0}
    shots = SHOTS if program == "sampler" else math.ceil(1 / PRECISION**2)
    return {
        "coldplate": lambda: ours(program, **fields),
        "raw-aer": lambda: raw_aer(program, shots),
        "aer-primitive": lambda: aer_primitive(program, target),
        "local-mode": lambda: local_mode(program, target),
    }


def noisy(level: int) -> dict[str, Callable[[], Ready]]:
    """Every system with noise of the same device; peers don't mitigate, at either level."""
    precision = 1 / math.sqrt(DEVICE_SHOTS)
    fields = {"options": {"default_precision": precision}, "resilience_level": level}
    return {
        "coldplate": lambda: ours("estimator", backend=EMULATED, **fields),
        "raw-aer": lambda: raw_aer("estimator", DEVICE_SHOTS, device=DEVICE),
        "aer-primitive": lambda: aer_primitive("estimator", precision, device=DEVICE),
        "local-mode": lambda: local_mode("estimator", precision, device=DEVICE),
    }


BENCHES = {
    "estimator-sweep": Bench(
        "estimator", lambda: estimator_sweep(12, 100), ideal("estimator"), {"local-mode": 30, "raw-aer": 15}
    ),
    "estimator-wide": Bench(
        "estimator", lambda: estimator_sweep(20, 16), ideal("estimator"), {"local-mode": 12, "raw-aer": 10}
    ),
    "sampler-sets": Bench("sampler", sampler_sets, ideal("sampler"), {"local-mode": 40, "raw-aer": 10}),
    "sampler-pubs": Bench("sampler", sampler_pubs, ideal("sampler"), {"local-mode": 4}),
    "noisy-device": Bench("estimator", noisy_device, noisy(0), {"raw-aer": 30}),
    "noisy-device-twirled": Bench("estimator", noisy_device, noisy(1), {"raw-aer": 30}),
}


def utility_rows(name: str, rounds: int) -> Iterator[dict[str, Any]]:
    """A utility-scale workload, with what is aimed at."""
    for row in utility.results(name, rounds):
        if row["system"].startswith("coldplate"):
            row["note"] += f" (aim {UTILITY[name]:.0e})"
        yield row
