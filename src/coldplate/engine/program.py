"""Items put together as a Program, by the options that say how to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from coldplate.circuits.content import derived
from coldplate.circuits.layers import FRACTIONAL
from coldplate.circuits.program import Item, Program
from coldplate.circuits.rotation import Rotation
from coldplate.circuits.schedule import lengths, schedule, tell_times
from coldplate.circuits.stretches import has_stretches, resolve
from coldplate.engine.options import Execution
from coldplate.errors import FractionalConflict, IncompatibleOptions, NotIsa
from coldplate.mitigation.dd import decouple

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
        single=execution.single,
    )


@dataclass(frozen=True)
class Compiled:
    """An item as it is run, and what to tell of it.

    Attributes:
        official: For the metadata's key `compilation`.
        own: For the metadata's key `coldplate`.
    """

    item: Item
    official: dict[str, Any]
    own: dict[str, Any]


def compiled(item: Item, execution: Execution, target: Target) -> Compiled:
    """An item whose stretches are resolved, and whose circuit is scheduled and decoupled if that is asked
    for.

    Raises:
        IncompatibleOptions: The circuit is dynamic.
    """
    own: dict[str, Any] = {}
    official: dict[str, Any] = {}
    if has_stretches(item.circuit):
        resolved = resolve(item.circuit, target)
        item = replace(item, circuit=resolved.circuit)
        if execution.tell_stretches:
            official["stretch_values"] = resolved.values
    options = execution.decoupling
    if options is not None:
        made = decouple(item.circuit, target, options)
        item = replace(item, circuit=made.circuit, content=derived(item.content, "decoupled", options))
        own = {"decoupling": {"sequences": made.sequences, "idle_windows": made.windows}}
    if not execution.tell_times:
        return Compiled(item, official, own)
    timed = schedule(item.circuit, lengths(target), method=options.method if options else "alap")
    end = max((one.stop for one in timed), default=0)
    official["scheduler_timing"] = {"timing": tell_times(timed), "circuit_duration": end}
    return Compiled(item, official, own)


def check_twirl(
    circuit: QuantumCircuit, target: Target, *, index: int, twirler: str = "options.twirling.enable_gates"
) -> None:
    """Refuse a circuit whose gates can't be twirled because it has fractional ones, as devices do.

    Two-qubit gates are looked at one by one where they are twirled (`circuits.layers`).

    Args:
        twirler: What twirls gates: an option, with its value where that matters.

    Raises:
        FractionalConflict: It has some.
        IncompatibleOptions: It has stretches.
    """
    if has_stretches(circuit):
        raise IncompatibleOptions(
            f"Circuit {index} has stretches; {twirler} twirls gates, which then can't be."
        )
    fractional = sorted(FRACTIONAL.intersection(circuit.count_ops()))
    if fractional and Rotation.of(target).native:
        raise FractionalConflict(
            f"Circuit {index} has fractional gates ({', '.join(fractional)}); "
            f"{twirler} twirls gates, which then can't be."
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
