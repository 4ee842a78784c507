"""Which method a component gets is a table, and what does not fit is refused by its qubits."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from coldplate.backends import methods
from coldplate.backends.methods import (
    KERNEL_TRANSFER_QUBITS,
    NUMPY_QUBITS,
    STIM_QUBITS,
    TRANSFER_QUBITS,
    Asked,
    check_fits,
    choose,
)
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component, components
from coldplate.errors import TooWide

GIB = 2**30


def chain(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width + 1)
    circuit.h(0)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def static(width: int) -> Component:
    circuit = chain(width)
    circuit.measure(range(width), range(width))
    return components(circuit)[0]


def with_reset(width: int) -> Component:
    circuit = chain(width)
    circuit.reset(0)
    circuit.measure(range(width), range(width))
    return components(circuit)[0]


def in_the_middle(width: int) -> Component:
    circuit = chain(width)
    circuit.measure(0, width)
    circuit.h(0)
    circuit.measure(range(width), range(width))
    return components(circuit)[0]


def feedback(width: int) -> Component:
    circuit = chain(width)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(width - 1)
    circuit.measure(width - 1, 1)
    return components(circuit)[0]


def with_a_turn(width: int) -> Component:
    circuit = chain(width)
    circuit.rx(0.3, 0)
    circuit.measure(range(width), range(width))
    return components(circuit)[0]


NO_ANGLES = Angles([], np.zeros((1, 0)))
IDEAL = {"noisy": False, "given_noise": False}
NOISY = {"noisy": True, "given_noise": False}
GIVEN = {"noisy": False, "given_noise": True}


@pytest.fixture(autouse=True)
def plenty(monkeypatch):
    """As much memory on every machine."""
    monkeypatch.setattr(methods, "memory", lambda: 64.0 * GIB)


@pytest.mark.parametrize(
    ("component", "noise", "own", "forced", "expected"),
    [
        (static(1), IDEAL, None, None, "numpy_statevector"),
        (static(NUMPY_QUBITS), IDEAL, None, None, "numpy_statevector"),
        (static(NUMPY_QUBITS + 1), IDEAL, None, None, "aer_statevector"),
        (static(3), IDEAL, None, "statevector", "numpy_statevector"),
        (static(3), IDEAL, None, "density_matrix", "numpy_pauli_transfer"),
        (static(TRANSFER_QUBITS + 1), IDEAL, None, "density_matrix", "aer_density_matrix"),
        (static(3), IDEAL, None, "matrix_product_state", "aer_matrix_product_state"),
        (static(3), IDEAL, None, "stabilizer", "stim"),
        (static(1), IDEAL, None, "stabilizer", "stim"),
        (with_reset(3), IDEAL, None, None, "numpy_pauli_transfer"),
        (with_reset(TRANSFER_QUBITS + 1), IDEAL, None, None, "aer_statevector"),
        (in_the_middle(3), IDEAL, None, None, "aer_statevector"),
        (feedback(3), IDEAL, None, None, "aer_statevector"),
        # ideal simulators of one method
        (static(3), IDEAL, "matrix_product_state", None, "numpy_statevector"),
        (static(40), IDEAL, "matrix_product_state", None, "aer_matrix_product_state"),
        (static(3), IDEAL, "stabilizer", None, "stim"),
        (static(1), IDEAL, "stabilizer", None, "numpy_statevector"),
        (feedback(3), IDEAL, "stabilizer", None, "aer_stabilizer"),
        (static(3), IDEAL, "stabilizer", "statevector", "numpy_statevector"),
        # devices
        (static(1), NOISY, None, None, "numpy_pauli_transfer"),
        (static(TRANSFER_QUBITS), NOISY, None, None, "numpy_pauli_transfer"),
        (static(TRANSFER_QUBITS + 1), NOISY, None, None, "aer_automatic"),
        (with_reset(3), NOISY, None, None, "numpy_pauli_transfer"),
        (in_the_middle(3), NOISY, None, None, "aer_automatic"),
        (feedback(3), NOISY, None, None, "aer_automatic"),
        (static(3), NOISY, None, "statevector", "aer_statevector"),
        (static(3), NOISY, None, "density_matrix", "numpy_pauli_transfer"),
        (static(1), NOISY, "stabilizer", None, "numpy_pauli_transfer"),
        (static(127), NOISY, "stabilizer", None, "stim"),
        (in_the_middle(1), NOISY, "stabilizer", None, "stim"),
        (feedback(9), NOISY, "stabilizer", None, "aer_stabilizer"),
        # noise models of users
        (static(3), GIVEN, None, None, "aer_automatic"),
        (static(1), GIVEN, None, None, "aer_automatic"),
        (static(3), GIVEN, None, "density_matrix", "aer_density_matrix"),
        (static(3), GIVEN, None, "statevector", "aer_statevector"),
        (static(3), GIVEN, "stabilizer", None, "aer_stabilizer"),
        (static(3), GIVEN, "matrix_product_state", None, "aer_matrix_product_state"),
    ],
)
def test_method_without_the_kernel(component, noise, own, forced, expected):
    asked = Asked(**noise, own=own, forced=forced, kernel=False)
    assert choose(component, NO_ANGLES, asked).method == expected


@pytest.mark.parametrize(
    ("component", "noise", "own", "forced", "expected"),
    [
        (static(1), IDEAL, None, None, "statevector"),
        (static(STIM_QUBITS), IDEAL, None, None, "statevector"),
        (static(STIM_QUBITS + 1), IDEAL, None, None, "stim"),
        (with_a_turn(STIM_QUBITS + 1), IDEAL, None, None, "statevector"),
        (static(STIM_QUBITS + 1), IDEAL, None, "statevector", "statevector"),
        (feedback(STIM_QUBITS + 1), IDEAL, None, None, "statevector"),
        (static(3), IDEAL, None, "density_matrix", "pauli_transfer"),
        (static(KERNEL_TRANSFER_QUBITS + 1), IDEAL, None, "density_matrix", "aer_density_matrix"),
        (feedback(3), IDEAL, None, "density_matrix", "aer_density_matrix"),
        (static(3), IDEAL, None, "matrix_product_state", "aer_matrix_product_state"),
        (static(3), IDEAL, None, "stabilizer", "stim"),
        (static(3), IDEAL, None, "aer", "aer_statevector"),
        (in_the_middle(3), IDEAL, None, None, "statevector"),
        (feedback(3), IDEAL, None, None, "statevector"),
        # ideal simulators of one method
        (static(3), IDEAL, "matrix_product_state", None, "statevector"),
        (static(40), IDEAL, "matrix_product_state", None, "aer_matrix_product_state"),
        (static(3), IDEAL, "stabilizer", None, "stim"),
        (static(1), IDEAL, "stabilizer", None, "statevector"),
        (feedback(3), IDEAL, "stabilizer", None, "aer_stabilizer"),
        (static(3), IDEAL, "stabilizer", "statevector", "statevector"),
        # devices
        (static(1), NOISY, None, None, "trajectories"),
        (static(STIM_QUBITS + 1), NOISY, None, None, "trajectories"),
        (with_reset(3), NOISY, None, None, "trajectories"),
        (feedback(3), NOISY, None, None, "trajectories"),
        (static(3), NOISY, None, "statevector", "trajectories"),
        (static(3), NOISY, None, "density_matrix", "pauli_transfer"),
        (static(3), NOISY, None, "aer", "aer_automatic"),
        (static(1), NOISY, "stabilizer", None, "trajectories"),
        (static(127), NOISY, "stabilizer", None, "stim"),
        (in_the_middle(1), NOISY, "stabilizer", None, "stim"),
        (feedback(9), NOISY, "stabilizer", None, "aer_stabilizer"),
        # noise models of users
        (static(3), GIVEN, None, None, "aer_automatic"),
        (static(3), GIVEN, None, "density_matrix", "aer_density_matrix"),
        (static(3), GIVEN, None, "statevector", "aer_statevector"),
        (static(3), GIVEN, "stabilizer", None, "aer_stabilizer"),
    ],
)
def test_method_with_the_kernel(component, noise, own, forced, expected):
    choice = choose(component, NO_ANGLES, Asked(**noise, own=own, forced=forced))
    assert choice.method == expected
    assert choice.reason


def test_shots_that_run_into_each_other_are_left_to_aer_or_stim():
    for noise, expected in ((IDEAL, "aer_statevector"), (NOISY, "aer_automatic")):
        assert choose(static(3), NO_ANGLES, Asked(**noise, chained=True)).method == expected
    assert choose(static(3), NO_ANGLES, Asked(own="stabilizer", chained=True)).method == "stim"


@pytest.mark.parametrize(
    ("method", "width", "fits"),
    [  # of 64 GiB half, so 2^31 amplitudes
        ("statevector", 31, True),
        ("trajectories", 32, False),
        ("pauli_transfer", 15, True),
        ("pauli_transfer", 16, False),
        ("aer_statevector", 31, True),
        ("aer_statevector", 32, False),
        ("aer_automatic", 32, False),
        ("aer_density_matrix", 15, True),
        ("aer_density_matrix", 16, False),
        ("aer_matrix_product_state", 90, True),
        ("aer_stabilizer", 90, True),
        ("stim", 90, True),
    ],
)
def test_states_must_fit_the_memory(method, width, fits):
    if fits:
        check_fits(static(width), method)
        return
    with pytest.raises(TooWide, match=rf"^{width} qubits \(0, 1, 2, 3, 4, 5, 6, 7, \.\.\.\) interact"):
        check_fits(static(width), method)


@pytest.mark.parametrize("method", ["statevector", "trajectories"])
def test_single_precision_has_room_for_a_qubit_more(method):
    check_fits(static(32), method, single=True)
    with pytest.raises(TooWide):
        check_fits(static(33), method, single=True)


def test_refusal_names_the_qubits_of_the_device(monkeypatch):
    monkeypatch.setattr(methods, "memory", lambda: 64.0)
    circuit = QuantumCircuit(50, 1)
    circuit.cx(40, 7)
    circuit.measure(7, 0)
    with pytest.raises(TooWide, match=r"2 qubits \(7, 40\) interact"):
        check_fits(components(circuit)[0], "aer_statevector")


def test_memory_is_what_a_limited_process_has(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(methods.resource, "getrlimit", lambda _kind: (3 * GIB, 3 * GIB))
    monkeypatch.setattr(methods.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 2 * GIB))
    assert methods.memory() == 3 * GIB
    monkeypatch.setattr(methods.resource, "getrlimit", lambda _kind: (methods.resource.RLIM_INFINITY,) * 2)
    assert methods.memory() == 4096 * 2 * GIB
