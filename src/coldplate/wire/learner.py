"""Noise learner jobs of both generations of clients, and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qiskit.circuit import BoxOp, CircuitInstruction, QuantumCircuit, QuantumRegister
from samplomatic.annotations import Twirl
from samplomatic.utils import get_annotation, undress_box

from coldplate.circuits.angles import is_free
from coldplate.circuits.layers import Layer, LayerGate
from coldplate.engine.learner import Learnt, Measured
from coldplate.errors import BadInput
from coldplate.noise.action import STANDARD
from coldplate.noise.fit import tied
from coldplate.noise.model import LayerNoise
from coldplate.noise.readout import ReadoutNoise
from coldplate.wire.layer_noise import write_layer_noise
from coldplate.wire.limits import Budget, unbase64
from coldplate.wire.params import dumps, fields
from coldplate.wire.pubs import circuit_of
from coldplate.wire.qpy import load_circuits
from coldplate.wire.results import untagged
from coldplate.wire.tensors import write_tensor

MAX_CIRCUITS, MAX_INSTRUCTIONS = 1000, 1000

# --- version 2: circuits in, layer errors out ---------------------------------------------------------------


def read_circuits(params: Mapping[str, Any]) -> list[QuantumCircuit]:
    """The circuits whose layers are to be learnt.

    Raises:
        BadInput, BadProgram, NotIsa, LimitExceeded: One can't be read, or is too large.
    """
    found, budget = params.get("circuits"), Budget()
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_CIRCUITS:
        raise BadInput(f"The params have no list of 1 to {MAX_CIRCUITS} circuits.")
    return [circuit_of(value, budget) for value in found]


def write_layer_errors(models: Sequence[LayerNoise], *, metadata: Mapping[str, Any], plain: bool) -> bytes:
    """The result of a job of version 2; equal results give equal bytes.

    Args:
        plain: Without tags, for clients without Qiskit.
    """
    data: Any = [write_layer_noise(model) for model in models]
    return dumps({"data": untagged(data) if plain else data, "metadata": dict(metadata)})


# --- version 3: boxes in, generators with rates out ---------------------------------------------------------


def read_instructions(params: Mapping[str, Any], *, num_qubits: int) -> list[Layer | Measured]:
    """What is to be learnt: boxes with one layer of gates, and boxes that measure.

    Args:
        num_qubits: Of the backend, in whose register ``q`` the boxes' qubits are.

    Raises:
        BadInput: An instruction can't be learnt; it is named.
        BadProgram, NotIsa, LimitExceeded: The circuit of instructions can't be read.
    """
    found = fields(params.get("instructions"), ("circuit_b64",), where="The instructions")
    circuit = load_circuits(unbase64(found["circuit_b64"]), expected=1)[0]
    if not 1 <= len(circuit.data) <= MAX_INSTRUCTIONS:
        raise BadInput(f"There are {len(circuit.data)} instructions, not from 1 to {MAX_INSTRUCTIONS}.")
    places = {qubit: index for index, qubit in enumerate(QuantumRegister(num_qubits, "q"))}
    return [read_instruction(one, places, index=index) for index, one in enumerate(circuit.data)]


def read_instruction(one: CircuitInstruction, places: Mapping[Any, int], *, index: int) -> Layer | Measured:
    """A twirled box as a layer, or as a measurement."""
    where, box = f"Instruction {index}", one.operation
    if not isinstance(box, BoxOp) or get_annotation(box, Twirl) is None:
        raise BadInput(f"{where} is {one.name}, not a box with a Twirl annotation.")
    outside = [qubit for qubit in one.qubits if qubit not in places]
    if outside:
        raise BadInput(f"{where} acts on {outside[0]}, which is not in the backend's register q.")
    body = undress_box(box).body
    qubit_of = {inner: places[outer] for inner, outer in zip(body.qubits, one.qubits, strict=True)}
    hard = [each for each in body.data if each.name != "barrier"]
    acting = [qubit_of[qubit] for each in hard for qubit in each.qubits]
    if len(set(acting)) < len(acting):
        raise BadInput(f"{where} has more than one layer of instructions.")
    qubits = tuple(sorted(qubit_of.values()))
    if hard and all(each.name == "measure" for each in hard):
        if len(acting) < len(qubits):
            raise BadInput(f"{where} measures {len(acting)} of its {len(qubits)} qubits; it has to be all.")
        return Measured(qubits)
    if any(len(each.qubits) != 2 or each.name not in STANDARD or free(each) for each in hard):
        raise BadInput(f"{where} has other instructions than one layer of two-qubit gates, or measurements.")
    gates = [
        LayerGate(
            (qubit_of[each.qubits[0]], qubit_of[each.qubits[1]]), each.name, tuple(map(float, each.params))
        )
        for each in hard
    ]
    return Layer(tuple(sorted(gates)), qubits)


def free(one: CircuitInstruction) -> bool:
    """Whether a gate has an angle that is not a number."""
    return any(is_free(value) for value in one.params)


def write_learnt(schema_version: str, found: Sequence[Learnt], *, metadata: Mapping[str, Any]) -> bytes:
    """The result of a job of version 3; equal results give equal bytes."""
    data = [write_one(one, rates=schema_version != "v0.1") for one in found]
    return dumps({"schema_version": schema_version, "data": data, "coldplate": dict(metadata)})


def write_one(one: Learnt, *, rates: bool) -> dict[str, Any]:
    """What was learnt of one instruction.

    Args:
        rates: Tell how often each qubit passed the bit-flip checks.
    """
    noise = one.noise
    kept, passed = dict(one.fractions_kept), {depth: dict(row) for depth, row in one.success_rates.items()}
    if isinstance(noise, ReadoutNoise):
        generators: Any = [[["X", [place]]] for place in range(len(noise.qubits))]
        selection: dict[str, Any] = {"fraction_kept": kept[0], "success_rates": passed.get(0, {})}
        protocol, values, stds, width = "trex", noise.rates, noise.stds, len(noise.qubits)
    else:
        members, sparse = tied(noise.layer, noise.generators), noise.generators.sparse()
        first = np.unique(members, return_index=True)[1]
        generators = [
            [list(sparse[place]) for place in np.flatnonzero(members == n)] for n in range(len(first))
        ]
        selection = {"fraction_kept": kept, "success_rates": passed}
        protocol, values, stds = "lindblad", noise.rates[first], noise.stds[first]
        width = len(noise.layer.qubits)
    if not rates:
        del selection["success_rates"]
    return {
        "generators_sparse": generators,
        "num_qubits": width,
        "rates": write_tensor(values, compressed=False),
        "rates_std": write_tensor(stds, compressed=False),
        "metadata": {"learning_protocol": protocol, "post_selection": selection},
    }
