"""The codes of the native kernel's instructions; each is (code, qubit, qubit or bit, argument)."""

from __future__ import annotations

MATRIX, RZ, RX, RY, CZ, CX, SWAP, RZZ, DENSE = range(9)
PAULI1, PAULI2, DAMP, RESET, MEASURE, BRANCH, OTHERWISE, END = range(9, 17)


class Unsupported(Exception):
    """The kernel can't run a component; another method must."""
