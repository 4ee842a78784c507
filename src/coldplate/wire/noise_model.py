"""Aer noise models as clients send them, built anew through Aer's public constructors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate, get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Kraus, Pauli
from qiskit_aer.noise import NoiseModel, QuantumError, ReadoutError

from coldplate.errors import BadInput

MAX_ERRORS = 100_000
# of one error; Aer's own of a device have a Pauli and a thermal relaxation (none, Z or reset) on each qubit
MAX_TERMS = (4 * 3) ** 3
MAX_STEPS = 64  # of one term
MAX_QUBITS = 3  # that one error acts on
MAX_DEVICE = 100_000  # largest qubit number
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
TOLERANCE = 1e-6  # of probabilities that should add up to 1

UNITARIES: Mapping[str, Callable[[], Any]] = {
    name: gate.copy
    for name, gate in get_standard_gate_name_mapping().items()
    if not gate.params and gate.num_qubits <= MAX_QUBITS and name not in ("measure", "delay")
}


def noise_model(value: Any) -> NoiseModel:
    """A noise model from `NoiseModel.to_dict`, its arrays already read.

    Raises:
        BadInput: It isn't one, or an error acts on more than `MAX_QUBITS` qubits.
    """
    errors = value.get("errors") if isinstance(value, dict) else None
    if not isinstance(errors, list) or len(errors) > MAX_ERRORS:
        raise BadInput(f"A noise model has no list of at most {MAX_ERRORS} errors.")
    model = NoiseModel()
    try:
        # Aer warns where a general error meets a special one; general ones first is its own order
        for error in sorted(errors, key=lambda found: "gate_qubits" in found):
            add(model, error)
    except (QiskitError, KeyError, IndexError, TypeError, ValueError, AttributeError) as failure:
        raise BadInput(f"A noise model can't be read: {str(failure)[:200]}") from None
    return model


def add(model: NoiseModel, error: dict[str, Any]) -> None:
    """Add one error to a noise model."""
    if error["type"] == "roerror":
        readout = ReadoutError(confusion(error["probabilities"]))
        for qubits in places(error):
            if qubits is None:
                model.add_all_qubit_readout_error(readout, warnings=False)
            else:
                model.add_readout_error(readout, qubits, warnings=False)
        return
    if error["type"] != "qerror":
        raise BadInput(f"A noise model has an error of type {str(error['type'])[:40]!r}.")
    names = [checked_name(name) for name in error["operations"]]
    quantum = QuantumError(terms(error))
    for qubits in places(error):
        if qubits is None:
            model.add_all_qubit_quantum_error(quantum, names, warnings=False)
        else:
            model.add_quantum_error(quantum, names, qubits, warnings=False)


def places(error: dict[str, Any]) -> list[list[int] | None]:
    """The qubits that an error applies to; None for all."""
    found = error.get("gate_qubits")
    if found is None:
        return [None]
    return [checked_qubits(qubits, below=MAX_DEVICE) for qubits in found]


def terms(error: dict[str, Any]) -> list[tuple[QuantumCircuit, float]]:
    """What may happen in a quantum error, and how probably."""
    happenings, chances = error["instructions"], probabilities(error["probabilities"])
    if len(happenings) != len(chances) or len(happenings) > MAX_TERMS:
        raise BadInput(f"A quantum error has {len(happenings)} terms and {len(chances)} probabilities.")
    return [(circuit_of(steps), float(chance)) for steps, chance in zip(happenings, chances, strict=True)]


def circuit_of(steps: list[dict[str, Any]]) -> QuantumCircuit:
    """The circuit of one term."""
    if len(steps) > MAX_STEPS:
        raise BadInput(f"A term of a quantum error has {len(steps)} steps, more than {MAX_STEPS}.")
    placed = [(step, checked_qubits(step["qubits"], below=MAX_QUBITS)) for step in steps]
    circuit = QuantumCircuit(max(max(qubits) for _, qubits in placed) + 1)
    for step, qubits in placed:
        circuit.append(operation(step, num_qubits=len(qubits)), qubits)
    return circuit


def operation(step: dict[str, Any], *, num_qubits: int) -> Any:
    """One step of a term."""
    name, given = step["name"], step.get("params", [])
    if name == "kraus":
        return Kraus([matrix(item, num_qubits=num_qubits) for item in given]).to_instruction()
    if name == "unitary":
        return UnitaryGate(matrix(given[0], num_qubits=num_qubits), label=label_of(step))
    if name == "pauli" and isinstance(given[0], str) and re.fullmatch("[IXYZ]{1,3}", given[0]):
        return Pauli(given[0]).to_instruction()
    if name in UNITARIES:
        return UNITARIES[name]()
    raise BadInput(f"A quantum error has the step {str(name)[:40]!r}, which is not known.")


def label_of(step: dict[str, Any]) -> str | None:
    """The label of a unitary step."""
    label = step.get("label")
    return None if label is None else checked_name(label)


def matrix(value: Any, *, num_qubits: int) -> NDArray[np.complex128]:
    """A matrix over some qubits."""
    found = np.asarray(value, dtype=np.complex128)
    if found.shape != (2**num_qubits, 2**num_qubits) or not np.isfinite(found).all():
        raise BadInput(f"A quantum error on {num_qubits} qubits has a matrix of shape {found.shape}.")
    return found


def confusion(value: Any) -> NDArray[np.float64]:
    """Probabilities of what is read, given what is: rows add up to 1."""
    found = np.asarray(value, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] > 2**MAX_QUBITS:
        raise BadInput(f"A readout error has probabilities of shape {found.shape}.")
    return np.stack([probabilities(row) for row in found])


def probabilities(value: Any) -> NDArray[np.float64]:
    """Numbers that are not negative and add up to 1."""
    found = np.asarray(value, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or (found < 0).any():
        raise BadInput("A noise model has probabilities that are negative or not finite.")
    if abs(found.sum() - 1) > TOLERANCE:
        raise BadInput(f"A noise model has probabilities that add up to {found.sum():.6g}.")
    return found


def checked_qubits(value: Any, *, below: int) -> list[int]:
    """Some qubits, all different."""
    found = list(value)
    if (
        not 1 <= len(found) <= MAX_QUBITS
        or any(type(qubit) is not int or not 0 <= qubit < below for qubit in found)
        or len(set(found)) != len(found)
    ):
        raise BadInput(f"A noise model has an error on the qubits {str(value)[:60]}.")
    return found


def checked_name(value: Any) -> str:
    """The name of an instruction."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    raise BadInput(f"A noise model has an instruction with the name {str(value)[:60]!r}.")
