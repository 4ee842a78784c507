"""Components are what gates, bits and conditions join, and nothing else."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr

from coldplate.circuits.components import components


def circuit(*steps) -> QuantumCircuit:
    found = QuantumCircuit(4, 4)
    for name, *arguments in steps:
        getattr(found, name)(*arguments)
    return found


def shape(found: QuantumCircuit) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(one.qubits, one.clbits) for one in components(found)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("h", 0), ("cx", 1, 2)], [], id="what is not measured can't be seen"),
        pytest.param([("measure", 2, 1)], [((2,), (1,))], id="lone"),
        pytest.param(
            [("cx", 0, 2), ("barrier",), ("measure", 0, 0), ("measure", 1, 1)],
            [((0, 2), (0,)), ((1,), (1,))],
            id="gates join, barriers do not",
        ),
        pytest.param([("measure", 0, 3), ("measure", 1, 3)], [((0, 1), (3,))], id="a shared bit joins"),
        pytest.param([("ccx", 0, 1, 2), ("measure", 2, 0)], [((0, 1, 2), (0,))], id="three qubits"),
    ],
)
def test_components(steps, expected):
    assert shape(circuit(*steps)) == expected


def test_condition_joins_what_it_reads_and_what_it_does():
    found = circuit(("measure", 0, 0), ("measure", 3, 3))
    with found.if_test((0, 1)):
        found.x(2)
    found.measure(2, 2)
    assert shape(found) == [((0, 2), (0, 2)), ((3,), (3,))]
    assert [one.has_control_flow for one in components(found)] == [True, False]


def test_variables_join_whatever_uses_them():
    found = circuit(("measure", 0, 0))
    seen = found.add_var("seen", expr.lift(False))
    found.store(seen, expr.lift(found.clbits[0]))
    with found.if_test(seen):
        found.x(1)
    found.measure(1, 1)
    assert ((0, 1), (0, 1)) in shape(found)


@pytest.mark.parametrize(
    ("steps", "static"),
    [
        ([("h", 0), ("delay", 10, 0), ("measure", 0, 0)], True),
        ([("reset", 0), ("measure", 0, 0), ("barrier",)], True),
        ([("measure", 0, 0), ("delay", 10, 0)], True),
        ([("measure", 0, 0), ("h", 0), ("measure", 0, 1)], False),
        ([("measure", 0, 0), ("measure", 0, 1)], False),
        ([("measure", 0, 0), ("reset", 0)], False),
    ],
)
def test_static_components_end_with_one_measurement_of_each_qubit(steps, static):
    assert [one.is_static for one in components(circuit(*steps))] == [static]
