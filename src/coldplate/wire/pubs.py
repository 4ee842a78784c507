"""Params -> pubs, as the containers that Qiskit's primitives take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.primitives.containers.sampler_pub import SamplerPub

from coldplate.errors import BadInput, BadProgram, LimitExceeded, ObservableWidth
from coldplate.wire.limits import Budget
from coldplate.wire.qasm import load_qasm
from coldplate.wire.tagged import decode, numbers_of

MAX_ELEMENTS = 10**7  # parameter sets, or observables, or pairs of both, of one job
MAX_SHOTS = 10**7  # of one pub
MAX_AXES = 32
PAULIS = frozenset("IXYZ")
CIRCUIT = frozenset({"QuantumCircuit"})
ARRAY = frozenset({"ndarray"})


def sampler_pubs(params: Mapping[str, Any]) -> list[SamplerPub]:
    """The pubs of a sampler job; shots are None where the pub has none.

    Raises:
        BadInput, BadProgram, NotIsa, LimitExceeded: A pub can't be read, or is too large.
    """
    budget, elements, found = Budget(), 0, []
    for index, parts in listed(params, most=3):
        circuit = circuit_of(parts[0], budget)
        values = values_of(parts[1], circuit, budget, index=index)
        elements = counted(elements, values.shape)
        shots = shots_of(parts[2], index=index)
        found.append(SamplerPub(circuit, values, shots, validate=False))
    return found


def estimator_pubs(params: Mapping[str, Any]) -> list[EstimatorPub]:
    """The pubs of an estimator job; the precision is None where the pub has none.

    Raises:
        ObservableWidth: An observable has another width than its circuit.
        BadInput, BadProgram, NotIsa, LimitExceeded: A pub can't be read, or is too large.
    """
    budget, elements, found = Budget(), 0, []
    for index, parts in listed(params, most=4):
        circuit = circuit_of(parts[0], budget)
        observables = observables_of(parts[1], width=circuit.num_qubits, index=index)
        values = values_of(parts[2], circuit, budget, index=index)
        try:
            shape = np.broadcast_shapes(observables.shape, values.shape)
        except ValueError:
            raise BadInput(
                f"Pub {index} has observables of shape {observables.shape} and parameter values of shape "
                f"{values.shape}, which don't broadcast."
            ) from None
        elements = counted(elements, shape)
        precision = precision_of(parts[3], index=index)
        found.append(EstimatorPub(circuit, observables, values, precision, validate=False))
    return found


def listed(params: Mapping[str, Any], *, most: int) -> Iterator[tuple[int, list[Any]]]:
    """The pubs with their places, missing parts at the end as None."""
    pubs = params.get("pubs")
    if not isinstance(pubs, list) or not pubs:
        raise BadInput("The params have no list of pubs.")
    for index, parts in enumerate(pubs):
        if not isinstance(parts, list) or not 1 <= len(parts) <= most:
            raise BadInput(f"Pub {index} is not a list of at most {most} parts, circuit first.")
        yield index, parts + [None] * (most - len(parts))


def circuit_of(value: Any, budget: Budget) -> QuantumCircuit:
    """The circuit of a pub: QPY under its tag, or the text of an OpenQASM 3 program."""
    if isinstance(value, str):
        return load_qasm(value)
    if isinstance(value, dict) and value.get("__type__") == "QuantumCircuit":
        circuit: QuantumCircuit = decode(value, allow=CIRCUIT, budget=budget)
        return circuit
    raise BadProgram("The circuit of a pub is neither a QuantumCircuit nor OpenQASM 3 text.")


def values_of(value: Any, circuit: QuantumCircuit, budget: Budget, *, index: int) -> BindingsArray:
    """The parameter values of a pub, their columns in the order of ``circuit.parameters``."""
    names = [parameter.name for parameter in circuit.parameters]
    if value is None:
        value = []
    if isinstance(value, dict) and "__type__" not in value:
        array = columns(value, names, index=index)
    else:
        array = decode(value, allow=ARRAY, budget=budget)
        array = array if isinstance(array, np.ndarray) else numbers_of(array)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise BadInput(f"Pub {index} has parameter values that are not finite real numbers.")
    if array.shape[-1:] != (len(names),):
        raise BadInput(
            f"Pub {index} has parameter values of shape {array.shape}, its circuit {len(names)} parameters.",
            solution="The last axis of the values is over the circuit's parameters.",
        )
    shape = array.shape[:-1]
    counted(0, shape)
    return BindingsArray({tuple(names): array} if names else None, shape=shape)


def columns(value: dict[str, Any], names: list[str], *, index: int) -> NDArray[np.float64]:
    """Parameter values that are given by name, as one array."""
    if set(value) != set(names):
        raise BadInput(f"Pub {index} names other parameters than its circuit, which has {', '.join(names)}.")
    try:
        return np.stack([numbers_of(value[name]) for name in names] or [np.zeros(0)], axis=-1)
    except ValueError:
        raise BadInput(f"Pub {index} has parameter values of different shapes.") from None


def counted(elements: int, shape: tuple[int, ...]) -> int:
    """How many elements there are with those of one more shape.

    Raises:
        LimitExceeded: They are more than a job may have, or have too many axes.
    """
    elements += prod(shape)
    # an axis of length 0 makes the product small, but not the arrays that are made along the way
    if max(elements, prod(size for size in shape if size)) > MAX_ELEMENTS or len(shape) > MAX_AXES - 2:
        raise LimitExceeded(f"A job has at most {MAX_ELEMENTS} elements; a pub of shape {shape} has more.")
    return elements


def shots_of(value: Any, *, index: int) -> int | None:
    """The shots of a pub."""
    if value is None or (type(value) is int and 1 <= value <= MAX_SHOTS):
        return value
    raise BadInput(f"Pub {index} has {str(value)[:40]} shots, not a number from 1 to {MAX_SHOTS}.")


def precision_of(value: Any, *, index: int) -> float | None:
    """The precision of a pub."""
    if value is None:
        return None
    if type(value) in (int, float) and value > 0 and isfinite(value):
        return float(value)
    raise BadInput(f"Pub {index} has the precision {str(value)[:40]}, not a positive number.")


def observables_of(value: Any, *, width: int, index: int) -> ObservablesArray:
    """The observables of a pub, from lists nested to their shape."""
    shape = nested_shape(value)
    counted(0, shape)
    array = np.empty(shape, dtype=object)
    try:
        for place in np.ndindex(*shape):
            leaf = value
            for position, size in zip(place, shape, strict=True):
                if not isinstance(leaf, list) or len(leaf) != size:
                    raise BadInput(f"Pub {index} has a ragged list of observables.")
                leaf = leaf[position]
            array[place] = ObservablesArray.coerce_observable(terms_of(leaf, width=width, index=index))
    except (ValueError, TypeError) as error:
        raise BadInput(f"Pub {index} has an observable that can't be read: {error}") from None
    return ObservablesArray(array, num_qubits=width, copy=False, validate=False)


def nested_shape(value: Any) -> tuple[int, ...]:
    """The shape of nested lists, by their first items."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def terms_of(value: Any, *, width: int, index: int) -> dict[str, float]:
    """An observable: Pauli strings with their coefficients, or one Pauli string."""
    terms = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(terms, dict) or not terms:
        raise BadInput(f"Pub {index} has an observable that is not a Pauli string or an object of them.")
    for paulis, coefficient in terms.items():
        if not set(paulis) <= PAULIS:
            raise BadInput(f"Pub {index} has the observable {paulis[:60]!r}, not made of I, X, Y and Z.")
        if len(paulis) != width:
            raise ObservableWidth(
                f"Pub {index} has an observable on {len(paulis)} qubits, its circuit has {width}."
            )
        if type(coefficient) not in (int, float):
            raise BadInput(f"Pub {index} has the coefficient {str(coefficient)[:40]}, not a real number.")
    return terms
