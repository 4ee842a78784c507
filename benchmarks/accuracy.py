"""How right mitigated values are at equal total shots: our techniques, the client's own, and a peer's.

python -m benchmarks.accuracy [--repeats N] [--shots N] [--only METHOD ...] [--mitiq PYTHON]

A live server emulates a Heron with its calibrated noise; the unmodified client submits. Executions are
counted with calibration; what layer-noise learning took is told beside. RMS errors have errors of their own:
of ten repeats they say less than most differences between methods are. `--mitiq` names an interpreter that
has mitiq (GPL-3, so it is never one of our dependencies): it folds and fits, the server runs its circuits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import trotter
from coldplate.client import pointed_at
from coldplate.testing import running_server

BACKEND = "emu_heron_r1"
LEVEL_2 = "level 2 (ZNE)"
OUT = Path(__file__).with_name("accuracy.jsonl")
LEVELS: dict[str, dict[str, Any]] = {
    "level 0": {"resilience_level": 0},
    "level 1 (TREX)": {"resilience_level": 1},
    LEVEL_2: {"resilience_level": 2},
    "ZNE without gate twirling": {"resilience_level": 2, "twirling": {"enable_gates": False}},
    "PEA": {
        "resilience_level": 1,
        "resilience": {"zne_mitigation": True, "zne": {"amplifier": "pea", "noise_factors": [1, 1.5, 2]}},
    },
    "PEC": {"resilience_level": 1, "resilience": {"pec_mitigation": True, "pec": {"max_overhead": None}}},
}
CLIENTS, MITIQS = "client's level 2", "TREX + mitiq's ZNE"
CLIENT_BASES = 3  # that the client's grouping makes of these observables; ours makes two
COLUMNS = ("bias", "bias_error", "rms", "rms_error")
Values = tuple[np.ndarray, np.ndarray]

MITIQ = """
import json, sys
from qiskit import qasm2
from mitiq.zne.scaling import fold_gates_at_random
from mitiq.zne.inference import ExpFactory
asked = json.load(sys.stdin)
if "values" in asked:
    found = []
    for row in asked["values"]:
        try:
            found.append(float(ExpFactory.extrapolate(asked["factors"], row, asymptote=0.0)))
        except Exception:
            found.append(float("nan"))
    print(json.dumps(found))
else:
    circuit = qasm2.loads(asked["qasm"], custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    fixed = {"single": 1.0}
    folded = [fold_gates_at_random(circuit, factor, fidelities=fixed) for factor in asked["factors"]]
    print(json.dumps([qasm2.dumps(one) for one in folded]))
"""


def ours(
    service: Any, options: dict[str, Any], repeats: int, shots: int
) -> Iterator[tuple[Values, dict[str, Any]]]:
    """Values and errors of each repeat, and what was run for them."""
    from qiskit_ibm_runtime import EstimatorV2

    backend = service.backend(BACKEND)
    pub = trotter.compiled(backend)
    options = json.loads(json.dumps(options))
    level = options.pop("resilience_level")
    # what a job of 1000 shots would take says with how many shots one of the wanted size is run
    trial = EstimatorV2(backend, options={**options, "default_shots": 1000, "resilience_level": level})
    first = trial.run([pub]).result()
    if models := first.metadata["resilience"].get("layer_noise_model"):
        options["resilience"]["layer_noise_model"] = models
    applied = first.metadata["coldplate"]["applied"]
    learning = applied.get("learning", {}).get("executions", 0)
    ratio = shots / (applied["total_executions"] - learning)
    estimator = EstimatorV2(
        backend, options={**options, "default_shots": round(1000 * ratio), "resilience_level": level}
    )
    for repeat in range(repeats):
        estimator.options.seed_estimator = repeat
        result = estimator.run([pub]).result()
        run = result.metadata["coldplate"]["applied"]["total_executions"]
        yield (result[0].data.evs, result[0].data.stds), {"executions": run, "learning": learning}


def clients(service: Any, repeats: int, shots: int) -> Iterator[tuple[Values, dict[str, Any]]]:
    """The same by the client's own estimator, which mitigates what our executor gives."""
    from qiskit_ibm_runtime.executor_estimator import Estimator

    backend = service.backend(BACKEND)
    circuit, observables = trotter.compiled(backend)
    each = shots // (len(trotter.FACTORS) * CLIENT_BASES + 1)
    for _ in range(repeats):
        estimator = Estimator(backend, options={"resilience_level": 2, "default_shots": each})
        job = estimator.run([(circuit, observables)])
        result = job.result()
        run = each * (len(trotter.FACTORS) * CLIENT_BASES + 1)
        yield (
            (np.asarray(result[0].data.evs), np.asarray(result[0].data.stds)),
            {"executions": run, "learning": 0},
        )


def mitiqs(service: Any, python: str, repeats: int, shots: int) -> Iterator[tuple[Values, dict[str, Any]]]:
    """ZNE by mitiq: it folds and fits, with readout undone by us, since it was asked for gates only."""
    from qiskit import qasm2
    from qiskit_ibm_runtime import EstimatorV2

    backend = service.backend(BACKEND)
    circuit, observables = trotter.compiled(backend)
    narrow = trotter.compiled_narrow(circuit)
    factors = list(trotter.FACTORS)
    each = shots // (len(factors) * 2 + 1)
    for repeat in range(repeats):
        texts = ask_mitiq(python, {"qasm": qasm2.dumps(narrow), "factors": factors})
        folded = [trotter.widened(text, backend) for text in texts]
        estimator = EstimatorV2(backend, options={"default_shots": each, "seed_estimator": repeat})
        result = estimator.run([(one, observables) for one in folded]).result()
        values = np.array([one.data.evs for one in result]).T
        found = np.array(ask_mitiq(python, {"values": values.tolist(), "factors": factors}))
        run = result.metadata["coldplate"]["applied"]["total_executions"]
        yield (found, np.full(len(found), np.nan)), {"executions": run, "learning": 0}


def ask_mitiq(python: str, question: dict[str, Any]) -> Any:
    """What mitiq makes of something, in its own process."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", MITIQ],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def summary(method: str, runs: list[tuple[Values, dict[str, Any]]]) -> dict[str, Any]:
    """Bias, RMS error and errors as told, per observable."""
    evs = np.array([values for (values, _), _ in runs])
    stds = np.array([errors for (_, errors), _ in runs])
    wrong = evs - trotter.exact()
    rms = np.sqrt(np.nanmean(wrong**2, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return {
            "method": method,
            **runs[0][1],
            "repeats": len(runs),
            "bias": np.nanmean(wrong, axis=0).round(4).tolist(),
            "bias_error": (np.nanstd(wrong, axis=0) / np.sqrt(len(runs))).round(4).tolist(),
            "rms": rms.round(4).tolist(),
            "rms_error": (np.nanstd(wrong**2, axis=0) / np.sqrt(len(runs)) / (2 * rms)).round(4).tolist(),
            "told": np.nanmean(stds, axis=0).round(4).tolist(),
            "spread": np.nanstd(evs, axis=0).round(4).tolist(),
        }


def show(rows: list[dict[str, Any]]) -> None:
    """The rows as a table."""
    table = Table(
        "method", "executions", "learning", "bias", "RMS error", "its error", "std told", "std seen"
    )
    for row in rows:
        signed = " ".join(f"{value:+.4f}" for value in row["bias"])
        columns = ("rms", "rms_error", "told", "spread")
        cells = (signed, *(" ".join(f"{value:.4f}" for value in row[name]) for name in columns))
        table.add_row(row["method"], str(row["executions"]), str(row["learning"]), *cells)
    console = Console(width=170)
    console.print(f"Exact values of {', '.join(trotter.NAMES)}: {trotter.exact().round(4).tolist()}")
    console.print(table)
    for text in aims({row["method"]: {name: np.array(row[name]) for name in COLUMNS} for row in rows}):
        console.print(text)


def aims(rows: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    """What was aimed at, and what came of it, per observable."""
    mine = rows.get(LEVEL_2)
    if mine and (bare := rows.get("level 0")):
        yield f"RMS of level 2 by that of level 0 (aim: 0.5 or less): {(mine['rms'] / bare['rms']).round(2)}"
    for peer in (CLIENTS, MITIQS):
        if mine and (theirs := rows.get(peer)):
            ratio = mine["rms"] / theirs["rms"]
            unsure = ratio * np.hypot(mine["rms_error"] / mine["rms"], theirs["rms_error"] / theirs["rms"])
            yield f"RMS of level 2 by that of {peer} (aim: 1 or less): {ratio.round(2)} +- {unsure.round(2)}"
    if pec := rows.get("PEC"):
        yield f"Bias of PEC in its own errors (aim: none): {(pec['bias'] / pec['bias_error']).round(1)}"


def measured(service: Any, wanted: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The row of each method that is asked for, kept as soon as it is there."""
    repeats, shots = wanted.repeats, wanted.shots
    ways = {
        name: partial(ours, service, options, repeats=repeats, shots=shots)
        for name, options in LEVELS.items()
    }
    ways[CLIENTS] = partial(clients, service, repeats, shots)
    if wanted.mitiq:
        ways[MITIQS] = partial(mitiqs, service, wanted.mitiq, repeats, shots)
    for name, way in ways.items():
        if wanted.only is None or name in wanted.only:
            row = summary(name, list(way()))
            with OUT.open("a") as out:
                out.write(json.dumps(row) + "\n")
            yield row


def main() -> None:
    """Run all methods."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--shots", type=int, default=40_000)
    parser.add_argument("--only", nargs="+", choices=[*LEVELS, CLIENTS, MITIQS])
    parser.add_argument("--mitiq", default=os.environ.get("MITIQ_PYTHON"))
    wanted = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    with tempfile.TemporaryDirectory() as data, running_server(data=Path(data) / "server") as server:
        with pointed_at(server.url, server.key, server.crn) as service:
            rows = list(measured(service, wanted))
    show(rows)


if __name__ == "__main__":
    main()
