"""The limits of the house: short files, short functions, an office that starts without the lab."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "coldplate"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_FILE, MAX_FUNCTION = 400, 50

OFFICE = ["coldplate", "coldplate.settings", "coldplate.domain.snapshot", "coldplate.scheduler.policy"]
OFFICE += ["coldplate.service", "coldplate.api.app", "coldplate.server", "coldplate.cli", "coldplate.testing"]
HEAVY = ("qiskit", "numpy", "scipy", "stim", "samplomatic", "qiskit_aer", "qiskit_ibm_runtime")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_file_and_its_functions_are_short(path):
    text = path.read_text()
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(ast.parse(text))
        if function.end_lineno - function.lineno + 1 > MAX_FUNCTION
    ]
    assert not long
    assert len(text.splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_file_says_what_it_is_and_leaves_nothing_dead(path):
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no module docstring"
    assert "TODO" not in text
    assert "FIXME" not in text


def test_office_starts_without_the_lab():
    code = f"import sys, {', '.join(OFFICE)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(HEAVY)


def test_importing_coldplate_costs_nothing():
    code = "import sys; before = set(sys.modules); import coldplate; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # what finds an editable package may bring modules of the standard library
    loaded = {name for name in done.stdout.split() if name.split(".")[0] not in sys.stdlib_module_names}
    assert loaded == {"coldplate"}
