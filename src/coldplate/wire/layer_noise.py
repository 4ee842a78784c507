"""Layer errors: the official client's form of a layer with its noise, both ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import PauliList

from coldplate.circuits.layers import Layer, layers
from coldplate.errors import BadInput
from coldplate.noise.action import circuit_of
from coldplate.noise.model import LayerNoise, Strings
from coldplate.wire.limits import Budget, deflated
from coldplate.wire.params import check_tags, fields
from coldplate.wire.qpy import dump_circuit
from coldplate.wire.tagged import decode, numbers_of, tagged, write_array

MODULES = ("qiskit_ibm_runtime.utils.noise_learner_result", "qiskit_ibm_runtime.results.noise_learner")
PAULIS = "qiskit.quantum_info.operators.symplectic.pauli_list"
TAGGED = ("__type__", "__module__", "__class__", "__value__")
MAX_LAYERS, MAX_LETTERS, MAX_QUBITS = 1000, 20_000_000, 10_000


def read_layer_noise(value: Any, budget: Budget) -> tuple[LayerNoise, ...]:
    """The models in a list of layer errors or a learner's result; errors that are not known are left out.

    Raises:
        BadInput: It can't be read.
    """
    if isinstance(value, dict) and value.get("__type__") == "NoiseLearnerResult":
        where = "A noise learner's result"
        nothing_else(value, ("__type__", "__value__"), where)
        inner = fields(value.get("__value__"), ("data",), where=where)
        nothing_else(inner, ("data",), where)
        value = inner["data"]
    if not isinstance(value, list) or len(value) > MAX_LAYERS:
        raise BadInput(f"layer_noise_model is not a list of at most {MAX_LAYERS} layer errors.")
    found = [read_error(item, budget, index=index) for index, item in enumerate(value)]
    return tuple(one for one in found if one is not None)


def read_error(value: Any, budget: Budget, *, index: int) -> LayerNoise | None:
    """One layer error; None where its error is not known."""
    where = f"Layer error {index}"
    inner = unwrapped(value, "LayerError", ("circuit", "qubits", "error"), where)
    circuit = decode(inner["circuit"], allow=frozenset({"QuantumCircuit"}), budget=budget)
    if not isinstance(circuit, QuantumCircuit):
        raise BadInput(f"{where} has no circuit.")
    layer = read_layer(circuit, inner["qubits"], where)
    if inner["error"] is None:
        return None
    error = unwrapped(inner["error"], "PauliLindbladError", ("generators", "rates"), where)
    strings = read_paulis(error["generators"], circuit.num_qubits, where)
    rates = decode(error["rates"], allow=frozenset({"ndarray"}), budget=budget)
    rates = numbers_of(rates) if isinstance(rates, list) else rates
    if not isinstance(rates, np.ndarray) or rates.shape != (len(strings),) or rates.dtype.kind not in "fiu":
        raise BadInput(f"{where} has {len(strings)} generators, and not one rate for each.")
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise BadInput(f"{where} has rates that are negative or not finite.")
    order = np.argsort(inner["qubits"])
    return LayerNoise.given(layer, Strings(strings.x[:, order], strings.z[:, order]), rates)


def nothing_else(value: Mapping[str, Any], names: Collection[str], where: str) -> None:
    """Refuse tagged values beside the fields that are read: clients decode them, too."""
    check_tags([item for name, item in value.items() if name not in names], allowed=(), where=where)


def unwrapped(value: Any, name: str, names: Sequence[str], where: str) -> dict[str, Any]:
    """The fields inside an object of one of the client's classes."""
    found = fields(value, TAGGED, where=where)
    nothing_else(found, TAGGED, where)
    if found["__type__"] != "_json" or found["__module__"] not in MODULES or found["__class__"] != name:
        raise BadInput(f"{where} has something else than a {name}.")
    inner = fields(found["__value__"], names, where=where)
    nothing_else(inner, names, where)
    return inner


def read_layer(circuit: QuantumCircuit, qubits: Any, where: str) -> Layer:
    """The layer of a circuit whose qubits have numbers on the device."""
    if (
        not isinstance(qubits, list)
        or len(qubits) != circuit.num_qubits
        or any(type(qubit) is not int or not 0 <= qubit < MAX_QUBITS for qubit in qubits)
        or len(set(qubits)) != len(qubits)
    ):
        raise BadInput(f"{where} has a circuit on {circuit.num_qubits} qubits, and other qubits.")
    found = layers(circuit, "all")
    if len(found) > 1:
        raise BadInput(f"{where} has a circuit of {len(found)} layers of two-qubit gates, not one.")
    gates = found[0].gates if found else ()
    moved = [
        type(gate)((qubits[gate.qubits[0]], qubits[gate.qubits[1]]), gate.name, gate.params) for gate in gates
    ]
    return Layer(tuple(sorted(moved)), tuple(sorted(qubits)))


def read_paulis(value: Any, num_qubits: int, where: str) -> Strings:
    """The generators of an error."""
    found = fields(value, TAGGED, where=where)
    nothing_else(found, TAGGED, where)
    labels = found["__value__"].get("data") if isinstance(found["__value__"], dict) else None
    if (
        (found["__type__"], found["__module__"], found["__class__"]) != ("settings", PAULIS, "PauliList")
        or not isinstance(labels, list)
        or len(found["__value__"]) > 1
        or len(labels) * num_qubits > MAX_LETTERS
        or any(not isinstance(label, str) or len(label) != num_qubits for label in labels)
    ):
        raise BadInput(f"{where} has generators that are no list of Paulis on {num_qubits} qubits.")
    try:
        paulis = PauliList(labels)
    except (QiskitError, ValueError) as error:
        raise BadInput(f"{where} has generators that can't be read: {error}.") from None
    return Strings(paulis.x, paulis.z)


def write_layer_noise(one: LayerNoise) -> dict[str, Any]:
    """A layer error."""
    paulis = {
        "__type__": "settings",
        "__module__": PAULIS,
        "__class__": "PauliList",
        "__value__": {"data": one.generators.paulis.to_labels()},
    }
    error = wrapped("PauliLindbladError", {"generators": paulis, "rates": write_array(one.rates)})
    circuit = tagged("QuantumCircuit", deflated(dump_circuit(circuit_of(one.layer))))
    return wrapped("LayerError", {"circuit": circuit, "qubits": list(one.layer.qubits), "error": error})


def wrapped(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """An object of one of the client's classes; the old module, which every client knows."""
    return {"__type__": "_json", "__module__": MODULES[0], "__class__": name, "__value__": dict(value)}
