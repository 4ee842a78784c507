"""How long mitigation takes: a level-2 job beside its peers, what of it is not simulation, and wide
compilation.

python -m benchmarks.mitigation [--shots N] [--peers] [--mitiq PYTHON]

`--peers` runs the client's own estimator in local mode on Aer with the same device's noise (minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, qasm2
from qiskit.circuit import Parameter
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from rich.console import Console
from rich.table import Table

from benchmarks import trotter
from benchmarks.accuracy import ask_mitiq
from coldplate.backends import catalog
from coldplate.engine import estimator, sampler
from coldplate.engine.options import EstimatorOptions, Execution, SamplerOptions, Twirling
from coldplate.mitigation.dd import DdOptions
from coldplate.mitigation.trex import TrexOptions
from coldplate.mitigation.zne import ZneOptions

BACKEND = "emu_heron_r1"
OUT = Path(__file__).with_name("mitigation.jsonl")
STRINGS = ("ZZIIIIIIII", "XXXXXXXXXX", "XYXYXYXYXY", "YXYXYXYXYX")  # four bases
START = datetime(2025, 1, 1, tzinfo=UTC)
LEVEL_2 = EstimatorOptions(
    twirling=Twirling(measure=True, gates=True, num_randomizations=32), trex=TrexOptions(), zne=ZneOptions()
)
Row = dict[str, Any]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that work took, and what came of it."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def level_2(shots: int) -> Iterator[Row]:
    """Three noise factors, 32 randomizations, ten qubits, four bases: the whole job, and its parts."""
    from dataclasses import replace

    backend = catalog.load(BACKEND)
    manager = generate_preset_pass_manager(
        1, target=backend.target, initial_layout=list(range(trotter.NUM_QUBITS)), seed_transpiler=1
    )
    circuit = manager.run(trotter.ising())
    observables = [SparsePauliOp(string).apply_layout(circuit.layout) for string in STRINGS]
    options = replace(LEVEL_2, default_shots=shots)
    pub, rng = EstimatorPub.coerce((circuit, observables)), np.random.default_rng(1)

    def prepare() -> estimator.Prepared:
        return estimator.prepare([pub], options, target=backend.target, rng=rng, clock_start=START)

    backend.run(prepare().program, rng)  # warms up
    before, prepared = timed(prepare)
    running, outcomes = timed(lambda: backend.run(prepared.program, rng))
    after, _ = timed(lambda: estimator.combine(prepared, outcomes, options))
    total = before + running + after
    yield {"bench": "level 2", "system": "coldplate", "seconds": total, "note": f"{shots} shots per basis"}
    share = (before + after) / total
    yield {
        "bench": "level 2",
        "system": "outside the simulator",
        "seconds": before + after,
        "note": f"{share:.1%}",
    }


def client_on_aer(shots: int) -> Iterator[Row]:
    """The client's own estimator in local mode, on Aer with the device's noise, on ten qubits only."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel
    from qiskit_ibm_runtime.executor_estimator import Estimator
    from qiskit_ibm_runtime.fake_provider import FakeTorino

    narrow, observables = on_ten_qubits()
    noise = NoiseModel.from_backend(FakeTorino())
    gates = ["rz", "sx", "x", "cz"]
    backend = AerSimulator(noise_model=noise, basis_gates=gates, n_qubits=trotter.NUM_QUBITS)
    peer = Estimator(backend, options={"resilience_level": 2, "default_shots": shots})
    seconds, _ = timed(lambda: peer.run([(narrow, observables)]).result())
    yield {"bench": "level 2", "system": "client's executor_estimator on Aer", "seconds": seconds, "note": ""}


def mitiq_on_aer(python: str, shots: int) -> Iterator[Row]:
    """mitiq folds and fits; Aer runs its circuits, each basis with the same shots."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel
    from qiskit_ibm_runtime.fake_provider import FakeTorino

    narrow, _ = on_ten_qubits()
    simulator = AerSimulator(noise_model=NoiseModel.from_backend(FakeTorino()))

    def work() -> None:
        texts = ask_mitiq(python, {"qasm": qasm2.dumps(narrow), "factors": list(trotter.FACTORS)})
        for text in texts:
            folded = qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
            folded.measure_all()
            simulator.run([folded] * len(STRINGS), shots=shots).result()

    seconds, _ = timed(work)
    yield {"bench": "level 2", "system": "mitiq's ZNE on Aer", "seconds": seconds, "note": "without fits"}


def on_ten_qubits() -> tuple[QuantumCircuit, list[SparsePauliOp]]:
    """The compiled circuit and its observables without the rest of the device."""
    target = catalog.load(BACKEND).target
    manager = generate_preset_pass_manager(
        1, target=target, initial_layout=list(range(trotter.NUM_QUBITS)), seed_transpiler=1
    )
    return trotter.compiled_narrow(manager.run(trotter.ising())), [SparsePauliOp(one) for one in STRINGS]


def compiling() -> Iterator[Row]:
    """Folding, twirling and decoupling 100 qubits and 50 layers, with 32 randomizations."""
    backend = catalog.load(BACKEND)
    lines = [pair for pair in backend.target["cz"] if pair[0] < pair[1] < 100]
    circuit = QuantumCircuit(backend.target.num_qubits)
    rng = np.random.default_rng(1)
    for _ in range(50):
        for qubit in range(100):
            circuit.sx(qubit)
            circuit.rz(rng.uniform(), qubit)
        busy: set[int] = set()
        for place in rng.permutation(len(lines)):
            if busy.isdisjoint(lines[place]):
                circuit.cz(*lines[place])
                busy.update(lines[place])
    observable = SparsePauliOp.from_sparse_list([("Z", [0], 1.0)], num_qubits=circuit.num_qubits)
    options = EstimatorOptions(
        default_shots=32 * 64,
        twirling=LEVEL_2.twirling,
        zne=ZneOptions(noise_factors=(2,), extrapolators=("fallback",)),
        execution=Execution(decoupling=DdOptions()),
    )
    pub = EstimatorPub.coerce((circuit, observable))
    rng = np.random.default_rng(1)
    seconds, prepared = timed(
        lambda: estimator.prepare([pub], options, target=backend.target, rng=rng, clock_start=START)
    )
    yield {
        "bench": "compile 100 qubits, 50 layers",
        "system": "coldplate",
        "seconds": seconds,
        "note": f"noise factor 2, {len(prepared.program.items[0].circuit.parameters)} angles, "
        f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
    }


def sweep() -> Iterator[Row]:
    """2000 parameter sets with twirled gates and measurements, beside 20: no work per set but arrays."""
    target = catalog.load(BACKEND).target
    circuit = QuantumCircuit(5)
    angles = [Parameter(f"t{index}") for index in range(20)]
    for index, angle in enumerate(angles):
        circuit.sx(index % 5)
        circuit.rz(angle, index % 5)
        if index % 5 == 4:
            for qubit in range(4):
                circuit.cz(qubit, qubit + 1)
    circuit.measure_all()
    options = SamplerOptions(
        default_shots=256, twirling=Twirling(measure=True, gates=True, num_randomizations=4)
    )
    for number in (20, 2000):
        values = np.random.default_rng(1).uniform(-3, 3, (number, 20))
        pub = SamplerPub.coerce((circuit, values))
        rng = np.random.default_rng(1)
        seconds, _ = timed(
            lambda pub=pub, rng=rng: sampler.prepare(
                [pub], options, target=target, rng=rng, clock_start=START
            )
        )
        yield {
            "bench": "twirled sweep",
            "system": f"{number} sets",
            "seconds": seconds,
            "note": "prepare only",
        }


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mitigation", description=__doc__)
    parser.add_argument("--shots", type=int, default=1024)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--mitiq", default=os.environ.get("MITIQ_PYTHON"))
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [*sweep(), *compiling(), *level_2(wanted.shots)]
    if wanted.peers:
        rows += client_on_aer(wanted.shots)
    if wanted.mitiq:
        rows += mitiq_on_aer(wanted.mitiq, wanted.shots)
    ours = next(row["seconds"] for row in rows if (row["bench"], row["system"]) == ("level 2", "coldplate"))
    table = Table("bench", "system", "seconds", "times ours", "note")
    for row in rows:
        ratio = f"{row['seconds'] / ours:.1f}" if row["bench"] == "level 2" else ""
        table.add_row(row["bench"], row["system"], f"{row['seconds']:.3f}", ratio, row["note"])
    Console(width=130).print(table)
    with OUT.open("a") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
