"""Folding computes the same with more gates, as many as the factor says."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from coldplate.errors import IncompatibleOptions
from coldplate.mitigation.zne import fold


def circuit():
    found = QuantumCircuit(2)
    found.sx(0)
    found.rz(0.3, 0)
    found.cx(0, 1)
    found.x(1)
    found.ecr(1, 0)
    return found


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 3, 4.2])
@pytest.mark.parametrize("amplifier", ["gate_folding", "cx_folding", "local_folding", "global_folding"])
def test_folded_circuit_computes_the_same(amplifier, factor, native):
    folded, reached = fold(
        circuit(), factor, amplifier=amplifier, native=native, rng=np.random.default_rng(3)
    )
    assert Operator(folded).equiv(Operator(circuit()))
    assert reached == pytest.approx(factor, abs=1)
    assert not native or set(folded.count_ops()) <= {"sx", "rz", "cx", "x", "ecr"}


@pytest.mark.parametrize(
    ("amplifier", "counts"),
    [
        ("gate_folding", {"cx": 3, "ecr": 3, "x": 1}),
        ("cx_folding", {"cx": 3, "ecr": 1, "x": 1}),
        ("local_folding", {"cx": 3, "ecr": 3, "x": 3}),
        ("global_folding", {"cx": 3, "ecr": 3, "x": 3}),
    ],
)
def test_amplifier_folds_what_its_name_says(amplifier, counts):
    folded, reached = fold(circuit(), 3, amplifier=amplifier, native=True, rng=np.random.default_rng(3))
    assert reached == 3
    assert {name: folded.count_ops()[name] for name in counts} == counts


def test_final_measurements_are_not_folded():
    measured = circuit()
    measured.measure_all()
    folded, _ = fold(measured, 3, amplifier="global_folding", native=True, rng=np.random.default_rng(3))
    assert folded.count_ops()["measure"] == 2
    assert folded.data[-1].name == "measure"


def test_what_has_no_inverse_is_not_folded_as_a_whole():
    broken = circuit()
    broken.reset(0)
    broken.x(0)
    with pytest.raises(IncompatibleOptions, match="reset"):
        fold(broken, 3, amplifier="global_folding", native=True, rng=np.random.default_rng(3))
