"""Executor jobs: quantum programs of all schema versions that clients send, and their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from samplomatic.samplex import Samplex

from coldplate.circuits.program import MeasLevel
from coldplate.errors import BadInput
from coldplate.wire.limits import Budget, unbase64
from coldplate.wire.params import check_tags, dumps, fields, read
from coldplate.wire.pubs import MAX_SHOTS, counted
from coldplate.wire.qasm import load_qasm
from coldplate.wire.qpy import load_circuits
from coldplate.wire.samplexes import read_argument, read_samplex
from coldplate.wire.schemas import SCHEMAS, Schema
from coldplate.wire.tensors import read_tensor, shape_of, write_tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class CircuitItem:
    """A circuit with its parameter values.

    Attributes:
        values: Shape ``(..., num_parameters)``, columns in the order of ``circuit.parameters``; the axes
            before broadcast to `shape`.
    """

    circuit: QuantumCircuit
    values: NDArray[np.float64]
    shape: Shape


@dataclass(frozen=True)
class SamplexItem:
    """A template circuit whose parameter values a samplex draws.

    Attributes:
        samplex: Finalized.
        arguments: Numbers, arrays and Pauli Lindblad maps, by the names of the samplex's inputs.
        shape: The arguments broadcast to it; axes that they don't have, or with size 1, are randomizations.
    """

    circuit: QuantumCircuit
    samplex: Samplex
    arguments: Mapping[str, Any]
    shape: Shape


@dataclass(frozen=True)
class ExecutorRequest:
    """What an executor job asks for.

    Attributes:
        shots: Per element of each item.
        passthrough_data: A JSON value that the result repeats as it is.
        semantic_role: How the client reads the result; repeated as it is.
        options: The options as plain JSON.
    """

    schema_version: str
    shots: int
    items: tuple[CircuitItem | SamplexItem, ...]
    meas_level: MeasLevel
    passthrough_data: Any
    semantic_role: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Elements that were run between two times: all of each item named, in order.

    Attributes:
        items: Places of the items in the program.
    """

    start: datetime
    stop: datetime
    items: tuple[int, ...]


def decode(body: bytes) -> ExecutorRequest:
    """The request in the params of an executor job.

    Raises:
        BadInput, BadProgram, NotIsa, LimitExceeded: It can't be read, or is too large.
    """
    params = fields(read(body), ("schema_version", "quantum_program"), where="The params")
    check_tags(params, allowed=(), where="An executor job")  # there are none, nor would they be read
    version = params["schema_version"]
    if not isinstance(version, str) or version not in SCHEMAS:
        raise BadInput(f"The schema version {str(version)[:20]!r} is not one of {', '.join(SCHEMAS)}.")
    schema, budget = SCHEMAS[version], Budget()
    program = fields(params["quantum_program"], ("shots", "items"), where="The quantum program")
    items = program["items"]
    if not isinstance(items, list) or not items:
        raise BadInput("The quantum program has no list of items.")
    level = program.get("meas_level", "classified")
    if not isinstance(level, str) or level not in schema.levels:
        raise BadInput(f"The measurement level {str(level)[:20]!r} is not known in schema {version}.")
    role = program.get("semantic_role")
    if role is not None and not isinstance(role, str):
        raise BadInput("The semantic role is not text.")
    passthrough = program.get("passthrough_data")
    options = params.get("options") or {}
    return ExecutorRequest(
        schema_version=version,
        shots=shots_of(program["shots"]),
        items=tuple(read_items(program, schema, budget)),
        meas_level=cast(MeasLevel, level),
        passthrough_data=passthrough,
        semantic_role=role,
        options=fields(options, (), where="The options"),
    )


def encode(
    request: ExecutorRequest,
    results: Sequence[Mapping[str, NDArray[Any]]],
    *,
    metadata: Sequence[Mapping[str, Any]],
    chunks: Sequence[Chunk],
    applied: Mapping[str, Any],
) -> bytes:
    """The result of an executor job, in the schema version of its request; equal results give equal bytes.

    Args:
        results: Arrays by name, for each item.
        metadata: ``scheduler_timing`` and ``stretch_values`` of each item, where asked for.
        applied: What was run; the official client reads over it.
    """
    schema = SCHEMAS[request.schema_version]
    data = [
        {
            "results": {
                name: write_tensor(array, compressed=schema.compressed) for name, array in arrays.items()
            },
            "metadata": dict(about) if schema.item_metadata else None,
        }
        for arrays, about in zip(results, metadata, strict=True)
    ]
    timing = [write_chunk(chunk, request.items, schema) for chunk in chunks]
    echoes = {name: getattr(request, name) for name in schema.echoes}
    return dumps(
        {
            "schema_version": request.schema_version,
            "data": data,
            "metadata": {"chunk_timing": timing, "coldplate": {"applied": dict(applied)}},
            **echoes,
        }
    )


def write_chunk(chunk: Chunk, items: Sequence[CircuitItem | SamplexItem], schema: Schema) -> dict[str, Any]:
    """When a chunk was run, and what it holds."""
    parts = []
    for index in chunk.items:
        shape = items[index].shape
        part: dict[str, Any] = {"idx_item": index, "size": prod(shape)}
        if schema.ranges:
            part |= {"permutation": list(range(len(shape))), "element_range": [0, prod(shape), 1]}
        parts.append(part)
    return {"start": write_time(chunk.start), "stop": write_time(chunk.stop), "parts": parts}


def write_time(time: datetime) -> str:
    """A time in UTC, as ISO 8601."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shots_of(value: Any) -> int:
    """The shots of each element."""
    if type(value) is int and 1 <= value <= MAX_SHOTS:
        return value
    raise BadInput(f"The quantum program has {str(value)[:40]} shots, not a number from 1 to {MAX_SHOTS}.")


def read_items(
    program: Mapping[str, Any], schema: Schema, budget: Budget
) -> Iterator[CircuitItem | SamplexItem]:
    """The items of a quantum program, with their circuits."""
    items = [
        fields(item, ("item_type",), where=f"Item {index}") for index, item in enumerate(program["items"])
    ]
    if schema.one_blob:
        circuits = shared_circuits(program.get("circuits"), schema, budget, expected=len(items))
    else:
        circuits = [own_circuit(item.get("circuit"), schema) for item in items]
    elements = 0
    for index, (item, circuit) in enumerate(zip(items, circuits, strict=True)):
        found = read_item(item, circuit, schema, budget, index=index)
        elements = counted(elements, found.shape)
        yield found


def read_item(
    item: Mapping[str, Any], circuit: QuantumCircuit, schema: Schema, budget: Budget, *, index: int
) -> CircuitItem | SamplexItem:
    """One item of a quantum program."""
    where, kind = f"Item {index}", item["item_type"]
    chunk_size = item.get("chunk_size", "auto")
    if chunk_size != "auto" and not (type(chunk_size) is int and chunk_size >= 1):
        raise BadInput(f"{where} has the chunk size {str(chunk_size)[:40]!r}.")
    if kind == "circuit":
        found = fields(item, ("circuit_arguments",), where=where)
        values = read_tensor(found["circuit_arguments"], budget, compressed=schema.compressed)
        shape = shape_of(item.get("shape", []))
        return circuit_item(circuit, values, shape=shape, where=where)
    if kind == "samplex":
        found = fields(item, ("samplex", "samplex_arguments", "shape"), where=where)
        given = fields(found["samplex_arguments"], (), where=f"samplex_arguments of {where}")
        return SamplexItem(
            circuit=circuit,
            samplex=read_samplex(found["samplex"], budget, newest=schema.newest_samplex),
            arguments={
                name: read_argument(value, budget, compressed=schema.compressed)
                for name, value in given.items()
            },
            shape=shape_of(found["shape"]),
        )
    raise BadInput(f"{where} has the type {str(kind)[:40]!r}, not circuit or samplex.")


def circuit_item(circuit: QuantumCircuit, values: NDArray[Any], *, shape: Shape, where: str) -> CircuitItem:
    """An item without samplex; its shape is that of the arguments, or larger where the item says so.

    Clients up to 0.51 send an empty shape with any arguments.
    """
    if values.dtype != np.float64 or values.shape[-1:] != (len(circuit.parameters),):
        raise BadInput(
            f"{where} has arguments of type {values.dtype} and shape {values.shape}, "
            f"and a circuit with {len(circuit.parameters)} parameters."
        )
    if not np.isfinite(values).all():
        raise BadInput(f"{where} has arguments that are not finite.")
    try:
        full = np.broadcast_shapes(shape, values.shape[:-1])
    except ValueError:
        raise BadInput(f"{where} has arguments of shape {values.shape}, its own is {shape}.") from None
    return CircuitItem(circuit, values, full)


def own_circuit(value: Any, schema: Schema) -> QuantumCircuit:
    """The circuit of one item, as it is sent before schema v1.0."""
    found = fields(value, ("circuit_b64",), where="The circuit of an item")
    raw = unbase64(found["circuit_b64"])
    return load_circuits(raw, expected=1, versions=schema.qpy)[0]


def shared_circuits(value: Any, schema: Schema, budget: Budget, *, expected: int) -> list[QuantumCircuit]:
    """The circuits of all items, as they are sent from schema v1.0 on."""
    if schema.compressed and isinstance(value, dict) and "data" in value:
        texts = value["data"]
        if (
            not isinstance(texts, list)
            or len(texts) != expected
            or not all(isinstance(text, str) for text in texts)
        ):
            raise BadInput(f"The circuits are not a list of {expected} texts, one for each item.")
        return [load_qasm(text) for text in texts]
    raw = unbase64(fields(value, ("b64_data",), where="The circuits")["b64_data"])
    if schema.compressed:
        raw = budget.inflate(raw)
    return load_circuits(raw, expected=expected, versions=schema.qpy)
