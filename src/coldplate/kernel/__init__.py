"""The native kernel: circuits as array programs, run for many elements in one call.

It is built at installation where there is a C++ compiler, once per instruction set, and the widest that the
processor has is loaded. Everything works without it, on Aer and NumPy.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

LEVELS = (4, 3, 1)  # as x86-64 levels are numbered: AVX-512, AVX2, any processor


def build(level: int) -> ModuleType | None:
    """The kernel built for one instruction set; None where there is none."""
    try:
        return import_module(f"coldplate.kernel._v{level}")
    except ImportError:
        return None


@cache
def native() -> Any:
    """The kernel for this processor; None where none was built."""
    first = build(1)
    if first is None:
        return None
    for level in LEVELS:
        if level <= first.level():
            found = build(level)
            if found is not None:
                return found
    return first


def instruction_set() -> str | None:
    """What the loaded kernel was built for; None: there is no kernel."""
    found = native()
    if found is None:
        return None
    return {"_v4": "AVX-512", "_v3": "AVX2", "_v1": "any processor"}[found.__name__.rpartition(".")[2]]
