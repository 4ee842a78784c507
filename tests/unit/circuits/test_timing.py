"""How long circuits take, by hand-counted cases."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Parameter

from coldplate.circuits.timing import duration
from coldplate.errors import BadInput

LENGTHS = {"x": 10.0, "cz": 100.0, "measure": 1000.0}  # nanoseconds


def nanoseconds(circuit: QuantumCircuit) -> float:
    return duration(circuit, lambda name, _qubits: LENGTHS[name] * 1e-9, dt=2e-9) / 1e-9


def chain(circuit: QuantumCircuit) -> None:
    circuit.x(0)
    circuit.cz(0, 1)
    circuit.x(2)
    circuit.measure(1, 0)


def branch(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.cz(1, 2)


def loop(circuit: QuantumCircuit) -> None:
    with circuit.for_loop(range(5)):
        circuit.x(2)
        circuit.x(2)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda c: None, 0, id="nothing"),
        pytest.param(chain, 1110, id="the longest chain"),
        pytest.param(lambda c: (c.x(0), c.barrier(), c.cz(1, 2)), 110, id="barriers wait"),
        pytest.param(lambda c: (c.x(0), c.cz(1, 2)), 100, id="side by side"),
        pytest.param(lambda c: c.delay(3, 0, unit="us"), 3000, id="delay"),
        pytest.param(lambda c: c.delay(7, 0, unit="dt"), 14, id="delay in dt"),
        pytest.param(branch, 1100, id="the longer branch"),
        pytest.param(loop, 100, id="every turn of a loop"),
    ],
)
def test_duration(build, expected):
    circuit = QuantumCircuit(3, 1)
    build(circuit)
    assert nanoseconds(circuit) == pytest.approx(expected)


def test_delay_that_is_not_a_number_is_refused():
    circuit = QuantumCircuit(1)
    circuit.append(Delay(Parameter("t")), [0])
    with pytest.raises(BadInput, match="not a number"):
        nanoseconds(circuit)


def test_delay_in_units_that_a_backend_lacks_is_refused():
    circuit = QuantumCircuit(1)
    circuit.delay(7, 0)
    with pytest.raises(BadInput, match="this backend has none"):
        duration(circuit, lambda _name, _qubits: 0.0, dt=None)
