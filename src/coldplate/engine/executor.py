"""Executor: program items as they were asked for -> items that a backend runs, nothing added or undone."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from samplomatic.exceptions import ParameterError, SamplexError, VirtualGateError
from samplomatic.samplex import Samplex
from samplomatic.tensor_interface import TensorInterface

from coldplate.circuits.content import content_of
from coldplate.circuits.program import Item
from coldplate.errors import BadInput

Shape = tuple[int, ...]
ANGLES = "parameter_values"  # of a samplex: what the template circuit is bound to
# what samplomatic raises when arguments do not fit
UNFIT = (SamplexError, ParameterError, VirtualGateError, ValueError, TypeError, KeyError, IndexError)


def circuit_item(
    circuit: QuantumCircuit, arguments: NDArray[np.float64], *, shape: Shape, shots: int, index: int
) -> Item:
    """An item whose angles are given; axes that the arguments don't have are repetitions.

    Args:
        arguments: Values in the order of ``circuit.parameters``, shape ``(..., num_parameters)``.
        shape: What the leading axes of the arguments are broadcast to.
        index: The item's place in the program, for errors.

    Raises:
        BadInput: The arguments don't fit the circuit or the shape.
    """
    needed = len(circuit.parameters)
    if arguments.shape[-1:] != (needed,):
        raise BadInput(
            f"Item {index} has arguments of shape {arguments.shape}, but a circuit with {needed} parameters."
        )
    try:
        values = np.broadcast_to(arguments, (*shape, needed))
    except ValueError:
        raise BadInput(
            f"Item {index} has arguments of shape {arguments.shape}, which don't broadcast to {shape}."
        ) from None
    return Item(circuit, np.ascontiguousarray(values, dtype=np.float64), shots, content=content_of(circuit))


def samplex_item(
    circuit: QuantumCircuit,
    samplex: Samplex,
    arguments: Mapping[str, Any],
    *,
    shape: Shape,
    shots: int,
    rng: Generator,
    index: int,
) -> Item:
    """An item whose angles are drawn from a samplex; what else it draws goes along as it is.

    Raises:
        BadInput: The arguments don't fit the samplex or the shape, or the samplex the circuit.
    """
    try:
        drawn = draw(samplex.finalize(), arguments, shape=shape, rng=rng)
    except UNFIT as error:
        raise BadInput(f"The samplex of item {index} can't be sampled: {error}") from error
    values = drawn.pop(ANGLES, np.zeros((*shape, 0)))
    needed = len(circuit.parameters)
    if values.shape[-1] != needed:
        raise BadInput(
            f"The samplex of item {index} draws {values.shape[-1]} parameters, its circuit has {needed}."
        )
    return Item(circuit, values.astype(np.float64), shots, side=drawn, content=content_of(circuit))


def draw(
    samplex: Samplex, arguments: Mapping[str, Any], *, shape: Shape, rng: Generator
) -> dict[str, NDArray[Any]]:
    """Samples of a samplex, each of shape ``(*shape, ...)``, by name.

    Axes where the arguments have size 1, or that they don't have, enumerate randomizations; the others sweep
    over the arguments.
    """
    bound = samplex.inputs().make_broadcastable().bind(**arguments)
    given: Shape = (1,) * (len(shape) - bound.ndim) + bound.shape
    if len(given) != len(shape) or np.broadcast_shapes(given, shape) != shape:
        raise ValueError(f"arguments of shape {bound.shape} don't broadcast to {shape}")
    swept = [axis for axis, size in enumerate(given) if size > 1]
    free = [axis for axis, size in enumerate(given) if size <= 1]
    found: dict[str, NDArray[Any]] = {}
    for place in np.ndindex(*(shape[axis] for axis in swept)):
        where: list[Any] = [slice(None)] * len(shape)
        for axis, position in zip(swept, place, strict=True):
            where[axis] = position
        sample = samplex.sample(
            one_of(bound, where), num_randomizations=prod(shape[axis] for axis in free), rng=rng
        )
        for name, values in sample.items():
            if name not in found:
                found[name] = np.empty((*shape, *values.shape[1:]), dtype=values.dtype)
            found[name][tuple(where)] = values.reshape(*(shape[axis] for axis in free), *values.shape[1:])
    return found


def one_of(arguments: TensorInterface, where: list[Any]) -> TensorInterface:
    """The arguments at one place of the sweep."""
    own = where[len(where) - arguments.ndim :]
    return arguments[tuple(0 if isinstance(position, slice) else position for position in own)]
