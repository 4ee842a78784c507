"""The model of claim, fence and free once more, in Promela: Spin finds what an explorer of our own might not.

Spin is optional (Debian: `spin`); so is a C compiler. `test_claim_fence_free.py` needs neither.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("claim_fence_free.pml")
SPIN, CC = shutil.which("spin"), shutil.which("cc")

pytestmark = pytest.mark.skipif(not (SPIN and CC), reason="needs spin and cc")


def verified(place: Path, *missing: str) -> str:
    """What Spin says of the model without some rules."""
    options = [f"-DNO_{rule}" for rule in missing]
    subprocess.run([SPIN, *options, "-a", str(MODEL)], cwd=place, check=True, capture_output=True)
    subprocess.run([CC, "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"], cwd=place, check=True)
    done = subprocess.run(["./pan", "-m200000"], cwd=place, capture_output=True, text=True)
    assert "max search depth too small" not in done.stdout
    return done.stdout


def test_with_all_rules_spin_finds_nothing(tmp_path):
    said = verified(tmp_path)
    assert "errors: 0" in said
    assert "pan:1:" not in said


@pytest.mark.parametrize(
    ("rule", "violated"),
    [("CLAIM", "ends[j]<=1"), ("FENCE", "alive"), ("KILL", "drivers<=1"), ("LEASE", "state[0]")],
)
def test_without_one_rule_spin_finds_what_goes_wrong(rule, violated, tmp_path):
    said = verified(tmp_path, rule)
    assert "errors: 1" in said
    assert violated in next(line for line in said.splitlines() if line.startswith("pan:1:"))
