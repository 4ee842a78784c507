"""What the zygote imports before the first job comes, and how functions are named to it."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

PRELOAD = (
    "qiskit.circuit",
    "qiskit.primitives",
    "qiskit.qpy",
    "qiskit.quantum_info",
    "qiskit.transpiler",
    "qiskit_aer",
    "samplomatic",
    "stim",
    "coldplate.workers.run_job",
    "coldplate.workers.rehearsal",
    "coldplate.circuits.*",
    "coldplate.noise.*",
    "coldplate.mitigation.*",
    "coldplate.engine.*",
    "coldplate.wire.*",
    "coldplate.backends.*",
    "coldplate.programs.*",
)


def preload(names: Iterable[str]) -> None:
    """Import modules; `package.*` is the package and every module in it."""
    for name in names:
        package = import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
                import_module(module.name)


def find_entry(name: str) -> Any:
    """The function `module:function`."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
