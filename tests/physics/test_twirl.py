"""Laws of gate twirling: ideal results are left alone, noise becomes Pauli, what is injected is there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import Operator, Pauli, Statevector
from qiskit.transpiler import Target

from coldplate.circuits.layers import Layer
from coldplate.circuits.rotation import Rotation
from coldplate.mitigation.twirl import Paulis, twirl

STRATEGIES = ["active", "active-accum", "active-circuit", "all"]
TARGETS = {
    "rz, sx": Rotation.of(Target.from_configuration(["rz", "sx", "x", "cz"], 4)),
    "u": Rotation.of(Target.from_configuration(["u", "cx"], 4)),
}


def any_circuit() -> QuantumCircuit:
    """Chains with and without parameters, all kinds of Clifford gates, a delay, some measurements."""
    circuit = QuantumCircuit(4, 3)
    a, b, c = (Parameter(name) for name in "abc")
    circuit.h(0)
    circuit.rx(a, 1)
    circuit.cz(0, 1)
    circuit.ry(2 * b + 0.3, 0)
    circuit.ecr(1, 2)
    circuit.barrier()
    circuit.sx(3)
    circuit.cx(0, 1)
    circuit.delay(100, 2)
    circuit.rz(c, 2)
    circuit.h(2)
    circuit.cz(2, 3)
    circuit.t(1)
    circuit.h(1)
    circuit.measure([0, 1, 3], [0, 1, 2])
    return circuit


def twirled(
    circuit, values, *, rotation=TARGETS["rz, sx"], strategy="active-accum", number=4, seed=1, **more
):
    return twirl(
        circuit,
        values,
        strategy=strategy,
        rotation=rotation,
        num_randomizations=number,
        rng=np.random.default_rng(seed),
        **more,
    )


def probabilities(circuit, values, qubits):
    bound = circuit.assign_parameters(values).remove_final_measurements(inplace=False)
    return Statevector(bound).probabilities(qubits)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("rotation", TARGETS.values(), ids=TARGETS)
def test_no_twirl_changes_what_is_measured_but_for_the_flips(strategy, rotation, rng):
    circuit, values = any_circuit(), rng.normal(size=(3, 3))
    flips = rng.integers(0, 2, size=(3, 4, 3)).astype(bool)
    qubits = [circuit.qubits[qubit] for qubit in (0, 1, 3)]
    made = twirled(circuit, values, rotation=rotation, strategy=strategy, flips=(qubits, flips))
    for element, row in enumerate(values):
        truth = probabilities(circuit, row, [0, 1, 3])
        for place, flip in enumerate(flips[element] @ [1, 2, 4]):
            found = probabilities(made.circuit, made.values[element, place], [0, 1, 3])
            assert_allclose(found[np.arange(8) ^ flip], truth, atol=1e-12)


def test_a_twirl_adds_no_two_qubit_gate():
    made = twirled(any_circuit(), np.zeros((1, 3)))
    before, after = any_circuit().count_ops(), made.circuit.count_ops()
    assert {name: before[name] for name in ("cz", "cx", "ecr")} == {
        name: after[name] for name in ("cz", "cx", "ecr")
    }


def test_randomizations_differ_and_the_same_seed_repeats_them():
    one, again = (twirled(any_circuit(), np.zeros((1, 3)), number=8).values for _ in range(2))
    assert (one == again).all()
    assert len(np.unique(one[0], axis=0)) == 8


def test_a_coherent_error_of_a_layer_becomes_a_pauli_channel(rng):
    """CZ with an over-rotation about XX: averaged over twirls, off-diagonal transfer is gone."""
    circuit = QuantumCircuit(2)
    circuit.sx([0, 1])
    circuit.cz(0, 1)
    circuit.sx([0, 1])
    circuit.measure_all()
    flips = (circuit.qubits, np.zeros((1, 4000, 2), dtype=bool))
    made = twirled(circuit, np.zeros((1, 0)), number=4000, flips=flips)
    error = Operator(np.cos(0.3) * np.eye(4) - 1j * np.sin(0.3) * Operator(Pauli("XX")).data)
    found = np.zeros(4)
    for values in made.values[0]:
        noisy = QuantumCircuit(2)
        bound = made.circuit.assign_parameters(values).remove_final_measurements(inplace=False)
        for one in bound.data:
            noisy.append(one.operation, [bound.find_bit(qubit).index for qubit in one.qubits])
            if one.name == "cz":
                noisy.unitary(error, [0, 1])
        found += Statevector(noisy).probabilities() / len(made.values[0])
    ideal = Statevector(circuit.remove_final_measurements(inplace=False))
    flipped = ideal.evolve(Operator(Pauli("XX")))
    expected = np.cos(0.3) ** 2 * ideal.probabilities() + np.sin(0.3) ** 2 * flipped.probabilities()
    # the XX error lies behind the gate, before the last sx, with which it commutes
    assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("site", ["before", "after"])
def test_an_injected_pauli_acts_where_it_is_put(site):
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])

    class Always:
        def draw(self, layer: Layer, use: int, *, shape, rng):
            x = np.broadcast_to(np.array([True, False]), (*shape, 2))
            return Paulis(x, np.zeros_like(x), negative=np.ones(shape, dtype=bool), site=site)

    made = twirled(circuit, np.zeros((1, 0)), injection=Always())
    expected = 0b00 if site == "before" else 0b10
    for values in made.values[0]:
        assert probabilities(made.circuit, values, [0, 1])[expected] == pytest.approx(1)
    assert made.negative is not None
    assert made.negative.all()
