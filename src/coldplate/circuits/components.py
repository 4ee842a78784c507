"""A circuit's connected components: parts that no gate, bit or condition joins.

Each is simulated by itself, so an idle qubit costs nothing and a lone one next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from qiskit.circuit import CircuitInstruction, ClassicalRegister, Clbit, QuantumCircuit, Qubit
from qiskit.circuit.classical import expr

from coldplate.circuits.rotation import split

Wire: TypeAlias = Qubit | Clbit

CLASSICAL = frozenset(
    ["box", "break_loop", "continue_loop", "for_loop", "if_else", "store", "switch_case", "while_loop"]
)


@dataclass(frozen=True)
class Component:
    """One component that sets at least one bit.

    Attributes:
        qubits: Indices of its qubits in the circuit, ascending.
        clbits: Indices of its bits, ascending.
        wires: The qubits themselves, in the order of `qubits`.
        bits: The bits themselves, in the order of `clbits`.
        instructions: In order, without barriers.
        may_branch: The circuit has control flow or variables somewhere.
    """

    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    wires: tuple[Qubit, ...]
    bits: tuple[Clbit, ...]
    instructions: tuple[CircuitInstruction, ...]
    may_branch: bool = True

    @cached_property
    def qubit_of(self) -> dict[Qubit, int]:
        """The index in the circuit of each of its qubits."""
        return dict(zip(self.wires, self.qubits, strict=True))

    @cached_property
    def place_of(self) -> dict[Qubit, int]:
        """The place in `wires` of each of its qubits."""
        return {qubit: place for place, qubit in enumerate(self.wires)}

    @cached_property
    def parts(self) -> tuple[tuple[CircuitInstruction, ...], tuple[CircuitInstruction, ...]]:
        """The instructions before the final measurements, and the final measurements."""
        body, final = split(self.instructions, num_wires=len(self.wires) + len(self.bits))
        return tuple(body), tuple(final)

    @cached_property
    def has_control_flow(self) -> bool:
        """Whether something depends on what was measured, or is repeated."""
        return self.may_branch and any(map(is_classical, self.instructions))

    @cached_property
    def is_static(self) -> bool:
        """Whether it is gates, delays and resets, and then one measurement per qubit."""
        body, final = self.parts
        return (
            not self.has_control_flow
            and not any(instruction.clbits for instruction in body)
            and len({instruction.qubits[0] for instruction in final}) == len(final)
        )


def is_classical(instruction: CircuitInstruction) -> bool:
    """Whether an instruction is control flow, or writes a variable."""
    return instruction.name in CLASSICAL


def components(circuit: QuantumCircuit) -> list[Component]:
    """All components that set a bit, in the order of their first qubits; the others can't be seen."""
    joined, instructions = Joined(), list[tuple[CircuitInstruction, tuple[Wire, ...]]]()
    may_branch = not CLASSICAL.isdisjoint(circuit.count_ops())
    groups: set[tuple[Wire, ...]] = set()
    for one in circuit.data:
        if one.name == "barrier":
            continue
        wires: tuple[Wire, ...] = wires_of(one) if may_branch else one.qubits + one.clbits
        if len(wires) > 1:
            groups.add(wires)
        instructions.append((one, wires))
    for wires in groups:
        joined.join(wires)
    if any(True for _ in circuit.iter_vars()):  # whatever may use a variable belongs together
        users = [wires for instruction, wires in instructions if is_classical(instruction)]
        joined.join(wire for wires in users for wire in wires)
        some = next((wires for wires in users if wires), ())
        instructions = [(one, wires or some) for one, wires in instructions]
    parts: dict[Wire, list[CircuitInstruction]] = {}
    part_of: dict[Wire, list[CircuitInstruction]] = {}
    for instruction, wires in instructions:
        if not wires:
            continue
        first = wires[0]
        if first not in part_of:
            part_of[first] = parts.setdefault(joined.root(first), [])
        part_of[first].append(instruction)
    members: dict[Wire, set[Wire]] = {root: {root} for root in parts}
    for wire in (*part_of, *joined.wires()):
        members.setdefault(joined.root(wire), set()).add(wire)
    found = (build(circuit, parts[root], members[root], may_branch) for root in parts)
    return sorted((one for one in found if one.clbits), key=lambda one: (one.qubits, one.clbits))


def wires_of(instruction: CircuitInstruction) -> tuple[Wire, ...]:
    """Qubits and bits that an instruction uses."""
    if instruction.name != "store":
        return (*instruction.qubits, *instruction.clbits)
    places = [place.var for side in instruction.operation.params for place in expr.iter_vars(side)]
    registers = [place for place in places if isinstance(place, ClassicalRegister)]
    bits = [place for place in places if isinstance(place, Clbit)]
    return tuple(dict.fromkeys([*bits, *(bit for register in registers for bit in register)]))


def build(
    circuit: QuantumCircuit, instructions: list[CircuitInstruction], members: set[Wire], may_branch: bool
) -> Component:
    """The component of some instructions, on some wires."""
    qubits = [wire for wire in members if isinstance(wire, Qubit)]
    bits = [wire for wire in members if isinstance(wire, Clbit)]
    wires = sorted((circuit.find_bit(qubit).index, qubit) for qubit in qubits)
    clbits = sorted((circuit.find_bit(bit).index, bit) for bit in bits)
    return Component(
        qubits=tuple(index for index, _ in wires),
        clbits=tuple(index for index, _ in clbits),
        wires=tuple(qubit for _, qubit in wires),
        bits=tuple(bit for _, bit in clbits),
        instructions=tuple(instructions),
        may_branch=may_branch,
    )


class Joined:
    """Sets of wires that grow together."""

    def __init__(self) -> None:
        self._parent: dict[Wire, Wire] = {}

    def wires(self) -> Iterable[Wire]:
        """All wires that were ever joined."""
        return self._parent

    def root(self, wire: Wire) -> Wire:
        """The wire that stands for the set of this one."""
        parent = self._parent
        parent.setdefault(wire, wire)
        while parent[wire] is not wire:
            parent[wire] = parent[parent[wire]]
            wire = parent[wire]
        return wire

    def join(self, wires: Iterable[Wire]) -> None:
        """Make one set of the sets of some wires."""
        first: Wire | None = None
        for wire in wires:
            root = self.root(wire)
            if first is None:
                first = root
            self._parent[root] = first
