"""Inputs of V1 primitives and old runner programs, and their results, in the tagged JSON of 2023.

The decoder of those clients imports the module that a value names and calls the class in it. Ours knows a
closed list of operators, whose modules have to be spelled as Qiskit does: inputs may be shown to others.
Every value of a job's inputs is read here, also those that nobody asks for, before the job does anything.

Source: `RuntimeEncoder` and `RuntimeDecoder` of qiskit-ibm-runtime 0.12.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, Pauli, PauliList, SparsePauliOp

from coldplate.errors import BadInput, LimitExceeded, ObservableWidth
from coldplate.wire import tagged
from coldplate.wire.limits import Budget, inflated, unbase64
from coldplate.wire.qpy import load_circuits

SYMPLECTIC = "qiskit.quantum_info.operators.symplectic"
VALUES = tagged.VALUES | {"NoiseModel"}
INT_KEYS = "__int_keys__"
MAX_ENTRIES = 100_000  # of one job
MAX_TERMS = 100_000  # Pauli strings of one observable
MAX_OPERATOR = 10  # qubits of an observable that is given as a matrix
MAX_PARAMETER = 4096  # bytes


@dataclass(frozen=True)
class Entry:
    """One result that is asked for.

    Attributes:
        circuit: Number of its circuit.
        values: Parameter values, in the order of the circuit's own parameters.
        observable: None: the sampler has none.
    """

    circuit: int
    values: NDArray[np.float64]
    observable: SparsePauliOp | None = None


@dataclass
class Reader:
    """Reads values, each distinct circuit once.

    Attributes:
        circuits: All that were read, in order of appearance.
    """

    budget: Budget = field(default_factory=Budget)
    circuits: list[QuantumCircuit] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def read(self, value: Any) -> Any:
        """A value with everything tagged in it read.

        Raises:
            BadInput: A value is of a type that is not known, or not what its type says.
            BadProgram, NotIsa, LimitExceeded: See `wire.qpy.load_circuits`.
        """
        if isinstance(value, list):
            return [self.read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "__type__" not in value:
            return {name: self.read(item) for name, item in untagged(value)}
        tag = value["__type__"]
        if not isinstance(tag, str):
            raise BadInput("The type of a value is not text.")
        if tag == "settings":
            return operator(value, self.budget)
        if set(value) != {"__type__", "__value__"}:
            raise BadInput(f"A tagged {str(tag)[:40]} has other fields than __type__ and __value__.")
        if tag in VALUES:
            return tagged.decode(value, allow=VALUES, budget=self.budget)
        readers: dict[str, Callable[[Any], Any]] = {
            "QuantumCircuit": lambda inner: self.circuits[self.place(inner)],
            "Instruction": lambda inner: self.circuits[self.place(inner)].data[0].operation,
            "Parameter": parameter,
        }
        if tag not in readers:
            raise BadInput(f"A value of type {tag[:60]!r} is not accepted.")
        return readers[tag](value["__value__"])

    def place(self, text: Any) -> int:
        """The number of a circuit, which is read when it is new."""
        if not isinstance(text, str):
            raise BadInput("A circuit is not text.")
        if text not in self._known:
            self.circuits.append(load_circuits(inflated(text, self.budget), expected=1)[0])
            self._known[text] = len(self.circuits) - 1
        return self._known[text]


def untagged(value: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """The items of an object; keys that were integers are so again."""
    check_flag(value)
    whole = value.get(INT_KEYS) is True
    for name, item in value.items():
        if name != INT_KEYS:
            yield (int(name) if whole and name.lstrip("-").isdigit() else name), item


def check_flag(value: Mapping[str, Any]) -> None:
    """Refuse a flag for integer keys that is something else: nobody reads it, but clients decode it.

    Raises:
        BadInput: It is.
    """
    if value.get(INT_KEYS, True) is not True:
        raise BadInput(f"The field {INT_KEYS} is something else than true.")


def parameter(value: Any) -> None:
    """A parameter by itself: nothing needs it, since values come in the order of the circuit's own."""
    if len(unbase64(value)) > MAX_PARAMETER:
        raise BadInput("A parameter has a name that is too long.")


# --- operators ------------------------------------------------------------------------------------


def operator(value: Any, budget: Budget) -> Any:
    """An operator from the module, the class and the arguments that a client names.

    Raises:
        BadInput: It is none of those known, by exactly their module and arguments.
    """
    fields = {"__type__", "__module__", "__class__", "__value__"}
    right = isinstance(value, dict) and value.get("__type__") == "settings"
    if not right or set(value) - {INT_KEYS} != fields:
        raise BadInput("A value of type 'settings' is not an operator.")
    check_flag(value)
    place = (str(value["__module__"])[:100], str(value["__class__"])[:40])
    known = OPERATORS.get(place)
    arguments = value["__value__"]
    if known is None or not isinstance(arguments, dict):
        named = ".".join(place)
        raise BadInput(f"An object of {named} is not accepted, only operators of qiskit.quantum_info.")
    names, make = known
    if not set(arguments) <= names:
        raise BadInput(f"A {value['__class__']} has other arguments than {', '.join(sorted(names))}.")
    try:
        return make(arguments, budget)
    except (QiskitError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadInput(f"A {value['__class__']} can't be read: {str(error)[:200]}") from None


def labels(value: Any) -> list[str]:
    """Pauli strings."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadInput("Pauli strings are not a list of texts.")
    if len(found) > MAX_TERMS:
        raise LimitExceeded(f"An observable has more than {MAX_TERMS} Pauli strings.")
    return found


def pauli_list(arguments: Mapping[str, Any], _budget: Budget) -> PauliList:
    """Pauli strings as an operator."""
    return PauliList(labels(arguments["data"]))


def pauli(arguments: Mapping[str, Any], _budget: Budget) -> Pauli:
    """One Pauli string as an operator."""
    return Pauli(labels(arguments["data"])[0])


def sparse_pauli_op(arguments: Mapping[str, Any], budget: Budget) -> SparsePauliOp:
    """A weighted sum of Pauli strings."""
    data = arguments["data"]
    paulis = operator(data, budget) if isinstance(data, dict) else PauliList(labels(data))
    if not isinstance(paulis, PauliList):
        raise BadInput("A SparsePauliOp is made of something else than Pauli strings.")
    coefficients = tagged.decode(arguments.get("coeffs"), allow=tagged.VALUES, budget=budget)
    return SparsePauliOp(paulis, coefficients)


def matrix_operator(arguments: Mapping[str, Any], budget: Budget) -> SparsePauliOp:
    """A matrix over a few qubits."""
    for name in ("input_dims", "output_dims"):
        if not is_dims(arguments.get(name)):
            raise BadInput(f"The {name} of an operator are not a list of integers.")
    matrix = tagged.decode(arguments["data"], allow=tagged.VALUES, budget=budget)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or len(matrix) > 2**MAX_OPERATOR:
        raise LimitExceeded(f"An observable as a matrix has at most {MAX_OPERATOR} qubits.")
    return SparsePauliOp.from_operator(Operator(matrix))


def is_dims(value: Any) -> bool:
    """Whether a value can be the dimensions of subsystems."""
    return value is None or isinstance(value, list) and all(type(one) is int for one in value)


def pauli_sum_op(arguments: Mapping[str, Any], budget: Budget) -> SparsePauliOp:
    """A sum of Pauli strings as the former opflow had it."""
    factor = tagged.decode(arguments.get("coeff", 1.0), allow=tagged.VALUES, budget=budget)
    primitive = operator(arguments["primitive"], budget)
    if not isinstance(primitive, SparsePauliOp) or not isinstance(factor, int | float | complex):
        raise BadInput("A PauliSumOp is made of something else than a SparsePauliOp and a number.")
    return primitive * factor


OPERATORS: dict[tuple[Any, Any], tuple[set[str], Callable[[Mapping[str, Any], Budget], Any]]] = {
    (f"{SYMPLECTIC}.sparse_pauli_op", "SparsePauliOp"): ({"data", "coeffs"}, sparse_pauli_op),
    (f"{SYMPLECTIC}.pauli_list", "PauliList"): ({"data"}, pauli_list),
    (f"{SYMPLECTIC}.pauli", "Pauli"): ({"data"}, pauli),
    ("qiskit.quantum_info.operators.operator", "Operator"): (
        {"data", "input_dims", "output_dims"},
        matrix_operator,
    ),
    ("qiskit.opflow.primitive_ops.pauli_sum_op", "PauliSumOp"): ({"primitive", "coeff"}, pauli_sum_op),
}

# --- what is asked for ------------------------------------------------------------------------------


def entries(
    fields: Mapping[str, Any], reader: Reader, *, with_observables: bool
) -> tuple[list[Entry], dict[str, Any]]:
    """The results that a job asks for, and everything else of its params as read.

    Raises:
        BadInput: Lists are of different lengths, or an index points nowhere.
        ObservableWidth: An observable has another width than its circuit.
    """
    circuits = [circuit_number(value, reader) for value in listed(fields, "circuits")]
    rest = {name: reader.read(value) for name, value in fields.items() if name != "circuits"}
    chosen = picked(circuits, rest.get("circuit_indices"), where="circuit_indices")
    values = listed(rest, "parameter_values")
    if len(values) != len(chosen) or len(chosen) > MAX_ENTRIES:
        raise BadInput(f"There are {len(chosen)} circuits and {len(values)} lists of parameter values.")
    observables: Sequence[SparsePauliOp | None] = [None] * len(chosen)
    if with_observables:
        known = [observable(value) for value in listed(rest, "observables")]
        observables = picked(known, rest.get("observable_indices"), where="observable_indices")
        if len(observables) != len(chosen):
            raise BadInput(f"There are {len(chosen)} circuits and {len(observables)} observables.")
    found = []
    for index, (circuit, numbers, measured) in enumerate(zip(chosen, values, observables, strict=True)):
        width = reader.circuits[circuit].num_qubits
        if measured is not None and measured.num_qubits != width:
            raise ObservableWidth(
                f"Observable {index} is on {measured.num_qubits} qubits, its circuit has {width}."
            )
        found.append(Entry(circuit, bound(numbers, reader.circuits[circuit], index=index), measured))
    return found, rest


def circuit_number(value: Any, reader: Reader) -> int:
    """The number of a circuit."""
    if not isinstance(value, dict) or value.get("__type__") != "QuantumCircuit":
        raise BadInput("The circuits have something else than circuits.")
    reader.read(value)
    return reader.place(value["__value__"])


def listed(fields: Mapping[str, Any], name: str) -> list[Any]:
    """A field that is a list."""
    found = fields.get(name)
    if not isinstance(found, list):
        raise BadInput(f"The params have no list of {name}.")
    return found


def picked(things: Sequence[Any], indices: Any, *, where: str) -> list[Any]:
    """What indices point at; all in order when there are none."""
    if indices is None:
        return list(things)
    if not isinstance(indices, list) or not all(
        type(one) is int and 0 <= one < len(things) for one in indices
    ):
        raise BadInput(f"{where} points at something else than one of {len(things)}.")
    return [things[one] for one in indices]


def bound(numbers: Any, circuit: QuantumCircuit, *, index: int) -> NDArray[np.float64]:
    """Parameter values of one entry."""
    array = numbers if isinstance(numbers, np.ndarray) else tagged.numbers_of(numbers or [])
    if array.shape != (circuit.num_parameters,) or array.dtype.kind not in "iuf":
        raise BadInput(
            f"Entry {index} has {array.shape} parameter values, its circuit {circuit.num_parameters}."
        )
    if not np.isfinite(array).all():
        raise BadInput(f"Entry {index} has parameter values that are not finite.")
    return array.astype(np.float64)


def observable(value: Any) -> SparsePauliOp:
    """An observable as a sum of Pauli strings with real weights."""
    found = value if isinstance(value, SparsePauliOp) else None
    if isinstance(value, Pauli | PauliList):
        found = SparsePauliOp(value)
    if found is None:
        raise BadInput(f"An observable is {type(value).__name__}, not an operator.")
    if found.size > MAX_TERMS:
        raise LimitExceeded(f"An observable has more than {MAX_TERMS} Pauli strings.")
    if not np.isfinite(found.coeffs).all() or np.abs(found.coeffs.imag).max(initial=0.0) > 1e-9:
        raise BadInput("An observable has coefficients that are not real numbers.")
    return found
