"""The kernel under ASan and UBSan, driven by random and malformed programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "src" / "coldplate" / "kernel" / "native"
FLAGS = [
    "-std=c++20", "-O1", "-g", "-fno-omit-frame-pointer", "-ffp-contract=off", "-Wno-psabi", "-pthread",
    "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all",
]  # fmt: skip
PROGRAMS, SEEDS = 150, (1, 2)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver, compiled with the sanitizers."""
    compiler = next(filter(None, map(shutil.which, ("g++", "c++"))), None)
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    made = tmp_path_factory.mktemp("sanitize") / "kernel"
    source = Path(__file__).with_name("kernel.cpp")
    subprocess.run([compiler, *FLAGS, f"-I{NATIVE}", str(source), "-o", str(made)], check=True)
    return made


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_and_malformed_programs_do_nothing_undefined(driver, seed):
    strict = {"ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    done = subprocess.run(
        [driver, str(seed), str(PROGRAMS)], capture_output=True, text=True, env=os.environ | strict
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert "malformed ones refused" in done.stdout
