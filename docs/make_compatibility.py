"""Writes docs/compatibility.md by running clients of several years against one server, all at the same time.

python docs/make_compatibility.py            writes the page
python docs/make_compatibility.py --check    exits with 1 if the page is not what the run shows
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENTS = ROOT / "tests" / "clients"
sys.path.insert(0, str(CLIENTS))

from old_clients import Client, ClientError, client, current  # noqa: E402

from coldplate.testing import Server, running_server  # noqa: E402

PAGE = Path(__file__).with_name("compatibility.md")
SCRIPTS, CATALOG = CLIENTS / "compat" / "scripts", CLIENTS / "compat" / "catalog.toml"
RELEASES = {
    "0.12": "0.12.2, September 2023",
    "0.23": "0.23.0, May 2024",
    "0.40": "0.40.1, June 2025",
    "current": "0.51.0, 2026",
}
FEATURES = {
    "backends": "log in, list backends",
    "sampler_v1": "V1 `Sampler` with M3",
    "estimator_v1": "V1 `Estimator`, levels 0 to 3",
    "noise_model": "hosted simulators",
    "sampler_v2": "V2 `Sampler`",
    "estimator_v2": "V2 `Estimator`",
    "parameters": "parameter expressions, V2",
    "backend_run": "`backend.run`",
    "sessions": "sessions",
    "jobs": "retrieve and list jobs",
    "cancel": "cancel",
}
NOT_THERE = "not in this client"
INTRODUCTION = """\
# Compatibility

Which release of the official client does what with this server. The page is written by a run in which all
these clients work with one server at the same time: `python docs/make_compatibility.py`; the tests repeat it.
Releases before 0.51 come in through the channel `ibm_quantum`, which asks for nothing beside the server
itself (see [clients before 2025](recipes/clients-of-2023.md)).

"""
NOTES = """
What does not work, and why:

- **Parameter expressions of 0.23** are written by symengine. Sums, products, functions, and powers with
  numbers as exponents are read; complex numbers in them are refused, with a message that says so.
- **0.40 by its channels `ibm_cloud` and `ibm_quantum_platform`** asks a token service whose address is part
  of the client. Where that can't be reached, it tries for long before each request; use `ibm_quantum`, or let
  your own names answer for it ([own names](recipes/own-names.md)).
- **V1 primitives of 0.23** send only circuits that the device can run as they are: the client asks for that.
- **`backend.run` of 0.12** is that of `qiskit-ibm-provider` 0.7, the package that went with it.
- **Pulse gates** of circuits of 2023 are refused: no backend has pulses, nor has current Qiskit.
- **`delay` in seconds** in QPY of 2023: that format does not keep the unit. Integer delays in `dt` work.
- **Streaming** (callbacks) is for https only in 0.12, and wants `websocket-client<1.9`.
"""
Row = Mapping[str, str]


def variables(release: str, server: Server) -> dict[str, str]:
    """How a release is pointed at the server."""
    if release == "current":
        return dict(server.env)
    return {
        "QISKIT_IBM_CHANNEL": "ibm_quantum",
        "QISKIT_IBM_TOKEN": server.key,
        "QISKIT_IBM_URL": f"{server.url}/api",
    }


def try_features(release: str, server: Server) -> Row:
    """What each feature comes to with a release."""
    with tempfile.TemporaryDirectory() as home:
        if release == "current":
            with current(SCRIPTS, variables(release, server), Path(home)) as process:
                return {feature: tried(process, feature) for feature in FEATURES}
        with client(release, SCRIPTS, variables(release, server), Path(home)) as process:
            return {feature: tried(process, feature) for feature in FEATURES}


def tried(process: Client, feature: str) -> str:
    """What came of a feature: yes, or why not, in short."""
    try:
        process.call(f"features.{feature}")
    except ClientError as error:
        if error.kind == "NotInClient":
            return NOT_THERE
        return f"fails: {error.kind}: {error.text.splitlines()[0][:100]}"
    return "yes"


def run() -> dict[str, Row]:
    """What every release shows, all at the same time."""
    with running_server(catalog=CATALOG, slots=2) as server, ThreadPoolExecutor(len(RELEASES)) as threads:
        rows = threads.map(lambda release: try_features(release, server), RELEASES)
        return dict(zip(RELEASES, rows, strict=True))


def page(found: Mapping[str, Row]) -> str:
    """The whole page."""
    lines = ["| | " + " | ".join(RELEASES[release] for release in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for feature, told in FEATURES.items():
        lines.append(f"| {told} | " + " | ".join(row[feature] for row in found.values()) + " |")
    return INTRODUCTION + "\n".join(lines) + "\n" + NOTES


def main(arguments: list[str]) -> int:
    """Write the page, or check it; the exit code."""
    written = page(run())
    if arguments == ["--check"]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == written
        if not same:
            print(written, file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
