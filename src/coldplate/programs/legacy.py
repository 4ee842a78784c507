"""V1 primitives, as clients of 2023 run them: compiled here, and answered with quasi-distributions or values.

The engine is that of V2. Entries with the same circuit become one pub, whose elements they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import SparsePauliOp

from coldplate.circuits.backend import Backend
from coldplate.circuits.compiling import Compiling, compiled
from coldplate.circuits.isa import check_isa
from coldplate.domain.options_v1 import settle_v1
from coldplate.engine import sampler
from coldplate.engine.estimator import Prepared
from coldplate.engine.layer_noise import Knowledge
from coldplate.engine.options import Execution, SamplerOptions
from coldplate.engine.quasi import counted, quasi
from coldplate.engine.seeds import Origin, origin
from coldplate.errors import BadInput
from coldplate.mitigation.dd import DdOptions
from coldplate.programs import resilience_v1
from coldplate.programs.registry import Answer, Context
from coldplate.programs.solve import solve
from coldplate.wire.options import noise
from coldplate.wire.params import dumps
from coldplate.wire.results import plain
from coldplate.wire.v1 import Entry, Reader, entries

ON_SIMULATORS = ("noise_model", "coupling_map", "basis_gates")  # and ignored elsewhere, as documented


@dataclass(frozen=True)
class Request:
    """A V1 job that was read and compiled.

    Attributes:
        circuits: Every circuit once, compiled.
        given: The same as they were sent.
        groups: Numbers of the entries of each circuit.
    """

    entries: Sequence[Entry]
    circuits: Sequence[QuantumCircuit]
    given: Sequence[QuantumCircuit]
    groups: Sequence[Sequence[int]]
    settings: Mapping[str, Any]
    start: Origin
    warnings: Sequence[str]

    @property
    def shots(self) -> int:
        """Shots of each circuit and basis."""
        return int(self.settings["run_options.shots"])

    @property
    def level(self) -> int:
        """The resilience level."""
        return int(self.settings["resilience_settings.level"])

    @property
    def used(self) -> list[int]:
        """Numbers of circuits that are asked for."""
        return [number for number, group in enumerate(self.groups) if group]

    def values(self, number: int) -> BindingsArray:
        """Parameter values of all entries of a circuit; the compiler may have left parameters out."""
        before = [parameter.name for parameter in self.given[number].parameters]
        after = [parameter.name for parameter in self.circuits[number].parameters]
        table = np.stack([self.entries[entry].values for entry in self.groups[number]])
        columns = table[:, [before.index(name) for name in after]]
        return BindingsArray({tuple(after): columns} if after else None, shape=(len(table),))

    def about(self, number: int) -> dict[str, Any]:
        """What every result of a circuit says."""
        told: dict[str, Any] = {"shots": self.shots, "circuit_metadata": self.given[number].metadata or {}}
        return told | ({"warning": " ".join(self.warnings)} if self.warnings else {})


def read(program: str, fields: Mapping[str, Any], backend: Backend, context: Context) -> Request:
    """Read and compile a job; for errors see `wire.v1.entries` and `circuits.compiling.compiled`."""
    settings = settle_v1(program, fields)
    reader = Reader()
    asked, _ = entries(fields, reader, with_observables=program == "estimator")
    if not asked:
        raise BadInput("The job has no circuits.")
    start = origin(settings["run_options.seed_simulator"], context.seed, now=datetime.now(UTC))
    how = compiling(settings, reader.circuits, simulator=backend.simulator)
    circuits = compiled(
        reader.circuits, how, backend.target, simulator=backend.simulator, seed=start.seed % 2**31
    )
    for circuit in circuits:
        check_isa(circuit, backend.target, simulator=backend.simulator)
    groups: list[list[int]] = [[] for _ in circuits]
    for index, entry in enumerate(asked):
        groups[entry.circuit].append(index)
    warnings = ignored(settings, simulator=backend.simulator)
    for line in warnings:
        context.log(line)
    return Request(asked, circuits, reader.circuits, groups, settings, start, warnings)


def ignored(settings: Mapping[str, Any], *, simulator: bool) -> list[str]:
    """What has no effect on a device, said aloud."""
    groups = ("run_options", "transpilation_settings")
    given = [name for name in ON_SIMULATORS if any(settings.get(f"{group}.{name}") for group in groups)]
    if simulator or not given:
        return []
    return [f"simulator.{name} has no effect on a device." for name in given]


def compiling(
    settings: Mapping[str, Any], circuits: Sequence[QuantumCircuit], *, simulator: bool
) -> Compiling:
    """How the circuits of a job are compiled."""
    own = {name.removeprefix("transpilation_settings."): value for name, value in settings.items()}
    coupling, gates = (own["coupling_map"], own["basis_gates"]) if simulator else (None, None)
    return Compiling(
        level=own["optimization_settings.level"],
        skip=own["skip_transpilation"],
        initial_layout=layout(own["initial_layout"]),
        layout_method=own["layout_method"],
        routing_method=own["routing_method"],
        approximation_degree=own["approximation_degree"],
        coupling=None if coupling is None else tuple((first, second) for first, second in coupling),
        basis_gates=None if gates is None else tuple(gates),
    )


def layout(value: Any) -> tuple[int, ...] | None:
    """Physical qubits in the order of the circuit's own."""
    if isinstance(value, dict):
        numbered = {int(key): place for key, place in value.items() if key != "__int_keys__"}
        if sorted(numbered) != list(range(len(numbered))):
            raise BadInput("transpilation.initial_layout does not place every qubit from 0 on.")
        return tuple(numbered[qubit] for qubit in range(len(numbered)))
    return None if value is None else tuple(value)


def execution(request: Request, *, simulator: bool) -> Execution:
    """How circuits are run; idle qubits of a device are decoupled where circuits are optimised."""
    settings = request.settings
    optimised = settings["transpilation_settings.optimization_settings.level"] > 0
    skipped = settings["transpilation_settings.skip_transpilation"]
    dynamic = any(one.is_control_flow() for circuit in request.circuits for one in circuit.data)
    return Execution(
        init_qubits=settings["run_options.init_qubits"],
        noise=noise(settings["run_options.noise_model"]) if simulator else None,
        decoupling=DdOptions() if optimised and not (simulator or skipped or dynamic) else None,
    )


# --- the sampler ----------------------------------------------------------------------------------


def run_sampler(fields: Mapping[str, Any], backend: Backend, context: Context) -> Answer:
    """Run a V1 sampler job: a quasi-distribution per entry, at level 1 with readout mitigated by M3."""
    request = read("sampler", fields, backend, context)
    options = SamplerOptions(
        default_shots=request.shots,
        execution=execution(request, simulator=backend.simulator),
        m3=request.level == 1,
    )
    pubs = [SamplerPub(request.circuits[n], request.values(n), validate=False) for n in request.used]
    for_twirls, for_shots = request.start.generators()
    prepared = sampler.prepare(
        pubs, options, target=backend.target, rng=for_twirls, clock_start=request.start.clock_start
    )
    outcomes = backend.run(prepared.program, for_shots)
    began = time.monotonic()
    result = sampler.combine(prepared, outcomes)
    seconds = (time.monotonic() - began) / len(request.entries)
    dists: list[dict[str, float]] = [{} for _ in request.entries]
    metadata: list[dict[str, Any]] = [{} for _ in request.entries]
    for number, pub in zip(request.used, result, strict=True):
        for place, entry in enumerate(request.groups[number]):
            dists[entry], told = distribution(pub, place)
            metadata[entry] = request.about(number) | told
            if told:
                metadata[entry]["readout_mitigation_time"] = seconds
    return answer({"quasi_dists": dists, "metadata": metadata}, request, outcomes.usage_s)


def distribution(pub: SamplerPubResult, place: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The quasi-distribution of one element, and what is said of its mitigation."""
    mitigation = pub.metadata["coldplate"].get("readout_mitigation")
    if not mitigation or "quasi_probabilities" not in mitigation:
        return quasi(counted(pub.data, place)), {}
    overhead = mitigation["mitigation_overhead"][place]
    return mitigation["quasi_probabilities"][place], {"readout_mitigation_overhead": overhead}


# --- the estimator --------------------------------------------------------------------------------


def run_estimator(fields: Mapping[str, Any], backend: Backend, context: Context) -> Answer:
    """Run a V1 estimator job: a value per entry, mitigated by its level."""
    request = read("estimator", fields, backend, context)
    options = resilience_v1.options(
        request.level,
        request.settings,
        shots=request.shots,
        execution=execution(request, simulator=backend.simulator),
        simulator=backend.simulator,
    )
    pubs = [estimator_pub(request, number) for number in request.used]

    layers = [0] * len(pubs)

    def ready(known: Knowledge, prepared: Prepared) -> None:
        layers[:] = [len(noise.uses) for noise in prepared.known]
        for message in resilience_v1.progress(known, prepared) if options.pec is not None else ():
            context.publish(message)

    solved = solve(pubs, options, backend, request.start, ready=ready)
    values = np.zeros(len(request.entries))
    metadata: list[dict[str, Any]] = [{} for _ in request.entries]
    for number, pub, depth in zip(request.used, solved.result, layers, strict=True):
        for place, entry in enumerate(request.groups[number]):
            values[entry] = pub.data.evs[place]
            weight = float(np.abs(weights(request.entries[entry].observable)).sum())
            told = resilience_v1.about(
                options, request.settings, pub, place, shots=request.shots, weight=weight
            )
            metadata[entry] = request.about(number) | told
            if options.pec is not None:
                metadata[entry]["total_mitigated_layers"] = depth
    return answer({"values": values.tolist(), "metadata": metadata}, request, solved.usage_s)


def weights(observable: SparsePauliOp | None) -> NDArray[np.float64]:
    """Coefficients of the Pauli strings that are not identities."""
    assert observable is not None
    acts = np.any(observable.paulis.x | observable.paulis.z, axis=1)
    found: NDArray[np.float64] = np.asarray(observable.coeffs.real, dtype=np.float64)[acts]
    return found


def estimator_pub(request: Request, number: int) -> EstimatorPub:
    """All entries of a circuit, each with its own observable, on the qubits where the compiler put it."""
    circuit = request.circuits[number]
    placed: dict[int, Any] = {}
    found = np.empty(len(request.groups[number]), dtype=object)
    for place, entry in enumerate(request.groups[number]):
        measured = request.entries[entry].observable
        assert measured is not None
        if id(measured) not in placed:  # one observable may stand in thousands of entries
            where = (
                measured.apply_layout(circuit.layout) if circuit is not request.given[number] else measured
            )
            simple = where.simplify(atol=0)
            placed[id(measured)] = ObservablesArray.coerce_observable(simple)
        found[place] = placed[id(measured)]
    observables = ObservablesArray(found, num_qubits=circuit.num_qubits, copy=False, validate=False)
    return EstimatorPub(circuit, observables, request.values(number), validate=False)


def answer(result: Mapping[str, Any], request: Request, usage_s: float) -> Answer:
    """A result as these clients read it."""
    metrics = {"num_circuits": len(request.entries), "seed": request.start.seed}
    return Answer(dumps(plain(result)), usage_s=usage_s, metrics=metrics)
