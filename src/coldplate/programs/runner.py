"""`circuit-runner` and `qasm3-runner`: circuits in, a Qiskit `Result` out, as `backend.run` had it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.sampler_pub import SamplerPub

from coldplate.circuits.backend import Backend
from coldplate.circuits.compiling import Compiling, compiled
from coldplate.circuits.isa import check_isa
from coldplate.circuits.program import MeasLevel, unpack_bits
from coldplate.domain.options_runner import CIRCUITS, settle_runner
from coldplate.engine import sampler
from coldplate.engine.options import Execution, SamplerOptions
from coldplate.engine.quasi import counted
from coldplate.engine.readout import measured
from coldplate.engine.seeds import origin
from coldplate.errors import BadInput
from coldplate.programs.legacy import layout
from coldplate.programs.registry import Answer, Context
from coldplate.wire.options import noise
from coldplate.wire.params import dumps, read
from coldplate.wire.qasm import load_qasm
from coldplate.wire.results import plain
from coldplate.wire.v1 import Reader

MAX_CIRCUITS = 10_000
LEVELS: dict[tuple[int, str], MeasLevel] = {(1, "single"): "kerneled", (1, "avg"): "avg_kerneled"}


def run(params: bytes, backend: Backend, context: Context) -> Answer:
    """Run circuits.

    Args:
        params: The job's inputs as the client sent them.

    Raises:
        ColdplateError: The inputs can't be run; told with the official code where there is one.
    """
    fields = read(params)
    settings, reader = settle_runner(fields), Reader()
    given = circuits_of(fields, reader)
    for name, value in fields.items():
        if name != CIRCUITS:
            reader.read(value)
    start = origin(settings["seed_simulator"], context.seed, now=datetime.now(UTC))
    seed = settings["seed_transpiler"]
    circuits = compiled(
        begun(given, fields, reader),
        compiling(settings),
        backend.target,
        simulator=backend.simulator,
        seed=(start.seed if seed is None else seed) % 2**31,
    )
    if settings["init_circuit"] is None:
        circuits = [reset(circuit, settings["init_num_resets"]) for circuit in circuits]
    for circuit in circuits:
        check_isa(circuit, backend.target, simulator=backend.simulator)
    options = SamplerOptions(
        default_shots=settings["shots"],
        execution=execution(settings, backend),
        m3=settings["measurement_error_mitigation"],
    )
    nothing = BindingsArray(None, shape=())
    pubs = [SamplerPub(circuit, nothing, validate=False) for circuit in circuits]
    for_twirls, for_shots = start.generators()
    prepared = sampler.prepare(
        pubs, options, target=backend.target, rng=for_twirls, clock_start=start.clock_start
    )
    outcomes = backend.run(prepared.program, for_shots)
    result = sampler.combine(prepared, outcomes)
    experiments = [
        experiment(circuit, pub, settings, seed=start.seed)
        for circuit, pub in zip(given, result, strict=True)
    ]
    body = whole(backend.name, experiments, header=settings["header"])
    return Answer(dumps(plain(body)), usage_s=outcomes.usage_s, metrics={"num_circuits": len(given)})


def circuits_of(fields: Mapping[str, Any], reader: Reader) -> list[QuantumCircuit]:
    """The circuits: one or many, as QPY or as the text of OpenQASM 3 programs."""
    values = fields.get(CIRCUITS)
    values = values if isinstance(values, list) else [values]
    if not 1 <= len(values) <= MAX_CIRCUITS:
        raise BadInput(f"A job has from 1 to {MAX_CIRCUITS} circuits, not {len(values)}.")
    found = []
    for index, value in enumerate(values):
        circuit = load_qasm(value) if isinstance(value, str) else reader.read(value)
        if not isinstance(circuit, QuantumCircuit):
            raise BadInput(f"Circuit {index} is neither a circuit nor OpenQASM 3 text.")
        if circuit.num_parameters:
            raise BadInput(f"Circuit {index} has {circuit.num_parameters} parameters without values.")
        found.append(circuit)
    return found


def begun(
    circuits: Sequence[QuantumCircuit], fields: Mapping[str, Any], reader: Reader
) -> Sequence[QuantumCircuit]:
    """Circuits with the one before each that prepares its qubits, when there is one.

    Raises:
        BadInput: It is wider than a circuit, or has classical bits or parameters.
    """
    if fields.get("init_circuit") is None:
        return circuits
    first = reader.read(fields["init_circuit"])
    if first.num_clbits or first.num_parameters:
        raise BadInput("The init_circuit has classical bits, or parameters without values.")
    found = []
    for index, circuit in enumerate(circuits):
        if first.num_qubits > circuit.num_qubits:
            raise BadInput(f"The init_circuit has {first.num_qubits} qubits, circuit {index} fewer.")
        found.append(circuit.compose(first, range(first.num_qubits), front=True))
    return found


def reset(circuit: QuantumCircuit, times: int) -> QuantumCircuit:
    """A circuit with resets before it, of each qubit that it uses."""
    if not times:
        return circuit
    begun = circuit.copy_empty_like()
    used = {qubit for instruction in circuit.data for qubit in instruction.qubits}
    for qubit in sorted(used, key=circuit.qubits.index):
        for _ in range(times):
            begun.reset(qubit)
    return begun.compose(circuit)


def compiling(settings: Mapping[str, Any]) -> Compiling:
    """How circuits are compiled."""
    return Compiling(
        level=settings["optimization_level"],
        skip=settings["skip_transpilation"],
        initial_layout=layout(settings["initial_layout"]),
        layout_method=settings["layout_method"],
        routing_method=settings["routing_method"],
        translation_method=settings["translation_method"],
        scheduling_method=settings["transpiler_options.scheduling_method"],
        approximation_degree=settings["transpiler_options.approximation_degree"],
    )


def execution(settings: Mapping[str, Any], backend: Backend) -> Execution:
    """How circuits are run and read."""
    return Execution(
        meas_level=LEVELS.get((settings["meas_level"], settings["meas_return"]), "classified"),
        init_qubits=settings["init_qubits"],
        rep_delay_s=settings["rep_delay"],
        noise=noise(settings["noise_model"]) if backend.simulator else None,
    )


# --- the result -----------------------------------------------------------------------------------


def experiment(
    circuit: QuantumCircuit, pub: SamplerPubResult, settings: Mapping[str, Any], *, seed: int
) -> dict[str, Any]:
    """What one circuit showed."""
    level = settings["meas_level"]
    told: dict[str, Any] = {
        "shots": settings["shots"],
        "success": True,
        "data": iq(pub) if level == 1 else bits(pub, memory=settings["memory"]),
        "meas_level": level,
        "meas_return": settings["meas_return"],
        "seed_simulator": seed,
        "status": "DONE",
        "header": header(circuit),
    }
    if settings["measurement_error_mitigation"]:
        told["data"] |= mitigated(pub)
        shown = {str(qubit): clbit for clbit, qubit in measured(circuit).items()}
        told["header"]["final_measurement_mapping"] = shown
    return told


def bits(pub: SamplerPubResult, *, memory: bool) -> dict[str, Any]:
    """Counts, and every shot when asked for, in hexadecimal."""
    counts = counted(pub.data, ())
    found: dict[str, Any] = {"counts": {hex(int(text, 2)): number for text, number in counts.items()}}
    if memory:
        tables = [
            unpack_bits(register.array, register.num_bits)
            for register in pub.data.values()
            if isinstance(register, BitArray)
        ]
        rows = np.concatenate(tables, axis=-1)[:, ::-1]
        found["memory"] = [hex(int("".join(map(str, row.astype(int))), 2)) for row in rows]
    return found


def mitigated(pub: SamplerPubResult) -> dict[str, Any]:
    """Quasi-probabilities by M3, in hexadecimal as counts are; without measurements there are none."""
    found = pub.metadata["coldplate"].get("readout_mitigation", {})
    quasi = found.get("quasi_probabilities", {})
    told = {hex(int(text, 2)): value for text, value in quasi.items()}
    return {"quasiprobabilities": told, "mitigation_overhead": found.get("mitigation_overhead", 1.0)}


def iq(pub: SamplerPubResult) -> dict[str, Any]:
    """IQ points of every bit, averaged or by shot, as pairs of numbers."""
    points: NDArray[Any] = np.concatenate([np.asarray(table) for table in pub.data.values()], axis=-1)
    return {"memory": np.stack([points.real, points.imag], axis=-1).tolist()}


def header(circuit: QuantumCircuit) -> dict[str, Any]:
    """What clients need to read counts: registers and their sizes."""
    return {
        "name": circuit.name,
        "n_qubits": circuit.num_qubits,
        "memory_slots": circuit.num_clbits,
        "global_phase": float(circuit.global_phase),
        "qreg_sizes": sizes(circuit.qregs),
        "creg_sizes": sizes(circuit.cregs),
        "qubit_labels": labels(circuit.qregs),
        "clbit_labels": labels(circuit.cregs),
        "metadata": circuit.metadata or {},
    }


def sizes(registers: Sequence[Any]) -> list[list[Any]]:
    """Names and sizes of registers."""
    return [[register.name, register.size] for register in registers]


def labels(registers: Sequence[Any]) -> list[list[Any]]:
    """Every bit as its register and its place in it."""
    return [[register.name, place] for register in registers for place in range(register.size)]


def whole(backend: str, experiments: list[dict[str, Any]], *, header: Mapping[str, Any]) -> dict[str, Any]:
    """A `Result` as a dictionary."""
    return {
        "backend_name": backend,
        "backend_version": "1.0.0",
        "qobj_id": "",
        "job_id": "",
        "success": True,
        "results": experiments,
        "status": "COMPLETED",
        "date": datetime.now(UTC).isoformat(),
        "header": dict(header),
    }
