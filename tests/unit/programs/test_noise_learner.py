"""The noise learner as a program: plain results, limits, a user's noise on an ideal simulator."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit_aer.noise import NoiseModel, pauli_error
from qiskit_ibm_runtime.json import RuntimeDecoder, RuntimeEncoder

from coldplate.backends.catalog import load
from coldplate.errors import BadInput, BadProgram, LimitExceeded
from coldplate.programs.noise_learner import run
from coldplate.programs.registry import Context

QUICK = {"num_randomizations": 4, "shots_per_randomization": 32, "layer_pair_depths": [0, 2]}


def chain() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    return circuit


def answer(*circuits, backend="sim_statevector", **options) -> bytes:
    body = {"circuits": list(circuits), "options": {**QUICK, "support_qiskit": True, **options}}
    return run(json.dumps(body, cls=RuntimeEncoder).encode(), load(backend), Context(seed=1)).body


def test_a_result_without_tags_is_plain_json():
    found = json.loads(answer(chain(), support_qiskit=False))
    assert [one["qubits"] for one in found["data"]] == [[0, 1], [0, 1, 2]]
    assert "__type__" not in json.dumps(found)


def test_a_users_noise_on_an_ideal_simulator_is_learnt():
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(pauli_error([("XI", 0.02), ("II", 0.98)]), ["cx"])
    more = {"num_randomizations": 8, "shots_per_randomization": 128, "layer_pair_depths": [0, 1, 4]}
    simulator = {"noise_model": noise, "coupling_map": [[0, 1], [1, 0], [1, 2], [2, 1]]}
    body = answer(chain(), twirling_strategy="active", simulator=simulator, **more)
    for one in json.loads(body, cls=RuntimeDecoder)["data"]:
        rates = dict(zip(one.error.generators.to_labels(), one.error.rates, strict=True))
        # X behind the target is as X before it, and the layer leaves it alone
        assert_allclose(rates["XI"], -np.log(1 - 2 * 0.02) / 2, atol=0.008)
        assert sum(rates.values()) < 0.04


def test_layers_beyond_the_most_are_not_learnt():
    found = json.loads(answer(chain(), max_layers_to_learn=1), cls=RuntimeDecoder)
    assert [one.qubits for one in found["data"]] == [[0, 1]]
    assert json.loads(answer(chain(), max_layers_to_learn=0), cls=RuntimeDecoder)["data"] == []


def test_more_than_memory_holds_is_refused():
    with pytest.raises(LimitExceeded, match="angles at one depth"):
        answer(chain(), num_randomizations=10**6, layer_pair_depths=[0, 200])


@pytest.mark.parametrize("body", [b'{"circuits": []}', b'{"circuits": [5]}', b'{"options": {}}'])
def test_params_without_circuits_are_refused(body):
    with pytest.raises((BadInput, BadProgram), match="circuit"):
        run(body, load("sim_statevector"), Context())
