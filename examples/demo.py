"""`make demo`: start a server, run first jobs through the official client, take everything down again.

The client runs in processes of its own, whose environment alone says where the service is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from coldplate.testing import running_server

HERE = Path(__file__).parent
BOLD, GREEN, RED, END = ("\033[1m", "\033[32m", "\033[31m", "\033[0m")
if not sys.stdout.isatty():
    BOLD = GREEN = RED = END = ""


def main() -> int:
    """Run the whole demonstration; 0 if everything came out right."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        print(f"{BOLD}coldplate serve{END}  ready after {time.perf_counter() - began:.1f} s at {server.url}")
        print(f"{BOLD}The client{END}       qiskit-ibm-runtime {version('qiskit-ibm-runtime')}, unmodified,")
        print("                 in a process whose environment has:")
        for name, value in server.env.items():
            print(f"                   {name}={value if name != 'QISKIT_IBM_TOKEN' else value[:6] + '...'}")
        environment = os.environ | server.env
        job_file = Path(folder, "job")
        failed = run("first_jobs.py", str(job_file), environment=environment)
        if not failed:
            print(f"\n{BOLD}The Sampler job again, by its id, from another process{END}")
            failed = run("read_job.py", *job_file.read_text().split(), environment=environment)
        took = time.perf_counter() - began
        print(
            f"\n{RED}Something is off.{END}"
            if failed
            else f"\n{GREEN}All as it should be{END}, in {took:.0f} s."
        )
        if failed:
            print(server.log[-4000:])
    return failed


def run(script: str, *arguments: str, environment: dict[str, str]) -> int:
    """Run a script of this directory in a process of its own; its exit code."""
    sys.stdout.flush()
    return subprocess.run([sys.executable, str(HERE / script), *arguments], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
