"""The guides run: their bash and python blocks, in order, as one script against a live server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GUIDES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if BLOCK.search(path.read_text())]


def as_script(guide: str) -> str:
    """A bash script of all blocks; python blocks run in processes of their own, as a reader's would."""
    lines = ["set -euo pipefail"]
    for language, code in BLOCK.findall(guide):
        lines.append(code if language == "bash" else f"python - <<'PYTHON_BLOCK'\n{code}PYTHON_BLOCK")
    return "\n".join(lines)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_guide_runs(path, coldplate_server, tmp_path):
    script = as_script(path.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{coldplate_server.port}"))
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("QISKIT", "IAM_", "GLOBAL_"))
    }
    environment = clean | {
        "COLDPLATE_DATA": str(coldplate_server.data),
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_guides():
    assert len(GUIDES) >= 5
