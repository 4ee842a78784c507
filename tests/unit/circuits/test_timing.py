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


def one_x() -> QuantumCircuit:
    body = QuantumCircuit(1)
    body.x(0)
    return body


def nested(circuit: QuantumCircuit) -> None:
    with circuit.for_loop((0, 3, 8)):
        circuit.x(0)
        with circuit.if_test((0, 1)):
            circuit.cz(0, 1)
    circuit.measure(1, 0)


def either(circuit: QuantumCircuit) -> None:
    with circuit.switch(circuit.clbits[0]) as case:
        with case(0):
            circuit.x(0)
        with case(1):
            circuit.delay(60, 1, unit="ns")


def feedback(circuit: QuantumCircuit) -> None:
    circuit.measure(0, 0)
    circuit.x(2)
    with circuit.if_test((0, 1)):
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
        pytest.param(nested, 3 * 110 + 1000, id="loops of branches, then a measurement"),
        pytest.param(either, 60, id="the longest case"),
        pytest.param(feedback, 1010, id="feedback waits for what it reads"),
        pytest.param(lambda c: (c.barrier(0, 1), c.x(0), c.x(2), c.x(2)), 20, id="barriers of some qubits"),
        pytest.param(lambda c: (c.x(2), c.barrier(1, 2), c.cz(0, 1)), 110, id="barriers pass waiting on"),
        pytest.param(lambda c: (c.delay(0.5, 0, unit="ms"), c.x(0)), 500_010, id="delay in ms, then a gate"),
        pytest.param(lambda c: c.delay(1500, 0, unit="ps"), 1.5, id="delay in ps"),
        pytest.param(lambda c: c.for_loop(range(0), None, one_x(), [0], []), 0, id="no turns"),
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


def test_lengths_are_asked_for_the_devices_qubits_inside_bodies_too():
    body, circuit, asked = QuantumCircuit(2), QuantumCircuit(3, 1), []
    body.cz(0, 1)
    circuit.if_else((circuit.clbits[0], 1), body, None, [2, 0], [])

    def length(name: str, qubits: tuple[int, ...]) -> float:
        asked.append((name, qubits))
        return 0.0

    duration(circuit, length, dt=None)
    assert asked == [("cz", (2, 0))]
