"""Tagged JSON, ``{"__type__": T, "__value__": V}``: what the classic programs and their results are made of.

The tags are those of `RuntimeEncoder` of qiskit-ibm-runtime 0.51.0. Ours reads only the tags that a place
allows, and makes nothing but the values that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.quantum_info import PauliLindbladMap

from coldplate.engine.spans import DoubleSliceSpan, ExecutionSpans, TwirledSliceSpanV2
from coldplate.errors import BadInput
from coldplate.wire import npy
from coldplate.wire.limits import Budget, deflated, inflated
from coldplate.wire.noise_model import noise_model
from coldplate.wire.qpy import load_circuits

VALUES = frozenset({"ndarray", "complex", "datetime", "set"})  # what may stand inside options
MAX_TIME_TEXT = 40  # characters of an ISO 8601 date and time

# --- reading ----------------------------------------------------------------------------------------------


def decode(value: Any, *, allow: frozenset[str], budget: Budget) -> Any:
    """A JSON value with its tagged values read, from the inside out.

    Args:
        allow: The tags that may be there.
        budget: What the job's blobs may still unfold to.

    Raises:
        BadInput: There is another tag, or a tagged value is not what its tag says.
        BadProgram, NotIsa, LimitExceeded: See `wire.qpy.load_circuits`.
    """
    if isinstance(value, list):
        return [decode(item, allow=allow, budget=budget) for item in value]
    if not isinstance(value, dict):
        return value
    if "__type__" not in value:
        return {name: decode(item, allow=allow, budget=budget) for name, item in value.items()}
    tag = value["__type__"]
    if not isinstance(tag, str) or tag not in allow or tag not in READERS:
        known = ", ".join(sorted(allow))
        raise BadInput(f"A value of type {str(tag)[:60]!r} is not accepted here, only {known}.")
    if set(value) != {"__type__", "__value__"}:
        raise BadInput(f"A tagged {tag} has other fields than __type__ and __value__.")
    inner = value["__value__"]
    if tag not in OPAQUE:
        inner = decode(inner, allow=allow, budget=budget)
    return READERS[tag](inner, budget)


def array_of(value: Any, budget: Budget) -> NDArray[Any]:
    """An array: a deflated `.npy` file, or a list of numbers."""
    if isinstance(value, list):
        return numbers_of(value)
    array = npy.load(inflated(value, budget))
    budget.spend(array.nbytes)
    return array


def numbers_of(value: Any) -> NDArray[Any]:
    """An array of plain JSON numbers, as float64.

    Raises:
        BadInput: It is ragged, or has something else than numbers.
    """
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise BadInput("A list that stands for an array is ragged, or has something else than numbers.")
    return array.astype(np.float64)


def circuit_of(value: Any, budget: Budget) -> Any:
    """The one circuit of a deflated QPY file."""
    return load_circuits(inflated(value, budget), expected=1)[0]


def complex_of(value: Any, _budget: Budget) -> complex:
    """A complex number from its two parts."""
    if isinstance(value, list) and len(value) == 2 and all(type(part) in (int, float) for part in value):
        return complex(value[0], value[1])
    raise BadInput("A complex number is not a list of two numbers.")


def datetime_of(value: Any, _budget: Budget) -> datetime:
    """A date and time from ISO 8601."""
    if isinstance(value, str) and len(value) <= MAX_TIME_TEXT:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise BadInput(f"Not a date and time: {str(value)[:60]!r}.")


def set_of(value: Any, _budget: Budget) -> frozenset[Any]:
    """A set of simple values."""
    if isinstance(value, list) and all(isinstance(item, str | int | float | complex) for item in value):
        return frozenset(value)
    raise BadInput("A set is not a list of simple values.")


def bit_array_of(value: Any, _budget: Budget) -> BitArray:
    """Bits of shots."""
    try:
        return BitArray(value["array"], value["num_bits"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"Not an array of bits: {error}.") from None


def map_of(value: Any, _budget: Budget) -> PauliLindbladMap:
    """A Pauli Lindblad map, from its sparse terms or its field of that."""
    if not isinstance(value, dict):
        raise BadInput("A Pauli Lindblad map is not an object.")
    return pauli_lindblad_map(value.get("paulis"), num_qubits=value.get("num_qubits"))


def pauli_lindblad_map(terms: Any, *, num_qubits: Any) -> PauliLindbladMap:
    """A Pauli Lindblad map.

    Args:
        terms: Letters, qubits and rate of each term.

    Raises:
        BadInput: It isn't one.
    """
    if type(num_qubits) is not int or not 0 <= num_qubits <= 100_000 or not isinstance(terms, list):
        raise BadInput(f"A Pauli Lindblad map has {str(num_qubits)[:30]} qubits, or no list of terms.")
    try:
        return PauliLindbladMap.from_sparse_list(
            [(letters, qubits, float(rate)) for letters, qubits, rate in terms], num_qubits
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"Not a Pauli Lindblad map: {error}.") from None


def noise_of(value: Any, _budget: Budget) -> Any:
    """A noise model of Aer's."""
    return noise_model(value)


READERS: Mapping[str, Callable[[Any, Budget], Any]] = {
    "BitArray": bit_array_of,
    "NoiseModel": noise_of,
    "PauliLindbladMap": map_of,
    "QuantumCircuit": circuit_of,
    "complex": complex_of,
    "datetime": datetime_of,
    "ndarray": array_of,
    "set": set_of,
}
OPAQUE = frozenset({"QuantumCircuit", "ndarray", "datetime"})  # nothing tagged can be inside

# --- writing ----------------------------------------------------------------------------------------------


def encode(value: Any) -> Any:
    """A result as JSON values; equal results give equal values, in the same order.

    Raises:
        TypeError: There is something that has no tag.
    """
    if value is None or isinstance(value, str | bool | int | float) and not isinstance(value, np.generic):
        return value
    if isinstance(value, Mapping):
        return {str(name): encode(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    for kind, write in WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"{type(value).__name__} can't be a part of a result.")


def tagged(tag: str, value: Any) -> dict[str, Any]:
    """A value under its tag."""
    return {"__type__": tag, "__value__": value}


def write_set(value: frozenset[Any]) -> dict[str, Any]:
    """A set, in an order that does not depend on hashes."""
    return tagged("set", [encode(item) for item in sorted(value, key=repr)])


def write_array(array: NDArray[Any]) -> dict[str, Any]:
    """An array as a deflated `.npy` file."""
    return tagged("ndarray", deflated(npy.dump(array)))


def write_bits(bits: BitArray) -> dict[str, Any]:
    """Bits of shots."""
    return tagged("BitArray", {"array": encode(bits.array), "num_bits": bits.num_bits})


def write_data(data: DataBin) -> dict[str, Any]:
    """The fields of a pub's result; plain numbers become arrays without axes, as clients expect."""
    fields = {name: item if isinstance(item, BitArray) else np.asarray(item) for name, item in data.items()}
    return tagged(
        "DataBin",
        {
            "field_names": list(fields),
            "field_types": [type(item).__name__ for item in fields.values()],
            "shape": encode(data.shape),
            "fields": encode(fields),
        },
    )


def write_pub(result: PubResult) -> dict[str, Any]:
    """The result of one pub."""
    tag = "SamplerPubResult" if isinstance(result, SamplerPubResult) else "PubResult"
    return tagged(tag, {"data": encode(result.data), "metadata": encode(result.metadata)})


def write_result(result: PrimitiveResult[Any]) -> dict[str, Any]:
    """The result of a primitive's job."""
    return tagged(
        "PrimitiveResult", {"pub_results": encode(list(result)), "metadata": encode(result.metadata)}
    )


def write_span(span: DoubleSliceSpan | TwirledSliceSpanV2) -> dict[str, Any]:
    """Which shots were taken between two times; slices become their two ends."""
    slices = {
        str(pub): [end for part in parts for end in ends(part)] for pub, parts in span.data_slices.items()
    }
    return tagged(
        type(span).__name__,
        {"start": encode(span.start), "stop": encode(span.stop), "data_slices": slices},
    )


def ends(part: Any) -> list[Any]:
    """A part of a span's slices as it is written."""
    if isinstance(part, slice):
        return [part.start, part.stop]
    return [encode(part)]


WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (np.generic, lambda number: encode(number.item())),
    (np.ndarray, write_array),
    (complex, lambda number: tagged("complex", [number.real, number.imag])),
    (datetime, lambda time: tagged("datetime", time.isoformat())),
    (set | frozenset, write_set),
    (BitArray, write_bits),
    (DataBin, write_data),
    (PubResult, write_pub),
    (PrimitiveResult, write_result),
    (ExecutionSpans, lambda spans: tagged("ExecutionSpans", {"spans": [write_span(s) for s in spans.spans]})),
    (
        PauliLindbladMap,
        lambda rates: tagged(
            "PauliLindbladMap", {"paulis": encode(rates.to_sparse_list()), "num_qubits": rates.num_qubits}
        ),
    ),
)
