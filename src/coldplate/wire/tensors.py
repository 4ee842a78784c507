"""Tensors of the executor: raw or deflated bytes with a shape and a type, booleans packed eight to a byte."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplate.errors import BadInput
from coldplate.wire.limits import Budget, deflated, unbase64
from coldplate.wire.params import fields

MAX_AXES = 32
DTYPES: Mapping[str, str] = {
    **{f"f{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"i{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"c{bits}": f"<c{bits // 8}" for bits in (64, 128)},
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
FEW = frozenset({"bool", "f64", "u8", "c128"})  # the types before schema v2.0
ALL = FEW | frozenset(DTYPES)
WIDEST = {"f": np.float64, "i": np.float64, "u": np.float64, "c": np.complex128}


def read_tensor(value: Any, budget: Budget, *, compressed: bool) -> NDArray[Any]:
    """The array that a tensor describes.

    Args:
        compressed: Whether the bytes are deflated and may have any type, as from schema v2.0 on.

    Raises:
        BadInput: It isn't a tensor, or has not exactly the bytes that its shape says.
        LimitExceeded: It unfolds to more than is left.
    """
    found = fields(value, ("data", "shape", "dtype"), where="A tensor")
    name, shape = found["dtype"], shape_of(found["shape"])
    if not isinstance(name, str) or name not in (ALL if compressed else FEW):
        raise BadInput(f"A tensor has the type {str(name)[:40]!r}, which is not known here.")
    raw = unbase64(found["data"])
    if compressed:
        raw = budget.inflate(raw)
    size = prod(shape)
    needed = -(-size // 8) if name == "bool" else size * np.dtype(DTYPES[name]).itemsize
    if len(raw) != needed:
        raise BadInput(f"A tensor of type {name} and shape {shape} has {len(raw)} bytes, not {needed}.")
    if name == "bool":
        budget.spend(size)
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=size, bitorder="little")
        return bits.astype(np.bool_).reshape(shape)
    array = np.frombuffer(raw, dtype=DTYPES[name]).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))


def write_tensor(array: NDArray[Any], *, compressed: bool) -> dict[str, Any]:
    """An array as a tensor; before schema v2.0 numbers take the widest type of their kind."""
    if array.dtype == np.bool_:
        name, raw = "bool", np.packbits(array, axis=None, bitorder="little").tobytes()
    else:
        if not compressed and array.dtype != np.uint8:
            array = array.astype(WIDEST[array.dtype.kind])
        name = NAMES[array.dtype.newbyteorder("<")]
        raw = array.astype(DTYPES[name]).tobytes()
    data = deflated(raw) if compressed else base64.b64encode(raw).decode("ascii")
    return {"data": data, "shape": list(array.shape), "dtype": name}


def shape_of(value: Any) -> tuple[int, ...]:
    """A shape from a list of sizes."""
    if (
        isinstance(value, list)
        and len(value) <= MAX_AXES
        and all(type(size) is int and 0 <= size < 2**62 for size in value)
    ):
        return tuple(value)
    raise BadInput(f"Not a shape: {str(value)[:80]}.")
