"""What users of 2023 wrote still runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("scripts") / "patterns.py"
PATTERNS = [
    node.name
    for node in ast.parse(SCRIPT.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name != "ideal"
]
# the others differ less from what other tests run
ALWAYS = {
    *("vqe_with_a_callback", "qaoa_sweep", "sampler_kernel", "several_primitives_in_a_session"),
    *("simulated_device", "gradient_by_parameter_shift", "phase_estimation", "marginal_distribution"),
    *("transpiled_by_the_user", "least_busy_device"),
}


def test_there_are_thirty():
    assert len(PATTERNS) == 30


@pytest.mark.parametrize(
    "pattern",
    [pattern if pattern in ALWAYS else pytest.param(pattern, marks=pytest.mark.slow) for pattern in PATTERNS],
)
def test_pattern_runs(old, pattern):
    old.call(f"patterns.{pattern}")
