"""Parities of measured bits, over all shots and Pauli strings at once; bits stay packed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[Any]  # unsigned integers

WIDTHS = ((1, np.uint8), (2, np.uint16), (4, np.uint32), (8, np.uint64))  # bytes, type


def to_words(packed: NDArray[np.uint8]) -> Words:
    """Packed bits as machine words, the narrowest that hold them: shape ``(..., num_words)``.

    Args:
        packed: Bits as `pack_bits` packs them, shape ``(..., num_bytes)``.
    """
    num_bytes = packed.shape[-1]
    width, kind = next((pair for pair in WIDTHS if pair[0] >= num_bytes), WIDTHS[-1])
    padding = -num_bytes % width
    if padding:
        packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(padding, 0)])
    big_endian = np.dtype(kind).newbyteorder(">")
    return np.ascontiguousarray(packed).view(big_endian).astype(kind)


def signs(words: Words, masks: Words) -> NDArray[np.float32]:
    """Values of Pauli strings in every shot: +1 for an even number of ones under the mask, -1 for an odd.

    Args:
        words: Shots, shape ``(num_shots, num_words)``.
        masks: Which bits each string reads, shape ``(num_strings, num_words)``.

    Returns:
        Shape ``(num_strings, num_shots)``.
    """
    # the parity of several words together is the parity of their exclusive or
    folded = words[:, 0] & masks[:, None, 0]
    for word in range(1, words.shape[-1]):
        folded ^= words[:, word] & masks[:, None, word]
    odd = np.bitwise_count(folded) & 1
    return np.subtract(1, 2 * odd.view(np.int8), dtype=np.float32)
