"""Circuits that are written in known gates are the same circuits."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter, QuantumRegister
from qiskit.circuit.library import QFTGate, StatePreparation, get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, Statevector

from coldplate.backends.catalog import load
from coldplate.backends.lower import CONTROL_FLOW, KNOWN, UNKNOWN_TO, is_known, lower
from coldplate.backends.snapshot import CLIFFORD_GATES, IDEAL_GATES
from coldplate.circuits.program import Item, Program, unpack_bits

STANDARD = get_standard_gate_name_mapping()
T, U = Parameter("t"), Parameter("u")


def gate_of(name: str, *angles: float):
    gate = STANDARD[name]
    return type(gate)(*angles[: len(gate.params)])


def with_gate(gate) -> QuantumCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


def custom() -> QuantumCircuit:
    """Gates of the user's with parameters, twice, and one that is only a unitary."""
    inner = QuantumCircuit(2, name="mine")
    inner.ry(T, 0)
    inner.iswap(0, 1)
    inner.rz(U * T, 1)
    circuit = QuantumCircuit(QuantumRegister(3, "q"))
    circuit.append(inner.to_gate(), [2, 0])
    circuit.append(inner.to_gate(), [0, 1])
    circuit.append(QFTGate(3), [0, 1, 2])
    return circuit


def test_circuit_of_known_gates_is_itself():
    circuit = QuantumCircuit(3, 1)
    circuit.ccx(0, 1, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.rzz(T, 0, 1)
    assert lower(circuit) is circuit


@pytest.mark.parametrize("method", [None, *UNKNOWN_TO])
@pytest.mark.parametrize("name", IDEAL_GATES)
def test_every_gate_that_simulators_name_can_be_lowered(name, method):
    gate = gate_of(name, 0.3, 0.7, -1.1, 0.4)
    circuit = with_gate(gate)
    found = lower(circuit, method=method)
    assert is_known(found, KNOWN - UNKNOWN_TO.get(method, set()))
    assert Operator(found).equiv(Operator(circuit))


@pytest.mark.parametrize("name", ["ccz", "crx", "cu", "cswap", "csx"])
@pytest.mark.parametrize("forced", ["density_matrix", "matrix_product_state"])
def test_aer_takes_gates_that_its_method_does_not_know(name, forced):
    gate = gate_of(name, 0.3, 0.7, -1.1, 0.4)
    circuit = QuantumCircuit(3, 1)
    circuit.h([0, 1, 2])
    circuit.append(gate, range(gate.num_qubits))
    circuit.measure(0, 0)
    circuit.x(0)  # neither NumPy nor transfer matrices can
    circuit.measure(0, 0)
    program = Program((Item(circuit, np.zeros((0,)), 9),), datetime(2026, 1, 1, tzinfo=UTC), method=forced)
    outcome = load("sim_statevector").run(program, np.random.default_rng(1)).items[0]
    assert outcome.metadata["components"][0]["method"] == f"aer_{forced}"


def test_gates_of_the_user_keep_unitary_and_parameters():
    circuit = custom()
    found = lower(circuit)
    assert is_known(found, KNOWN)
    assert list(found.parameters) == list(circuit.parameters)
    for values in ([0.4, 1.2], [-2.0, 0.3]):
        bound = Operator(found.assign_parameters(values))
        assert bound.equiv(Operator(circuit.assign_parameters(values)))


def measurements(circuit: QuantumCircuit) -> set:
    return {(*one.qubits, *one.clbits) for one in circuit.data if one.name == "measure"}


def test_registers_and_bits_stay():
    circuit = QuantumCircuit(QuantumRegister(2, "a"), QuantumRegister(1, "b"), ClassicalRegister(2, "c"))
    circuit.add_register(ClassicalRegister(name="both", bits=[circuit.clbits[1], circuit.clbits[0]]))
    circuit.append(StatePreparation([0.6, 0.8]), [2])
    circuit.measure([2, 0], [1, 0])
    found = lower(circuit)
    assert found is not circuit
    assert (found.qubits, found.clbits, found.cregs) == (circuit.qubits, circuit.clbits, circuit.cregs)
    assert measurements(found) == measurements(circuit)


@pytest.mark.parametrize("kind", sorted(CONTROL_FLOW))
def test_bodies_of_control_flow_are_lowered_too(kind):
    circuit = QuantumCircuit(2, 1)
    flow = {
        "for_loop": lambda: circuit.for_loop(range(2)),
        "if_else": lambda: circuit.if_test((0, 1)),
        "while_loop": lambda: circuit.while_loop((0, 1)),
        "switch_case": lambda: circuit.switch(circuit.clbits[0]),
    }
    with flow[kind]() as case:
        if kind == "switch_case":
            with case(1):
                circuit.dcx(0, 1)
        else:
            circuit.dcx(0, 1)
    assert not is_known(circuit, KNOWN)
    found = lower(circuit)
    assert is_known(found, KNOWN)
    (block,) = found.data[0].operation.blocks
    assert Operator(block.remove_final_measurements(inplace=False)).equiv(Operator(STANDARD["dcx"]))


def test_initialize_is_a_reset_and_a_preparation():
    circuit = QuantumCircuit(2)
    circuit.initialize([0, 0.6, 0.8, 0], [0, 1])
    circuit.measure_all()
    program = Program((Item(circuit, np.zeros((0,)), 20_000),), datetime(2026, 1, 1, tzinfo=UTC))
    outcome = load("sim_statevector").run(program, np.random.default_rng(1)).items[0]
    counts = np.bincount(unpack_bits(outcome.bits["meas"], 2) @ [1, 2], minlength=4)
    assert_allclose(counts / 20_000, [0, 0.36, 0.64, 0], atol=0.02)


@pytest.mark.parametrize("clifford", CLIFFORD_GATES)
def test_clifford_gates_run_on_the_stabilizer_simulator(clifford):
    gate = gate_of(clifford, np.pi / 2)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(gate, range(gate.num_qubits))
    circuit.h([0, 1])
    expected = Statevector(circuit).probabilities()
    circuit.measure_all()
    program = Program((Item(circuit, np.zeros((0,)), 4000),), datetime(2026, 1, 1, tzinfo=UTC))
    outcome = load("sim_stabilizer").run(program, np.random.default_rng(1)).items[0]
    counts = np.bincount(unpack_bits(outcome.bits["meas"], 2) @ [1, 2], minlength=4)
    assert_allclose(counts / 4000, expected, atol=0.05)
