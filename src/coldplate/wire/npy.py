"""Arrays as `.npy` files: our own reader of the header, because `numpy.load` believes what it says."""

from __future__ import annotations

import ast
import io
import struct
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from coldplate.errors import BadInput

MAGIC = b"\x93NUMPY"
MAX_HEADER = 1024  # bytes; a header of 32 axes has less
MAX_AXES = 32
KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
LENGTHS = {1: "<H", 2: "<I", 3: "<I"}  # of the header's length, by format version


def load(raw: bytes) -> NDArray[Any]:
    """The array in a `.npy` file of booleans or numbers, in native byte order and C order.

    Raises:
        BadInput: It is not one, is of another type, or has not exactly the bytes that its shape says.
    """
    header, start = header_of(raw)
    dtype, shape = dtype_of(header.get("descr")), shape_of(header.get("shape"))
    fortran = header.get("fortran_order")
    if not isinstance(fortran, bool) or len(header) != 3:
        raise BadInput("An array's header is not that of a .npy file.")
    size = prod(shape)
    if size * dtype.itemsize != len(raw) - start:
        raise BadInput(f"An array of shape {shape} and type {dtype} has {len(raw) - start} bytes of data.")
    flat = np.frombuffer(raw, dtype=dtype, count=size, offset=start)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return np.array(array, dtype=dtype.newbyteorder("="), order="C")


def dump(array: NDArray[Any]) -> bytes:
    """An array of booleans or numbers as a `.npy` file."""
    file = io.BytesIO()
    npy_format.write_array(file, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def header_of(raw: bytes) -> tuple[dict[Any, Any], int]:
    """The header of a `.npy` file, and where its data starts."""
    if raw[:6] != MAGIC or len(raw) < 10 or raw[6] not in LENGTHS or raw[7] != 0:
        raise BadInput("An array is not a .npy file of version 1, 2 or 3.")
    layout = LENGTHS[raw[6]]
    start = 8 + struct.calcsize(layout)
    if len(raw) < start:
        raise BadInput("An array's header is cut off.")
    (length,) = struct.unpack_from(layout, raw, 8)
    if length > MAX_HEADER or start + length > len(raw):
        raise BadInput(f"An array's header of {length} bytes is too long or cut off.")
    try:
        header = ast.literal_eval(raw[start : start + length].decode("ascii").strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise BadInput("An array's header can't be read.") from None
    if not isinstance(header, dict):
        raise BadInput("An array's header is not that of a .npy file.")
    return header, start + length


def dtype_of(text: object) -> np.dtype[Any]:
    """The type that a header names, if it is one that we take."""
    if (
        isinstance(text, str)
        and 3 <= len(text) <= 4
        and text[0] in "<>|="
        and text[2:].isdecimal()
        and int(text[2:]) in KINDS.get(text[1], ())
    ):
        return np.dtype(text)
    raise BadInput(f"Arrays of type {str(text)[:40]!r} are not accepted, only booleans and numbers.")


def shape_of(value: object) -> tuple[int, ...]:
    """The shape that a header gives."""
    if (
        isinstance(value, tuple)
        and len(value) <= MAX_AXES
        and all(type(size) is int and 0 <= size < 2**62 for size in value)
    ):
        return value
    raise BadInput(f"An array has the shape {str(value)[:80]}.")
