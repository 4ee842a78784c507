"""A qubit may be read into several bits."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from qiskit import QuantumCircuit

from coldplate.backends.build import build
from coldplate.backends.catalog import find
from coldplate.circuits.program import Item, Program, unpack_bits


def test_qubit_that_is_read_twice_shows_the_same_in_both_bits(rng):
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure([0, 0], [0, 1])
    program = Program((Item(circuit, np.zeros((0,)), 200),), datetime(2026, 1, 1, tzinfo=UTC))
    outcome = build(find("sim_statevector")).run(program, rng).items[0]
    bits = unpack_bits(outcome.bits["c"], 2)
    assert (bits[:, 0] == bits[:, 1]).all()
    assert 0 < bits[:, 0].sum() < 200
