"""The sampler program: the client's bytes in, the client's bytes out, seeds honoured."""

from __future__ import annotations

import json
from datetime import UTC, datetime
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
    circuit = sweep()
    circuit.measure_all()
    body = {"pubs": [[circuit, np.zeros((3, 1)), None]], "options": options or {}, "version": 2}
    params = json.dumps({"support_qiskit": True, **body, **fields}, cls=RuntimeEncoder).encode()
    return find("sampler")(params, Coins(), Context(seed=seed)).body


def read(body: bytes) -> Any:
    return json.loads(body, cls=RuntimeDecoder)


def test_the_official_client_reads_the_answer():
    result = read(answer({"default_shots": 20}))
    assert result[0].data.meas.array.shape == (3, 20, 1)
    assert result.metadata["version"] == 2
    assert result.metadata["execution"]["execution_spans"][0].mask(0).shape == (3, 20)


def test_the_official_client_reads_twirled_spans():
    result = read(answer({"default_shots": 100, "twirling": {"enable_measure": True}}))
    assert result[0].metadata["num_randomizations"] == 2
    assert result.metadata["execution"]["execution_spans"][0].mask(0).shape == (3, 100)


@pytest.mark.parametrize("options", [{}, {"twirling": {"enable_measure": True}}], ids=["plain", "twirled"])
def test_the_same_seed_gives_the_same_bytes(options):
    seeded = {**options, "simulator": {"seed_simulator": 5}}
    assert answer(seeded) == answer(seeded)
    assert read(answer(seeded)).metadata["coldplate"]["seed"] == 5


def test_the_seed_of_the_options_comes_before_the_contexts():
    assert read(answer({"simulator": {"seed_simulator": 5}}, seed=6)).metadata["coldplate"]["seed"] == 5
    assert read(answer(seed=6)).metadata["coldplate"]["seed"] == 6


def test_an_unseeded_job_can_be_repeated_by_the_seed_that_it_tells():
    first = read(answer())
    again = read(answer({"simulator": {"seed_simulator": first.metadata["coldplate"]["seed"]}}))
    assert (first[0].data.meas.array == again[0].data.meas.array).all()


def test_an_unseeded_job_shows_when_it_ran():
    before = datetime.now(UTC)
    span = read(answer()).metadata["execution"]["execution_spans"][0]
    assert span.start >= before


def test_a_client_without_qiskit_gets_plain_json():
    assert set(json.loads(answer(support_qiskit=False))) >= {"results"}


def test_an_option_that_is_not_honoured_fails_the_job_too():
    with pytest.raises(BadRequest, match="options.experimental.warp"):
        answer({"experimental": {"warp": 9}})
