"""Inputs of 2023: what clients send is read, what would make their decoder call something is not."""

from __future__ import annotations

import pytest
from old_inputs import BELL, PAULIS, circuit_tag, job, settings, sparse
from qiskit.quantum_info import SparsePauliOp

from coldplate.errors import BadInput, BadProgram, ObservableWidth
from coldplate.wire.qpy_values import check_symbolic
from coldplate.wire.v1 import Reader, entries


def test_operators_are_read_as_they_were_sent():
    value = Reader().read(sparse(["II", "XZ"], [0.5, -2]))
    assert value == SparsePauliOp(["II", "XZ"], [0.5, -2])


@pytest.mark.parametrize(
    "gadget",
    [
        settings("subprocess", "Popen", {"args": ["touch", "owned"]}),
        settings("evil.pauli_list", "PauliList", {"data": ["Z"]}),
        settings(f"{PAULIS}.pauli_list", "SparsePauliOp", {"data": ["Z"]}),
        settings(f"{PAULIS}.sparse_pauli_op", "SparsePauliOp", {"data": settings("os", "system", {})}),
        sparse(["Z"], [1], ignore_pauli_phase=True),
        {"__type__": "ParameterExpression", "__value__": "AAAA"},
        {"__type__": "spmatrix", "__value__": "AAAA"},
        {"__type__": "Result", "__value__": {}},
        {"__type__": "ndarray", "__value__": "AAAA", "__module__": "os"},
    ],
)
@pytest.mark.parametrize("place", ["run_options", "anything_else"])
def test_gadget_is_refused_wherever_it_stands(gadget, place):
    with pytest.raises(BadInput):
        entries(job(**{place: {"deep": [gadget]}}), Reader(), with_observables=True)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch owned')",
        "sin('__import__(\"os\")')",
        "Symbol('a').__class__",
        "Add(*Symbol('a'))",
        "Float('__import__', precision=53)",
        "[x for x in (1,)]",
        "(lambda: 1)()",
        "eval('1')",
        "Symbol('a', cls=Float)",
    ],
)
def test_expression_that_could_call_something_is_refused(text):
    with pytest.raises(BadProgram):
        check_symbolic(text)


@pytest.mark.parametrize(
    "text",
    [
        "Add(Mul(Float('0.5', precision=53), Symbol('θ[0]')), pi)",
        "Pow(Symbol('a b()'), Integer(-2))",
        "Mul(Rational(1, 2), sin(Symbol('x', real=True)), I)",
    ],
)
def test_expression_as_clients_write_it_is_taken(text):
    check_symbolic(text)


def test_each_distinct_circuit_is_read_once():
    reader = Reader()
    found, _ = entries(
        job(circuits=[circuit_tag(BELL)] * 3, circuit_indices=[2, 0, 1], parameter_values=[[], [], []])
        | {"observables": [sparse(["ZZ"], [1])] * 3, "observable_indices": [0, 1, 2]},
        reader,
        with_observables=True,
    )
    assert len(reader.circuits) == 1
    assert [entry.circuit for entry in found] == [0, 0, 0]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"circuit_indices": [1]}, BadInput),
        ({"circuit_indices": [True]}, BadInput),
        ({"parameter_values": [[0.1]]}, BadInput),
        ({"parameter_values": []}, BadInput),
        ({"observables": [sparse(["Z"], [1])]}, ObservableWidth),
        ({"observables": [sparse(["ZZ"], [1j])]}, BadInput),
        ({"observables": ["ZZ"]}, BadInput),
        ({"circuits": ["OPENQASM 3;"]}, BadInput),
    ],
)
def test_lists_that_do_not_fit_are_refused(more, error):
    with pytest.raises(error):
        entries(job(**more), Reader(), with_observables=True)
