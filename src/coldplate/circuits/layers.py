"""A circuit as layers: two-qubit gates that act at once, and what lies between them.

A layer is the unit of twirling, of noise learning and of noise injection. Its content is its identity: the
same gates around the same twirled qubits are the same layer wherever they stand, in any circuit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from qiskit.circuit import CircuitInstruction, Gate, QuantumCircuit
from qiskit.exceptions import QiskitError

from coldplate.circuits.angles import is_free
from coldplate.circuits.conjugation import conjugation
from coldplate.errors import FractionalConflict, IncompatibleOptions

Strategy = Literal["active", "active-accum", "active-circuit", "all"]
FRACTIONAL = frozenset({"rx", "rzz"})


@dataclass(frozen=True, order=True)
class LayerGate:
    """A two-qubit Clifford gate of a layer, on qubits of the circuit."""

    qubits: tuple[int, int]
    name: str
    params: tuple[float, ...] = ()


@dataclass(frozen=True)
class Layer:
    """Two-qubit gates that act at once, and the qubits that are twirled around them.

    Attributes:
        gates: Ordered by their qubits.
        qubits: All twirled qubits, ascending: those of the gates, and idle ones by the strategy.
    """

    gates: tuple[LayerGate, ...]
    qubits: tuple[int, ...]


@dataclass
class Level:
    """What happens at once: gates of a layer, and operations that are left as they are.

    Attributes:
        before: Single-qubit gates that come first, by qubit.
        gates: Two-qubit gates, to be twirled.
        fixed: Measurements, resets, delays and control flow.
    """

    before: dict[int, list[CircuitInstruction]] = field(default_factory=dict)
    gates: list[CircuitInstruction] = field(default_factory=list)
    fixed: list[CircuitInstruction] = field(default_factory=list)


def levels(circuit: QuantumCircuit, instructions: Sequence[CircuitInstruction] | None = None) -> list[Level]:
    """A circuit as levels, every two-qubit gate as early as it can be.

    Barriers keep gates before them in levels of their own, and are left out: single-qubit gates may move past
    them, into the next twirl.

    Args:
        instructions: What to take instead of all of the circuit.

    Raises:
        IncompatibleOptions: A gate acts on more than two qubits.
    """
    place: dict[object, int] = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    free: dict[object, int] = {}  # the first level that each wire has room in
    found: list[Level] = []
    for instruction in circuit.data if instructions is None else instructions:
        wires = (*instruction.qubits, *instruction.clbits)
        start = max((free.get(wire, 0) for wire in wires), default=0)
        if instruction.name == "barrier":
            free.update(dict.fromkeys(wires, start))
            continue
        while len(found) <= start:
            found.append(Level())
        if is_single(instruction):
            found[start].before.setdefault(place[wires[0]], []).append(instruction)
            continue
        if is_entangler(instruction):
            found[start].gates.append(instruction)
        else:
            found[start].fixed.append(instruction)
        free.update(dict.fromkeys(wires, start + 1))
    return found


def is_single(instruction: CircuitInstruction) -> bool:
    """Whether an instruction is a gate on one qubit whose matrix is known."""
    return len(instruction.qubits) == 1 and instruction.is_standard_gate()


def is_entangler(instruction: CircuitInstruction) -> bool:
    """Whether an instruction is a gate on two qubits.

    Raises:
        IncompatibleOptions: It is a gate on more.
    """
    gate = not instruction.clbits and (
        instruction.is_standard_gate() or isinstance(instruction.operation, Gate)
    )
    if gate and len(instruction.qubits) > 2:
        raise IncompatibleOptions(
            f"The gate {instruction.name} acts on {len(instruction.qubits)} qubits and can't be twirled.",
            solution="Transpile to gates of two qubits, or turn twirling.enable_gates off.",
        )
    return gate and len(instruction.qubits) == 2


def twirled_qubits(
    circuit: QuantumCircuit, found: Sequence[Level], strategy: Strategy
) -> list[tuple[int, ...]]:
    """The twirled qubits of every level, ascending; none where no gate is.

    ``active`` takes the qubits of the gates, ``active-accum`` all that were acted on so far,
    ``active-circuit`` all that are ever, ``all`` every qubit of the circuit. A qubit that is measured, reset
    or delayed meanwhile is left out.
    """
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    acting = [
        {place[qubit] for one in (*level.gates, *level.fixed) for qubit in one.qubits} | set(level.before)
        for level in found
    ]
    everything = set(range(circuit.num_qubits)) if strategy == "all" else set().union(*acting)
    seen: set[int] = set()
    chosen = []
    for level, active in zip(found, acting, strict=True):
        seen |= active
        own = {place[qubit] for one in level.gates for qubit in one.qubits}
        busy = {place[qubit] for one in level.fixed for qubit in one.qubits}
        idle = {"active": own, "active-accum": seen}.get(strategy, everything)
        chosen.append(tuple(sorted((own | idle) - busy)) if own else ())
    return chosen


def layer_of(circuit: QuantumCircuit, level: Level, qubits: tuple[int, ...]) -> Layer:
    """The layer of a level."""
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    gates = [
        LayerGate(
            (place[one.qubits[0]], place[one.qubits[1]]),
            one.name,
            tuple(float(value) for value in one.params),
        )
        for one in level.gates
    ]
    return Layer(tuple(sorted(gates)), qubits)


def layers(circuit: QuantumCircuit, strategy: Strategy) -> list[Layer]:
    """The layers of a circuit in order, one per use, as gate twirling and noise learning see them.

    Raises:
        FractionalConflict, IncompatibleOptions: See `check_entanglers`.
    """
    found = levels(circuit)
    check_entanglers(found)
    chosen = twirled_qubits(circuit, found, strategy)
    pairs = zip(found, chosen, strict=True)
    return [layer_of(circuit, level, qubits) for level, qubits in pairs if level.gates]


def check_entanglers(found: Sequence[Level]) -> None:
    """Refuse two-qubit gates that Paulis can't be moved past.

    Raises:
        FractionalConflict: A fractional gate.
        IncompatibleOptions: Any other gate that is not Clifford.
    """
    different = {(one.name, tuple(one.params)): one for level in found for one in level.gates}
    for (name, _), gate in different.items():
        if is_clifford(gate):
            continue
        if name in FRACTIONAL:
            raise FractionalConflict(
                f"The fractional gate {name} can't be twirled; options.twirling.enable_gates needs "
                "two-qubit gates that are Clifford."
            )
        raise IncompatibleOptions(
            f"The two-qubit gate {name} is not Clifford; options.twirling.enable_gates can't twirl it."
        )


def is_clifford(instruction: CircuitInstruction) -> bool:
    """Whether a two-qubit gate takes Paulis to Paulis."""
    if any(is_free(value) for value in instruction.params):
        return False
    try:
        conjugation(instruction.operation)
    except QiskitError:
        return False
    return True
