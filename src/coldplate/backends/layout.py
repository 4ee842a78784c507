"""When a device does the instructions of a circuit: each as late as it can."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.circuit import CircuitInstruction, QuantumCircuit

from coldplate.backends.device import Device
from coldplate.circuits.timing import delay_seconds

TICK_S = 1e-12  # whole ticks: sums of floats would not be in order


@dataclass(frozen=True)
class Slot:
    """An instruction and its time.

    Attributes:
        index: Its place in the circuit.
        qubits: Indices in the circuit.
        start, stop: Ticks.
    """

    index: int
    instruction: CircuitInstruction
    qubits: tuple[int, ...]
    start: int
    stop: int

    @property
    def middle(self) -> int:
        """Half ticks."""
        return self.start + self.stop

    @property
    def half(self) -> int:
        """Half its length, in half ticks."""
        return self.stop - self.start


def lay_out(circuit: QuantumCircuit, device: Device) -> list[Slot]:
    """Slots of all instructions but barriers, in the order of their middles.

    Args:
        circuit: Without control flow.
    """
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    begins: dict[object, int] = {}
    found = []
    for index, instruction in reversed(list(enumerate(circuit.data))):
        qubits = tuple(place[qubit] for qubit in instruction.qubits)
        wires = (*instruction.qubits, *instruction.clbits)
        stop = min((begins.get(wire, 0) for wire in wires), default=0)
        start = stop - ticks(instruction, qubits, device)
        begins.update(dict.fromkeys(wires, start))
        if instruction.name != "barrier":
            found.append(Slot(index, instruction, qubits, start, stop))
    return sorted(found, key=lambda slot: (slot.middle, slot.index))


def ticks(instruction: CircuitInstruction, qubits: tuple[int, ...], device: Device) -> int:
    """How long an instruction takes."""
    if instruction.name == "barrier":
        return 0
    if instruction.name == "delay":
        seconds = delay_seconds(instruction.operation, dt=device.dt)
    else:
        seconds = device.seconds(instruction.name, qubits)
    return round(seconds / TICK_S)
