"""Clients of four years work with one server at the same time, as docs/compatibility.md says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "make_compatibility.py"


@pytest.mark.timeout(600)
def test_page_on_compatibility_is_what_the_clients_show():
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
