from __future__ import annotations

import pytest

from coldplate.errors import BadInput
from coldplate.wire.outgoing import outgoing
from coldplate.wire.tagged import encode, tagged


@pytest.mark.parametrize("value", [0.5, None, "curl", ["url"], {"url": "http://localhost"}])
def test_what_a_client_would_stumble_over_is_wrapped_up(value):
    assert outgoing(value) == {"__type__": "to_json", "__value__": value}


@pytest.mark.parametrize("value", [{"a": [1, {"b": encode(1j)}]}, tagged("Result", {"x": encode({1})})])
def test_what_a_client_reads_stays_as_it_is(value):
    assert outgoing(value) == value


@pytest.mark.parametrize(
    "gadget",
    [
        {
            "__type__": "settings",
            "__module__": "subprocess",
            "__class__": "Popen",
            "__value__": {"args": "x"},
        },
        {"__type__": "ParameterExpression", "__value__": "eA=="},
        {"__type__": "QuantumCircuit", "__value__": "eA=="},
        {"__type__": ["settings"], "__value__": 1},
        {"__type__": "ndarray", "__value__": "eA=="},
        {"__type__": "complex", "__value__": [1]},
        {"__type__": "to_json", "__value__": 1, "__module__": "os"},
        {"__type__": "to_json"},
    ],
)
@pytest.mark.parametrize(
    "place", [lambda it: it, lambda it: [{"a": [it]}], lambda it: tagged("Result", {"a": it})]
)
def test_nothing_is_told_that_a_client_would_make_into_something_else(gadget, place):
    with pytest.raises(BadInput):
        outgoing(place(gadget))
