"""Which gates are folded, what their inverses are, and whole circuits folded.

Source: Giurgica-Tiron et al., arXiv:2005.10921.
"""

from __future__ import annotations

from math import floor, pi

from qiskit.circuit import CircuitInstruction, Gate, QuantumCircuit
from qiskit.circuit.library import RZGate, XGate

from coldplate.circuits.layers import is_entangler
from coldplate.circuits.rotation import split
from coldplate.errors import IncompatibleOptions


def is_folded(one: CircuitInstruction, amplifier: str) -> bool:
    """Whether an amplifier folds an instruction: two-qubit gates, CNOTs alone, or all gates."""
    if amplifier == "local_folding":
        return isinstance(one.operation, Gate)
    return is_entangler(one) and (amplifier != "cx_folding" or one.name == "cx")


def fold_globally(circuit: QuantumCircuit, factor: float, *, native: bool) -> tuple[QuantumCircuit, float]:
    """A circuit followed by its inverse and itself, so often, and by as many of its last gates, as it takes.

    Args:
        native: Gates must stay those of a device.

    Returns:
        The folded circuit, and the noise factor that was reached.

    Raises:
        IncompatibleOptions: Something before the final measurements has no inverse.
    """
    body, final = split(list(circuit.data))
    gates = [one for one in body if one.name not in ("barrier", "delay")]
    for one in gates:
        if not isinstance(one.operation, Gate):
            raise IncompatibleOptions(f"A circuit with {one.name} can't be folded as a whole.")
    if not gates:
        return circuit, factor
    folds = round((factor - 1) / 2 * len(gates))
    whole, rest = floor(folds / len(gates)), folds % len(gates)
    backs = [back for one in reversed(gates) for back in inverse(one, native=native)]
    last = gates[len(gates) - rest :]
    partial = [back for one in reversed(last) for back in inverse(one, native=native)] + last
    folded = circuit.copy_empty_like()
    for one in [*body, *(backs + gates) * whole, *partial, *final]:
        folded.append(one)
    return folded, 1 + 2 * folds / len(gates)


def inverse(one: CircuitInstruction, *, native: bool) -> list[CircuitInstruction]:
    """The inverse of a gate, in gates of the device if `native`; up to a phase."""
    if native and one.name == "rzz":  # negative angles are not its gates; X turns them round
        turn = CircuitInstruction(XGate(), one.qubits[:1])
        return [turn, one, turn]
    if native and one.name == "sx":
        turn = CircuitInstruction(RZGate(pi), one.qubits)
        return [turn, one, turn]
    back = one.operation.inverse()
    if native and back.name != one.name:
        raise IncompatibleOptions(
            f"The inverse of {one.name} is not a gate of this backend, so options.resilience.zne.amplifier "
            "can't fold it."
        )
    return [CircuitInstruction(back, one.qubits)]
