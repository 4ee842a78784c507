"""Estimator sweep and sampler throughput inside one process: our engine beside its peers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.systems import Pub, Runner, aer_primitive, local_mode, ours, raw_aer
from benchmarks.workloads import chain, hardware_efficient, random_circuit

PRECISION, SHOTS = 0.015, 1024


def estimator_sweep() -> list[Pub]:
    """(a) 12 qubits, 100 parameter sets, a 40-term observable."""
    circuit = hardware_efficient(12, 4)
    values = np.random.default_rng(1).uniform(-np.pi, np.pi, (100, circuit.num_parameters))
    return [(circuit, chain(12, 40), values)]


def sampler_sets() -> list[Pub]:
    """(b) One pub of a 5-qubit circuit with 2000 parameter sets."""
    circuit = hardware_efficient(5, 5, measure=True)
    return [(circuit, np.random.default_rng(1).uniform(-np.pi, np.pi, (2000, circuit.num_parameters)))]


def sampler_pubs() -> list[Pub]:
    """(b) 500 pubs, each a different 5-qubit circuit."""
    rng = np.random.default_rng(1)
    return [(random_circuit(5, 10, rng),) for _ in range(500)]


def runners(program: str) -> dict[str, Callable[[], Runner]]:
    """Every system for a program; made in the process that is measured."""
    if program == "sampler":
        options = {"options": {"default_shots": SHOTS}}
        target: float = SHOTS
    else:
        options = {"options": {"default_precision": PRECISION}, "resilience_level": 0}
        target = PRECISION
    shots = SHOTS if program == "sampler" else math.ceil(1 / PRECISION**2)
    return {
        "coldplate": lambda: ours(program, **options),
        "raw-aer": lambda: raw_aer(program, shots),
        "aer-primitive": lambda: aer_primitive(program, target),
        "local-mode": lambda: local_mode(program, target),
    }


BENCHES: dict[str, tuple[str, Callable[[], list[Pub]]]] = {
    "estimator-sweep": ("estimator", estimator_sweep),
    "sampler-sets": ("sampler", sampler_sets),
    "sampler-pubs": ("sampler", sampler_pubs),
}
