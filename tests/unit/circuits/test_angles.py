"""Angles of all elements at once are what Qiskit binds one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from qiskit.circuit import Parameter, ParameterVector

from coldplate.circuits.angles import Angles, is_free

A, B = Parameter("a"), Parameter("b")
ROWS = np.array([[0.4, 1.5], [1.25, 0.5], [0.4, 1.5], [3.0, 0.125], [0.75, 2.0]])

numbers = st.integers(-8, 8).map(lambda number: number / 4)
linear = st.recursive(
    st.sampled_from([A, B]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        st.tuples(inner, numbers).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, numbers).map(lambda pair: pair[1] - pair[0]),
        inner.map(lambda one: one / 4),
    ),
    max_leaves=6,
)


def bound(expression, rows=ROWS) -> list[float]:
    """The reference: every element by itself."""
    order = [A, B]
    return [
        float(expression.bind({one: float(row[order.index(one)]) for one in expression.parameters}))
        for row in rows
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(linear)
def test_linear_expressions_are_evaluated_as_qiskit_binds_them(expression):
    assert_allclose(np.broadcast_to(Angles([A, B], ROWS).of(expression), len(ROWS)), bound(expression))


@pytest.mark.parametrize(
    "expression",
    [A * B, A / B, B**A, 2**A, A**2 - (A - 1) ** 2, A.exp() * B, B.log(), A.tan(), (A / 4).arcsin()]
    + [abs(A - B), (A - B).sign(), A.conjugate(), A * B - A * B + 1, A.sin() ** 2 + A.cos() ** 2],
    ids=str,
)
def test_other_expressions_are_evaluated_as_qiskit_binds_them(expression):
    assert_allclose(np.broadcast_to(Angles([A, B], ROWS).of(expression), len(ROWS)), bound(expression))


@pytest.mark.parametrize("expression", [A, 2 * A + B, A * B, (A - B).sign()], ids=str)
def test_no_elements_have_no_angles(expression):
    assert Angles([A, B], np.zeros((0, 2))).of(expression).shape == (0,)


def test_parameters_are_told_apart_by_identity_not_by_place():
    vector = ParameterVector("v", 3)
    angles = Angles([vector[2], vector[0], vector[1]], np.array([[2.0, 0.0, 1.0]]))
    assert [float(angles.of(one)[0]) for one in vector] == [0.0, 1.0, 2.0]
    assert angles.columns([vector[1], vector[2] * 2]) == [0, 2]


def test_elements_may_be_chosen_twice_and_in_any_order():
    chosen = Angles([A, B], ROWS).at(np.array([3, 0, 3]))
    assert_allclose(chosen.of(A + B), [3.125, 1.9, 3.125])


def test_rows_are_values_of_the_parameters_asked_for():
    assert list(Angles([A, B], ROWS[:2]).rows([B])) == [{B: 1.5}, {B: 0.5}]


@pytest.mark.parametrize(
    ("value", "free"), [(A, True), (A + 1, True), (A.bind({A: 2.0}), False), (0.5, False), (A - A, True)]
)
def test_a_value_is_free_as_long_as_it_names_parameters(value, free):
    assert is_free(value) is free
