"""Readout mitigation of the sampler: one calibration for all pubs, quasi-probabilities beside the bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import Target

from coldplate.circuits.program import Item, ItemOutcome, pack_bits, unpack_bits
from coldplate.circuits.rotation import split
from coldplate.errors import IncompatibleOptions
from coldplate.mitigation import m3, trex
from coldplate.mitigation.m3 import Quasi, Rates
from coldplate.mitigation.trex import TrexOptions

FEWEST_SHOTS = 10_000  # of the calibration
PATH = "experimental.readout_mitigation"


@dataclass(frozen=True)
class Calibration:
    """What shows how qubits are read: the item that is run, and the qubits it measures."""

    qubits: tuple[int, ...]
    item: Item

    @classmethod
    def of(
        cls, pubs: Sequence[SamplerPub], target: Target, *, shots: int, rng: Generator
    ) -> Calibration | None:
        """The calibration of all qubits that any pub measures; None: none does.

        Raises:
            IncompatibleOptions: A circuit measures before its end.
        """
        qubits = sorted({qubit for pub in pubs for qubit in measured(pub.circuit).values()})
        if not qubits:
            return None
        item = trex.calibration(
            qubits,
            target,
            num_qubits=max(pub.circuit.num_qubits for pub in pubs),
            options=TrexOptions(),
            shots=max(shots, FEWEST_SHOTS),
            rng=rng,
        )
        return cls(tuple(qubits), item)

    def rates(self, outcome: ItemOutcome) -> Rates:
        """How the qubits were misread."""
        return Rates.of(self.item, outcome, register=trex.REGISTER, flips=trex.FLIPS)


def measured(circuit: QuantumCircuit) -> dict[int, int]:
    """The qubit that each bit shows, by index.

    Raises:
        IncompatibleOptions: A measurement is not the last that happens to its qubit.
    """
    body, final = split(list(circuit.data))
    if any(one.name == "measure" or one.is_control_flow() for one in body):
        raise IncompatibleOptions(
            f"options.{PATH} needs circuits that measure at their end only; one measures before.",
            solution="Turn readout mitigation off for dynamic circuits.",
        )
    place = {wire: index for wires in (circuit.qubits, circuit.clbits) for index, wire in enumerate(wires)}
    return {place[one.clbits[0]]: place[one.qubits[0]] for one in final}


def tell(
    circuit: QuantumCircuit, data: Mapping[str, Any], calibration: Calibration, rates: Rates, *, twirled: bool
) -> dict[str, Any]:
    """What a pub's metadata says of its mitigated readout: plain JSON values.

    Args:
        data: The bits of each register.
        twirled: Measurements were flipped at random and back.
    """
    shown = measured(circuit)
    place = {bit: index for index, bit in enumerate(circuit.clbits)}
    columns = [place[bit] for register in circuit.cregs for bit in register]
    read = [column for column, clbit in enumerate(columns) if clbit in shown]
    if not read:
        return {"method": "m3"}
    qubits = [calibration.qubits.index(shown[columns[column]]) for column in read]
    own = rates.at(qubits)
    own = own.twirled() if twirled else own
    tables = [bits_of(data[register.name]) for register in circuit.cregs]
    joined = np.concatenate(tables, axis=-1)
    *shape, num_shots, num_bits = joined.shape
    rows = pack_bits(joined[..., read]).reshape(-1, num_shots, -(-len(read) // 8))
    found = [m3.mitigate(row, own) for row in rows]
    return {
        "method": "m3",
        "quasi_probabilities": nested([named(one, read, num_bits) for one in found], shape),
        "mitigation_overhead": nested([one.overhead for one in found], shape),
        "distance": nested([one.distance for one in found], shape),
        "iterations": nested([one.iterations for one in found], shape),
    }


def bits_of(register: BitArray) -> NDArray[np.bool_]:
    """The bits of a register, the first first, shape ``(*shape, num_shots, num_bits)``."""
    return unpack_bits(register.array, register.num_bits)


def named(quasi: Quasi, read: Sequence[int], num_bits: int) -> dict[str, float]:
    """Quasi-probabilities by string, as counts of joined registers name them: the last bit first."""
    table = np.zeros((len(quasi.strings), num_bits), dtype=np.uint8)
    table[:, list(read)] = unpack_bits(quasi.strings, len(read))
    names = (table[:, ::-1] + ord("0")).tobytes().decode()
    return {
        names[num_bits * row : num_bits * (row + 1)]: float(value) for row, value in enumerate(quasi.values)
    }


def nested(values: list[Any], shape: Sequence[int]) -> Any:
    """Values in nested lists of a shape."""
    if not shape:
        return values[0]
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(values[step * row : step * (row + 1)], shape[1:]) for row in range(shape[0])]
