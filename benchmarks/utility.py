"""Utility scale: kicked Ising at Clifford angles on a whole device, twirled and with injected noise.

Executor samplex items: every layer of two-qubit gates is twirled and has a Pauli-Lindblad model injected,
as for noise amplification; the device's own noise is that of its calibration, as Pauli channels. The peer is
Aer's stabilizer method with the same circuits and the same noise; it gets fewer shots, because it is slow.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import PauliLindbladMap

from coldplate.backends.build import build
from coldplate.backends.catalog import Entry
from coldplate.backends.emulator import Emulator

RATE = 5e-4  # mean of the injected rates of single qubits; of pairs a third
AER_SHOTS = 10  # of each of two randomizations
Row = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """A kicked Ising experiment on all qubits and all couplers of a device.

    Attributes:
        snapshot: Of the device.
        steps: Each is a turn of every qubit about X, then a gate on every pair, in three layers.
    """

    snapshot: str
    steps: int
    randomizations: int
    shots: int

    @property
    def executions(self) -> int:
        """Shots over all randomizations."""
        return self.randomizations * self.shots

    @cached_property
    def backend(self) -> Emulator:
        """The Clifford device."""
        made = build(Entry(f"clifford_{self.snapshot}", "clifford", snapshot=self.snapshot))
        assert isinstance(made, Emulator)
        return made

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """Coupled pairs, in the direction that they are calibrated in."""
        target = self.backend.target
        native = "cz" if "cz" in target.operation_names else "ecr"
        return list({tuple(sorted(edge)): edge for edge in target[native]}.values())

    @cached_property
    def circuit(self) -> QuantumCircuit:
        """In the device's gates; a twirled box for each layer."""
        from samplomatic.transpiler import generate_boxing_pass_manager

        target = self.backend.target
        width = target.num_qubits
        circuit = QuantumCircuit(width)
        for _ in range(self.steps):
            circuit.rx(np.pi / 2, range(width))
            for layer in coloured(self.edges):
                for first, second in layer:  # exp(i pi/4 ZZ), but for a phase
                    circuit.sdg([first, second])
                    circuit.cz(first, second)
                circuit.barrier()
        circuit.measure_all()
        isa = transpile(
            circuit, target=self.backend.target, initial_layout=range(width), optimization_level=1
        )
        boxes = generate_boxing_pass_manager(
            inject_noise_targets="gates",
            inject_noise_strategy="uniform_modification",
            twirling_strategy="all",
        )
        return boxes.run(isa)

    @cached_property
    def item(self) -> tuple[QuantumCircuit, Any, dict[str, Any]]:
        """Template, samplex and its arguments: a model for each layer that differs."""
        from samplomatic import build as boxed

        template, samplex = boxed(self.circuit)
        rng, width = np.random.default_rng(1), template.num_qubits
        names = [one.name for one in samplex.inputs().specs if one.name.startswith("pauli_lindblad_maps")]
        arguments = {}
        for name in names:
            terms = [(letter, [qubit], rng.exponential(RATE)) for qubit in range(width) for letter in "XYZ"]
            terms += [
                (first + second, list(edge), rng.exponential(RATE / 3))
                for edge in self.edges
                for first in "XYZ"
                for second in "XYZ"
            ]
            arguments[name] = PauliLindbladMap.from_sparse_list(terms, num_qubits=width)
        return template, samplex, arguments

    def drawn(self, randomizations: int, shots: int) -> Any:
        """The item as a backend runs it."""
        from coldplate.engine.executor import samplex_item

        rng = np.random.default_rng(2)
        return samplex_item(*self.item, shape=(randomizations,), shots=shots, rng=rng, index=0)


def coloured(edges: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Layers of edges that share no qubit."""
    layers: list[list[tuple[int, int]]] = []
    for edge in edges:
        free = (layer for layer in layers if all(not {*edge} & {*other} for other in layer))
        found = next(free, None)
        if found is None:
            layers.append(found := [])
        found.append(edge)
    return layers


# --- systems: each gives a function to time, and how many shots it makes ---------------------------------


def on_backend(work: Workload) -> tuple[Any, int]:
    """The backend's run of the item, its angles drawn before."""
    from coldplate.circuits.program import Program

    program = Program((work.drawn(work.randomizations, work.shots),), datetime.now(UTC))
    return lambda: work.backend.run(program, np.random.default_rng(3)), work.executions


def through_program(work: Workload) -> tuple[Any, int]:
    """The executor program: the client's bytes in, its angles drawn, the client's bytes out."""
    from qiskit_ibm_runtime import Executor
    from qiskit_ibm_runtime.options_models.executor import ExecutorOptions
    from qiskit_ibm_runtime.quantum_program import QuantumProgram
    from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

    from coldplate.programs import executor
    from coldplate.programs.registry import Context

    template, samplex, arguments = work.item
    program = QuantumProgram(shots=work.shots)
    program.append_samplex_item(
        template, samplex=samplex, samplex_arguments=arguments, shape=(work.randomizations,)
    )
    sent = QUANTUM_PROGRAM_PARAMS_CONVERTERS[Executor._SCHEMA_VERSION].encoder(program, ExecutorOptions())
    params = json.dumps(sent.model_dump(mode="json")).encode()
    return lambda: executor.run(params, work.backend, Context()), work.executions


def on_aer(work: Workload) -> tuple[Any, int]:
    """Aer's stabilizer method: the same circuits, bound, in one call, with the same Pauli noise."""
    from qiskit_aer import AerSimulator

    from coldplate.backends.aer_noise import EmulatedNoise
    from coldplate.circuits.components import components

    item = work.drawn(2, AER_SHOTS)
    (component,) = components(item.circuit)
    assert work.backend.noise is not None
    noise = EmulatedNoise(work.backend.noise, paulis=True).model(component, readout=True)
    simulator = AerSimulator(method="stabilizer", noise_model=noise)
    turns = np.round(item.flat_values / (np.pi / 2)) % 4 * (np.pi / 2)  # Aer takes no rounding errors
    circuits = [item.circuit.assign_parameters(row) for row in turns]

    def go() -> None:
        result = simulator.run(circuits, shots=AER_SHOTS).result()
        assert result.success, result.status

    return go, 2 * AER_SHOTS


SYSTEMS = {"coldplate": on_backend, "coldplate-executor": through_program, "raw-aer-stabilizer": on_aer}
WORKLOADS = {
    "utility-127": Workload("kyiv", steps=5, randomizations=256, shots=1024),
    "utility-156": Workload("fez", steps=20, randomizations=256, shots=1024),
}


def results(bench: str, rounds: int = 3) -> Iterator[Row]:
    """Every system in fresh processes that take turns: seconds, shots per second, peak memory.

    `ratio` is how many times as many shots per second the backend makes.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    taken: dict[str, list[Row]] = {system: [] for system in SYSTEMS}
    for _ in range(rounds):
        for system, rows in taken.items():
            command = [sys.executable, "-m", "benchmarks.utility", bench, system]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    middle = {name: sorted(rows, key=lambda row: row["seconds"])[rounds // 2] for name, rows in taken.items()}
    rate = {name: row["shots"] / row["seconds"] for name, row in middle.items()}
    for system, row in middle.items():
        yield {
            "bench": bench,
            "system": system,
            "vs": "coldplate",
            "ratio": round(rate["coldplate"] / rate[system], 3),
            "seconds": round(row["seconds"], 4),
            "cpu_s": round(row["cpu_s"], 4),
            "peak_mb": round(max(one["peak_mb"] for one in taken[system])),
            "n": rounds,
            "shots_per_s": round(rate[system], 1),
            "note": f"{rate[system]:.3g} shots/s, {row['shots'] / row['cpu_s']:.3g} per processor second",
        }


BENCHES = {name: lambda name=name: results(name) for name in WORKLOADS}


def main(bench: str, system: str) -> None:
    """One system once, ours after one run that is not timed; prints seconds and peak memory as JSON."""
    run, shots = SYSTEMS[system](WORKLOADS[bench])
    if SYSTEMS[system] is not on_aer:  # minutes on 156 qubits, and nothing to warm
        run()
    began, used = time.perf_counter(), time.process_time()
    run()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - used
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "shots": shots, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
