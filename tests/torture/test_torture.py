"""A short run of the torture harness on every change, and the proof that it would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = [
    "read-then-write-claim",
    "answer-before-commit",
    "row-before-file",
    "no-fence",
    "no-kill-before-free",
    "no-lease",
]


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torture", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.timeout(600)
def test_no_invariant_is_violated_under_two_official_clients_two_schedulers_and_a_nemesis(capsys):
    done = torture("--minutes", "0.4", "--seed", "20261125")
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "violations             0" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mistake_is_found(mutant):
    done = torture("--mutant", mutant, "--minutes", "1", "--seed", "7", "--clients")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "violations             0" not in done.stdout
