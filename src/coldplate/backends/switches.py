"""What a catalog says of ZZ and detuning, pair by pair and qubit by qubit; plain numbers only."""

from __future__ import annotations

import math
from collections.abc import Collection

from coldplate.backends.catalog import BadCatalog, Entry

Pair = tuple[int, int]  # of qubits, the lower first
KHZ = 1e3


def zz_rates(entry: Entry, pairs: Collection[Pair]) -> dict[Pair, float]:
    """ZZ rates in Hz by pair; those of 0 are left out.

    Args:
        pairs: Coupled qubits of the device.

    Raises:
        BadCatalog: A pair is not coupled, or a rate is no number.
    """
    given = entry.zz_khz
    if not isinstance(given, dict):
        return {pair: number(entry, "zz_khz", given) for pair in sorted(pairs) if given}
    found = {}
    for key, rate in given.items():
        first, _, second = key.partition("-")
        pair = (int(first), int(second)) if first.isdecimal() and second.isdecimal() else (-1, -1)
        lower = (min(pair), max(pair))
        if lower not in pairs or lower in found:
            raise BadCatalog(
                f"Backend {entry.name!r}: zz_khz names {key!r}, which is no coupled pair, or names it twice."
            )
        found[lower] = number(entry, "zz_khz", rate)
    return {pair: found[pair] for pair in sorted(found) if found[pair]}


def detunings(entry: Entry, num_qubits: int) -> list[float]:
    """Spreads of detunings in Hz, one per qubit.

    Raises:
        BadCatalog: There is not one per qubit, or one is negative or no number.
    """
    given = entry.detuning_khz
    numbers = given if isinstance(given, list) else [given] * num_qubits
    if len(numbers) != num_qubits:
        raise BadCatalog(
            f"Backend {entry.name!r}: detuning_khz has {len(numbers)} numbers for {num_qubits} qubits."
        )
    if min(numbers) < 0:
        raise BadCatalog(f"Backend {entry.name!r}: detuning_khz = {min(numbers)} can't be.")
    return [number(entry, "detuning_khz", one) for one in numbers]


def number(entry: Entry, field: str, value: float) -> float:
    """Kilohertz in hertz."""
    if not math.isfinite(value):
        raise BadCatalog(f"Backend {entry.name!r}: {field} = {value} can't be.")
    return value * KHZ
