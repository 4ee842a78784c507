"""Quasi-distributions for today's users: as V1 had them, from V2 results, with or without M3."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.result import marginal_distribution
from qiskit_ibm_runtime import SamplerV2

from coldplate.client import quasi_dists


@pytest.fixture(scope="module")
def device(service):
    return service.backend("emu_fast")


def bell():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def away(dist):
    ideal = {0: 0.5, 3: 0.5}
    return sum(abs(dist.get(key, 0) - ideal.get(key, 0)) for key in {*dist, *ideal}) / 2


def test_m3_brings_a_bell_state_nearer(device):
    circuit = transpile(bell(), device, initial_layout=[3, 1], optimization_level=0)
    found = {}
    for mitigated in (False, True):
        options = {"experimental": {"readout_mitigation": "m3"}} if mitigated else {}
        result = SamplerV2(mode=device, options=options).run([circuit], shots=8000).result()
        found[mitigated] = quasi_dists(result)[0].item()
    assert away(found[True]) < away(found[False]) / 3
    assert found[True].stddev_upper_bound > found[False].stddev_upper_bound == pytest.approx(8000**-0.5)
    nearest = found[True].nearest_probability_distribution()
    assert sum(nearest.values()) == pytest.approx(1)
    assert marginal_distribution(found[True].binary_probabilities(2), [0])["0"] == pytest.approx(
        0.5, abs=0.05
    )


def test_pub_with_axes_gives_an_array(service):
    angle = Parameter("a")
    circuit = QuantumCircuit(1, 1)
    circuit.ry(angle, 0)
    circuit.measure(0, 0)
    sampler = SamplerV2(mode=service.backend("sim_statevector"))
    (found,) = quasi_dists(sampler.run([(circuit, [[0.0], [np.pi]])], shots=10).result())
    assert found.shape == (2,)
    assert [dict(one) for one in found] == [{0: 1.0}, {1: 1.0}]
