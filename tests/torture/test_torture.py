"""A short run of the torture harness on every change, and the proof that it would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torture", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.timeout(600)
def test_no_invariant_is_violated_under_three_official_clients_two_schedulers_and_a_nemesis(capsys):
    done = torture("--minutes", "0.4", "--seed", "20261125")
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "violations             0" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", ["7", "20261125"])
def test_every_mistake_is_found(seed, capsys):
    done = torture("--mutants", "--seed", seed)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mutants found: 6 of 6" in done.stdout
