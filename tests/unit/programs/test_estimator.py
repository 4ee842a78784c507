"""The estimator program: the client's bytes in, the client's bytes out, seeds honoured."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.transpiler import Target
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from coldplate.circuits.program import ItemOutcome, Outcomes, Program
from coldplate.errors import BadRequest
from coldplate.programs.registry import Context, find


class Coins:
    """A backend whose bits are coins."""

    name, simulator = "coins", True
    target = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=2)

    def run(self, program: Program, rng: Generator) -> Outcomes:
        span = (program.clock_start, program.clock_start)
        outcomes = [
            ItemOutcome(
                {
                    register.name: rng.integers(0, 4, (*item.shape, item.shots, 1), dtype=np.uint8)
                    for register in item.circuit.cregs
                },
                {},
                span,
            )
            for item in program.items
        ]
        return Outcomes(tuple(outcomes), usage_s=1.5)


def sweep() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rz(Parameter("t"), 0)
    return circuit


def answer(options: dict[str, Any] | None = None, *, seed: int | None = None, **fields: Any) -> bytes:
    pub = [sweep(), {"ZZ": 1.0, "XX": 0.5, "II": 7.0}, np.zeros((3, 1)), 0.1]
    body = {"pubs": [pub], "options": options or {}, "version": 2, "resilience_level": 0}
    params = json.dumps({"support_qiskit": True, **body, **fields}, cls=RuntimeEncoder).encode()
    return find("estimator")(params, Coins(), Context(seed=seed)).body


def read(body: bytes) -> Any:
    return json.loads(body, cls=RuntimeDecoder)


def test_the_official_client_reads_the_answer():
    result = read(answer())
    assert set(result[0].data) == {"evs", "stds", "ensemble_standard_error"}
    assert result[0].data.evs.shape == (3,)
    assert abs(result[0].data.evs - 7).max() < 1
    assert result[0].metadata["shots"] == 100
    assert result.metadata["version"] == 2
    assert result.metadata["resilience"]["measure_mitigation"] is False


def test_the_same_seed_gives_the_same_bytes():
    seeded = {"seed_estimator": 5, "twirling": {"enable_measure": True}}
    assert answer(seeded) == answer(seeded)


def test_the_seed_is_told_whether_it_was_given_or_drawn():
    assert read(answer({"seed_estimator": 5}, seed=6)).metadata["coldplate"]["seed"] == 5
    assert read(answer(seed=6)).metadata["coldplate"]["seed"] == 6
    drawn = read(answer())
    again = read(answer({"seed_estimator": drawn.metadata["coldplate"]["seed"]}))
    assert (drawn[0].data.evs == again[0].data.evs).all()


def test_an_option_that_is_not_honoured_fails_the_job_too():
    with pytest.raises(BadRequest, match="options.experimental.warp"):
        answer(options={"experimental": {"warp": 9}})
