"""Sweeps are arrays: a hundred times the parameter sets take no more Python than a few."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from math import prod
from typing import Any

import numpy as np
import pytest
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import Target

from coldplate.circuits.program import ItemOutcome, Outcomes, Program, pack_bits
from coldplate.engine import estimator, sampler
from coldplate.engine.options import EstimatorOptions, SamplerOptions, Twirling
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
DEVICE = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=4)
TWIRLING = Twirling(gates=True, measure=True, num_randomizations=4, shots_per_randomization=16)
FEW, MANY = 20, 2000


def calls(work: Callable[[], Any]) -> tuple[int, Any]:
    """How many functions Python calls, and what came of it; a count, so it depends on no clock."""
    number = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        found = work()
    finally:
        sys.setprofile(before)
    return number, found


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(4)
    for layer in range(2):
        for qubit in range(4):
            made.sx(qubit)
            made.rz(Parameter(f"t{layer}{qubit}"), qubit)
        made.cz(0, 1)
        made.cz(2, 3)
    return made


def coins(program: Program) -> Outcomes:
    """Bits at random."""
    rng, outcomes = np.random.default_rng(1), []
    for item in program.items:
        bits = {}
        for register in item.circuit.cregs:
            width = -(-len(register) // 8)
            shape = (*item.shape, item.shots, width)
            drawn = np.frombuffer(rng.bytes(prod(shape)), dtype=np.uint8).reshape(shape)
            bits[register.name] = drawn & np.uint8(2 ** (len(register) % 8 or 8) - 1)
        outcomes.append(ItemOutcome(bits, {}, (START, START), metadata={"method": "none"}))
    return Outcomes(tuple(outcomes), usage_s=0.0)


def sampled(number: int) -> int:
    """Calls of a sampler job without what the backend does."""
    made = circuit()
    made.measure_all()
    values = np.random.default_rng(1).uniform(-3, 3, (number, 8))
    pub, options = SamplerPub.coerce((made, values)), SamplerOptions(default_shots=64, twirling=TWIRLING)
    before, prepared = calls(
        lambda: sampler.prepare(
            [pub], options, target=DEVICE, rng=np.random.default_rng(1), clock_start=START
        )
    )
    outcomes = coins(prepared.program)
    after, _ = calls(lambda: sampler.combine(prepared, outcomes))
    return before + after


def estimated(number: int, zne: ZneOptions | None) -> int:
    """Calls of an estimator job without what the backend does."""
    values = np.random.default_rng(1).uniform(-3, 3, (number, 8))
    pub = EstimatorPub.coerce((circuit(), ["ZZII", "IXXI"], values[:, None]))
    trex = TrexOptions() if zne is None else None  # of bits at random nothing is left to divide by
    options = EstimatorOptions(twirling=TWIRLING, trex=trex, zne=zne)
    before, prepared = calls(
        lambda: estimator.prepare(
            [pub], options, target=DEVICE, rng=np.random.default_rng(1), clock_start=START
        )
    )
    outcomes = coins(prepared.program)
    if trex is not None:
        flips = prepared.program.items[-1].side["measurement_flips.trex"]
        outcomes.items[-1].bits["trex"][:] = pack_bits(flips)  # a perfect readout
    after, _ = calls(lambda: estimator.combine(prepared, outcomes, options))
    return before + after


@pytest.mark.parametrize(
    "job",
    [sampled, lambda number: estimated(number, None), lambda number: estimated(number, ZneOptions())],
    ids=["sampler", "estimator, level 1", "estimator, level 2"],
)
def test_parameter_sets_cost_no_calls_of_python(job):
    job(FEW)  # caches fill up
    few, many = job(FEW), job(MANY)
    assert many - few < (MANY - FEW) / 20  # large arrays may be worked through in parts
