"""Quasi-distributions: shots as a distribution over bit strings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from qiskit.primitives import BitArray, DataBin

from coldplate.circuits.program import pack_bits, unpack_bits
from coldplate.errors import BadInput


def counted(data: DataBin, place: int | tuple[()]) -> dict[str, int]:
    """How often each bit string was read, over all registers of one element; the first bit is the rightmost.

    Raises:
        BadInput: There are no classical bits.
    """
    tables = []
    for found in data.values():
        if not isinstance(found, BitArray):
            raise BadInput("A distribution is made of bits, not of IQ points.")
        tables.append(unpack_bits(found.array[place], found.num_bits))
    if not tables or not sum(table.shape[-1] for table in tables):
        raise BadInput("A circuit has no classical bits: nothing would be read of it.")
    bits = np.concatenate(tables, axis=-1)
    packed, numbers = np.unique(pack_bits(bits), axis=0, return_counts=True)
    width = bits.shape[-1]
    texts = (format(int.from_bytes(row.tobytes(), "big"), f"0{width}b") for row in packed)
    return dict(zip(texts, numbers.tolist(), strict=True))


def quasi(counts: Mapping[str, int]) -> dict[str, float]:
    """Shares of all shots.

    >>> quasi({"00": 1, "11": 3})
    {'00': 0.25, '11': 0.75}
    """
    total = sum(counts.values())
    return {text: number / total for text, number in counts.items()}
