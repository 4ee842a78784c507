"""Compiled circuits fit the backend and compute the same; what can't be honoured is refused by name."""

from __future__ import annotations

import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator
from qiskit.transpiler import CouplingMap, Target

from coldplate.circuits.compiling import Compiling, compiled
from coldplate.circuits.isa import check_isa
from coldplate.errors import BadInput, NotIsa

GATES = ["cx", "rz", "sx", "x", "id"]
LINE = Target.from_configuration([*GATES, "measure", "reset"], coupling_map=CouplingMap.from_line(5))
ANYTHING = Target(num_qubits=20)
for _name in ("h", "cx", "rz", "sx", "ccx"):
    ANYTHING.add_instruction(get_standard_gate_name_mapping()[_name], name=_name)


def star():
    circuit = QuantumCircuit(4)
    circuit.h(0)
    for other in (1, 2, 3):
        circuit.cx(0, other)
        circuit.t(other)
    return circuit


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("routing", [None, "basic", "lookahead", "stochastic", "sabre"])
def test_compiled_circuit_fits_a_device_and_computes_the_same(level, routing):
    how = Compiling(level=level, routing_method=routing)
    (done,) = compiled([star()], how, LINE, simulator=False, seed=3)
    check_isa(done, LINE, simulator=False)
    wide = QuantumCircuit(5)
    wide.compose(star(), range(4), inplace=True)
    assert Operator.from_circuit(done).equiv(Operator(wide))


def test_initial_layout_is_kept():
    how = Compiling(level=0, initial_layout=(4, 3, 2, 1))
    (done,) = compiled([star()], how, LINE, simulator=False, seed=3)
    assert done.layout.initial_index_layout(filter_ancillas=True) == [4, 3, 2, 1]


def test_circuit_that_shall_be_skipped_is_not_touched():
    circuit = star()
    assert compiled([circuit], Compiling(skip=True), LINE, simulator=False, seed=3)[0] is circuit


def test_simulator_can_be_less_than_a_simulator():
    how = Compiling(level=1, coupling=((0, 1), (1, 2), (2, 3)), basis_gates=("cx", "u3", "unitary"))
    (done,) = compiled([star()], how, ANYTHING, simulator=True, seed=3)
    assert set(done.count_ops()) <= {"cx", "u3"}
    for one in done.data:
        qubits = sorted(done.find_bit(qubit).index for qubit in one.qubits)
        assert len(qubits) == 1 or qubits[1] - qubits[0] == 1


@pytest.mark.parametrize(
    ("how", "named"),
    [
        (Compiling(coupling=()), "coupling_map"),
        (Compiling(basis_gates=("unheard",)), "unheard"),
    ],
)
def test_simulator_that_can_not_be_is_refused_by_name(how, named):
    with pytest.raises(BadInput, match=named):
        compiled([star()], how, ANYTHING, simulator=True, seed=3)


@pytest.mark.parametrize("layout", [(0, 1), (0, 0, 1, 2), (0, 1, 2, 99)])
def test_layout_that_does_not_fit_is_refused(layout):
    with pytest.raises((BadInput, NotIsa)):
        compiled([star()], Compiling(initial_layout=layout), LINE, simulator=False, seed=3)


def test_too_wide_circuit_is_refused():
    with pytest.raises(NotIsa, match="6 qubits"):
        compiled([QuantumCircuit(6)], Compiling(), LINE, simulator=False, seed=3)
