"""Components are what gates, bits and conditions join, and nothing else."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, QuantumRegister
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


@pytest.mark.parametrize("kind", ["if", "while", "for", "switch", "if on a register", "if on an expression"])
def test_every_kind_of_control_flow_joins_what_it_uses(kind):
    found = QuantumCircuit(QuantumRegister(4), low := ClassicalRegister(2), ClassicalRegister(2))
    found.measure([0, 3], [0, 3])
    flow = {
        "if": lambda: found.if_test((low[0], 1)),
        "while": lambda: found.while_loop((low[0], 1)),
        "for": lambda: found.for_loop(range(2)),
        "switch": lambda: found.switch(low[0]),
        "if on a register": lambda: found.if_test((low, 1)),
        "if on an expression": lambda: found.if_test(expr.logic_not(low[0])),
    }
    with flow[kind]() as case:
        if kind == "switch":
            with case(1):
                found.cx(1, 2)
        else:
            found.cx(1, 2)
    found.measure(2, 2)
    reads = () if kind == "for" else (0, 1) if kind == "if on a register" else (0,)
    joined = ((0, 1, 2), (*reads, 2)) if reads else ((1, 2), (2,))
    assert joined in shape(found)
    assert ((3,), (3,)) in shape(found)


def test_instructions_stay_in_order_and_without_barriers():
    found = circuit(("h", 0), ("x", 1), ("barrier",), ("cx", 0, 1), ("z", 3), ("measure", 1, 2), ("reset", 0))
    (only,) = components(found)
    assert [one.name for one in only.instructions] == ["h", "x", "cx", "measure", "reset"]
    assert (only.wires, only.bits) == (tuple(found.qubits[:2]), (found.clbits[2],))


def test_wires_are_in_the_order_of_the_circuit_not_of_use():
    (only,) = components(circuit(("cx", 3, 1), ("measure", 3, 0), ("measure", 1, 2)))
    assert (only.qubits, only.clbits) == ((1, 3), (0, 2))


def test_every_measured_bit_belongs_to_one_component():
    found = circuit(("cx", 0, 1), ("cx", 2, 3), ("measure", 0, 0), ("measure", 3, 1), ("measure", 1, 3))
    assert sorted(bit for one in components(found) for bit in one.clbits) == [0, 1, 3]


def test_a_stored_expression_joins_the_bits_that_it_reads():
    found = circuit(("measure", 0, 0), ("measure", 1, 1), ("measure", 2, 2))
    seen = found.add_var("seen", expr.lift(False))
    found.store(seen, expr.bit_and(found.clbits[0], found.clbits[1]))
    assert shape(found) == [((0, 1), (0, 1)), ((2,), (2,))]


@pytest.mark.parametrize(
    ("steps", "body", "final"),
    [
        ([("h", 0), ("measure", 0, 0)], ["h"], 1),
        ([("measure", 0, 0), ("measure", 0, 1)], [], 2),
        ([("measure", 0, 0), ("x", 0), ("measure", 0, 1)], ["measure", "x"], 1),
        ([("cx", 0, 1), ("measure", 0, 0), ("measure", 1, 1)], ["cx"], 2),
        ([("cx", 0, 1), ("measure", 0, 0), ("measure", 1, 0)], ["cx", "measure"], 1),
        ([("delay", 4, 0), ("measure", 0, 0), ("delay", 9, 0)], ["delay"], 1),
        ([("measure", 0, 0), ("reset", 0)], ["measure", "reset"], 0),
    ],
)
def test_parts_are_the_body_and_the_final_measurements(steps, body, final):
    (only,) = components(circuit(*steps))
    assert ([one.name for one in only.parts[0]], len(only.parts[1])) == (body, final)


def test_what_control_flow_reads_or_writes_is_not_a_final_measurement():
    found = circuit(("measure", 0, 0))
    with found.if_test((0, 1)):
        found.measure(1, 1)
    (only,) = components(found)
    assert only.parts[1] == ()
    assert not only.is_static
