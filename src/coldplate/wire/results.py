"""Results of the sampler and the estimator as clients read them: with tags, or as plain JSON."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult

from coldplate.wire.params import dumps
from coldplate.wire.tagged import encode


def encode_primitive_result(result: PrimitiveResult[PubResult]) -> bytes:
    """A result for Qiskit clients, as tagged JSON; equal results give equal bytes."""
    return dumps(encode(result))


def encode_plain(result: PrimitiveResult[PubResult]) -> bytes:
    """A result for clients without Qiskit, as plain JSON: hexadecimal samples, numbers in nested lists."""
    pubs = [{"data": plain_data(pub.data), "metadata": plain(pub.metadata)} for pub in result]
    return dumps({"results": pubs, "metadata": plain(result.metadata)})


def plain_data(data: DataBin) -> dict[str, Any]:
    """The fields of one pub's result."""
    return {
        name: plain_bits(item) if isinstance(item, BitArray) else plain(np.asarray(item))
        for name, item in data.items()
    }


def plain_bits(bits: BitArray) -> dict[str, Any]:
    """The samples of one register, nested like the pub, shots innermost."""
    rows = bits.array.reshape(-1, bits.array.shape[-1])
    texts = np.array([hex(int.from_bytes(row.tobytes(), "big")) for row in rows], dtype=object)
    return {"samples": texts.reshape(bits.array.shape[:-1]).tolist(), "num_bits": bits.num_bits}


def plain(value: Any) -> Any:
    """A value with numbers for arrays, pairs of numbers for complex ones, and nothing under tags."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "c":
            return plain(np.stack([value.real, value.imag], axis=-1))
        return plain(value.tolist())
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has no number for it
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return untagged(encode(value))


def untagged(value: Any) -> Any:
    """JSON values whose tags are taken off."""
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if isinstance(value, dict):
        if "__type__" in value:
            return untagged(value["__value__"])
        return {name: untagged(item) for name, item in value.items()}
    return value
