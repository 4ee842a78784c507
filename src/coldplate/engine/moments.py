"""Means of Pauli strings and variances of their sums, from packed shots of many elements at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coldplate.circuits.parity import Words, signs, to_words
from coldplate.kernel import native

Floats = NDArray[np.float64]

MAX_TABLE_BITS = 16  # outcomes are counted in a table up to here
WORKSPACE = 1 << 23  # numbers held at a time
ROWS = 64  # sums formed at a time, shot by shot


def moments(
    packed: NDArray[np.uint8], num_bits: int, *, masks: Words, coefficients: csr_array
) -> tuple[Floats, Floats]:
    """Means of strings, and variances of the means of sums of them.

    The variance of a sum is that of its value in each shot, so covariances of strings that are measured
    together are in it.

    Args:
        packed: Shots, shape ``(num_elements, num_shots, num_bytes)``.
        num_bits: Bits of a shot.
        masks: Which bits each string reads, shape ``(num_strings, num_words)``.
        coefficients: Sums of strings, shape ``(num_sums, num_strings)``.

    Returns:
        Means, shape ``(num_elements, num_strings)``, and variances, shape ``(num_elements, num_sums)``.
    """
    words = to_words(packed)
    num_elements, num_shots, _ = words.shape
    variances = np.zeros((num_elements, coefficients.shape[0]))
    present = np.flatnonzero(np.diff(coefficients.indptr))  # sums that have a string here at all
    sums = coefficients[present]
    if num_bits <= MAX_TABLE_BITS and 1 << num_bits <= 2 * num_shots:
        means, variances[:, present] = by_counting(words[..., 0], num_bits, masks=masks, sums=sums)
    else:
        means, variances[:, present] = by_shots(words, masks=masks, sums=sums)
    return means, variances.clip(0) / max(1, num_shots - 1)


def by_counting(words: Words, num_bits: int, *, masks: Words, sums: csr_array) -> tuple[Floats, Floats]:
    """Means and variances per shot, from how often each outcome came: for few bits and many shots."""
    num_elements, num_shots = words.shape
    size = 1 << num_bits
    readings = signs(np.arange(size, dtype=words.dtype)[:, None], masks).astype(np.float64)
    values = sums @ readings
    means, variances = np.empty((num_elements, len(masks))), np.empty((num_elements, sums.shape[0]))
    step = max(1, WORKSPACE // size)
    for start in range(0, num_elements, step):
        part = slice(start, min(start + step, num_elements))
        shots = words[part].astype(np.int64)
        shots += np.arange(len(shots))[:, None] * size
        counts = np.bincount(shots.ravel(), minlength=len(shots) * size).reshape(-1, size)
        frequencies = counts / num_shots
        means[part] = frequencies @ readings.T
        variances[part] = frequencies @ (values**2).T - (frequencies @ values.T) ** 2
    return means, variances


def by_shots(words: Words, *, masks: Words, sums: csr_array) -> tuple[Floats, Floats]:
    """Means and variances per shot, from the shots one by one: for many bits."""
    num_elements, num_shots, num_words = words.shape
    means, variances = np.empty((num_elements, len(masks))), np.empty((num_elements, sums.shape[0]))
    step = max(1, WORKSPACE // (num_shots * max(len(masks), 1)))
    for start in range(0, num_elements, step):
        part = slice(start, min(start + step, num_elements))
        readings = signs(words[part].reshape(-1, num_words), masks)
        shape = (-1, part.stop - part.start, num_shots)
        means[part] = readings.reshape(shape).mean(axis=-1, dtype=np.float64).T
        for row in range(0, sums.shape[0], ROWS):
            values = (sums[row : row + ROWS] @ readings).reshape(shape)
            variances[part, row : row + ROWS] = values.var(axis=-1).T
    return means, variances


def string_means(packed: NDArray[np.uint8], masks: Words) -> Floats:
    """Means of strings over the shots of each execution.

    Args:
        packed: Shots, shape ``(..., num_shots, num_bytes)``.
        masks: Which bits each string reads, shape ``(num_strings, num_words)``.

    Returns:
        Shape ``(..., num_strings)``.
    """
    words = to_words(packed)
    *shape, num_shots, num_words = words.shape
    rows = words.reshape(-1, num_shots, num_words)
    found = np.empty((len(rows), len(masks)))
    step = max(1, WORKSPACE // (num_shots * max(len(masks), 1)))
    for start in range(0, len(rows), step):
        found[start : start + step] = sums_of_signs(rows[start : start + step], masks)
    found /= num_shots
    return found.reshape(*shape, len(masks))


def sums_of_signs(rows: Words, masks: Words) -> Floats:
    """Sums over shots, shape ``(num_rows, num_strings)``: exact, they are whole numbers."""
    num_rows, num_shots, num_words = rows.shape
    kernel = native()
    if kernel is None:
        readings = signs(rows.reshape(-1, num_words), masks).reshape(len(masks), num_rows, num_shots)
        sums: Floats = readings.sum(axis=-1, dtype=np.float64).T
        return sums
    # bits of 127 qubits take a twentieth of the time
    odd = kernel.count_odd(rows.astype(np.uint64), masks.astype(np.uint64))
    found: Floats = num_shots - 2.0 * odd
    return found
