"""Items put together as a Program, by the options that say how to run it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from coldplate.circuits.layers import FRACTIONAL
from coldplate.circuits.program import Item, Program
from coldplate.circuits.rotation import Rotation
from coldplate.engine.options import Execution
from coldplate.errors import FractionalConflict, NotIsa

ALWAYS = frozenset({"barrier", "measure", "delay", "reset"})


def build(items: Sequence[Item], execution: Execution, *, clock_start: datetime) -> Program:
    """A Program of items, run as the options say."""
    return Program(
        items=tuple(items),
        clock_start=clock_start,
        meas_level=execution.meas_level,
        init_qubits=execution.init_qubits,
        rep_delay_s=execution.rep_delay_s,
        noise=execution.noise,
        method=execution.method,
    )


def check_twirl(circuit: QuantumCircuit, target: Target, *, index: int) -> None:
    """Refuse a circuit whose gates can't be twirled because it has fractional ones, as devices do.

    Two-qubit gates are looked at one by one where they are twirled (`circuits.layers`).

    Raises:
        FractionalConflict: It has some.
    """
    fractional = sorted(FRACTIONAL.intersection(circuit.count_ops()))
    if fractional and Rotation.of(target).native:
        raise FractionalConflict(
            f"Circuit {index} has fractional gates ({', '.join(fractional)}); "
            "options.twirling.enable_gates can't twirl them."
        )


def check_restrictions(circuit: QuantumCircuit, execution: Execution, *, index: int) -> None:
    """Refuse a circuit that leaves the gates or the coupling that the simulator options name.

    Raises:
        NotIsa: It has another gate, or a two-qubit gate on another pair.
    """
    if execution.basis_gates is None and execution.coupling is None:
        return
    place = {qubit: position for position, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        name = instruction.name
        if execution.basis_gates is not None and name not in execution.basis_gates | ALWAYS:
            raise NotIsa(f"Circuit {index} has {name}, which options.simulator.basis_gates does not name.")
        pair = tuple(place[qubit] for qubit in instruction.qubits)
        if (
            execution.coupling is not None
            and len(pair) == 2
            and name != "barrier"
            and pair not in execution.coupling
        ):
            raise NotIsa(
                f"Circuit {index} has {name} on qubits {pair}, "
                "which options.simulator.coupling_map does not couple."
            )
