"""What is known of a device: calibrated numbers, and the Target that circuits must conform to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset
from qiskit.circuit.controlflow import ForLoopOp, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

Floats = NDArray[np.float64]
Json = Mapping[str, Any]

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
HERTZ = {"Hz": 1.0, "MHz": 1e6, "GHz": 1e9}
CONTROL_FLOW = {
    "if_else": IfElseOp,
    "for_loop": ForLoopOp,
    "while_loop": WhileLoopOp,
    "switch_case": SwitchCaseOp,
}
STANDARD = get_standard_gate_name_mapping()  # once, not in every job's process
DEFAULT_REP_DELAY_S = 250e-6


@dataclass(frozen=True)
class GateFigures:
    """What was measured of a gate on its qubits.

    Attributes:
        error: 1 - average gate fidelity.
        seconds: Duration.
    """

    error: float
    seconds: float


@dataclass(frozen=True)
class Device:
    """A device as its calibration describes it.

    Attributes:
        t1, t2: Seconds, shape ``(num_qubits,)``; infinite where unknown.
        readout: Probabilities to read 1 for 0, and 0 for 1, shape ``(num_qubits, 2)``.
        readout_s: Durations of measurements, seconds.
        gates: Figures by gate and qubits.
        operations: Names of all instructions.
        dt: Unit of time, seconds; None: there is none.
    """

    num_qubits: int
    t1: Floats
    t2: Floats
    readout: Floats
    readout_s: Floats
    gates: Mapping[tuple[str, tuple[int, ...]], GateFigures]
    places: Mapping[str, tuple[tuple[int, ...], ...]]
    operations: tuple[str, ...]
    frequencies: Floats
    dt: float | None
    rep_delay_s: float
    timing: Mapping[str, int]

    @classmethod
    def of(cls, configuration: Json, properties: Json) -> Device:
        """A device from what is published of it."""
        qubits = [{entry["name"]: entry for entry in entries} for entries in properties["qubits"]]
        return cls(
            num_qubits=configuration["n_qubits"],
            t1=np.array([figure(one, "T1", SECONDS, missing=np.inf) for one in qubits]),
            t2=np.array([figure(one, "T2", SECONDS, missing=np.inf) for one in qubits]),
            readout=np.array([misreadings(one) for one in qubits]),
            readout_s=np.array([figure(one, "readout_length", SECONDS, missing=0.0) for one in qubits]),
            gates=gate_figures(properties["gates"]),
            places=couplings(configuration),
            operations=tuple(configuration["supported_instructions"]),
            frequencies=np.array([figure(one, "frequency", HERTZ, missing=0.0) for one in qubits]),
            dt=configuration["dt"] * 1e-9 if configuration.get("dt") else None,
            rep_delay_s=configuration.get("default_rep_delay", 0.0) * 1e-6 or DEFAULT_REP_DELAY_S,
            timing=configuration.get("timing_constraints", {}),
        )

    def seconds(self, name: str, qubits: tuple[int, ...]) -> float:
        """How long an instruction takes; 0 when that is unknown."""
        if name == "measure":
            return float(self.readout_s[qubits[0]])
        known = self.gates.get((name, qubits))
        return known.seconds if known else 0.0

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """Coupled qubits, the lower first: those that a gate joins."""
        return frozenset(
            (min(place), max(place)) for places in self.places.values() for place in places if len(place) == 2
        )

    @cached_property
    def target(self) -> Target:
        """What circuits must conform to."""
        target = Target(
            num_qubits=self.num_qubits,
            dt=self.dt,
            granularity=self.timing.get("granularity", 1),
            min_length=self.timing.get("min_length", 1),
            pulse_alignment=self.timing.get("pulse_alignment", 1),
            acquire_alignment=self.timing.get("acquire_alignment", 1),
            qubit_properties=[
                QubitProperties(t1=t1, t2=t2, frequency=frequency)
                for t1, t2, frequency in zip(self.t1, self.t2, self.frequencies, strict=True)
            ],
        )
        everywhere = tuple((qubit,) for qubit in range(self.num_qubits))
        for name in self.operations:
            if name in CONTROL_FLOW:
                target.add_instruction(CONTROL_FLOW[name], name=name)
            elif name == "measure":
                target.add_instruction(Measure(), self._readout_properties())
            elif name == "reset":
                target.add_instruction(Reset(), self._properties(name, everywhere))
            elif name == "delay":
                target.add_instruction(Delay(Parameter("t")), dict.fromkeys(everywhere))
            else:
                target.add_instruction(
                    STANDARD[name], self._properties(name, self.places.get(name, everywhere))
                )
        return target

    def _properties(
        self, name: str, places: tuple[tuple[int, ...], ...]
    ) -> dict[tuple[int, ...], InstructionProperties | None]:
        known = ((place, self.gates.get((name, place))) for place in places)
        return {
            place: InstructionProperties(duration=one.seconds, error=one.error) if one else None
            for place, one in known
        }

    def _readout_properties(self) -> dict[tuple[int, ...], InstructionProperties]:
        figures = zip(self.readout_s, self.readout.mean(axis=1), strict=True)
        return {
            (qubit,): InstructionProperties(duration=seconds, error=error)
            for qubit, (seconds, error) in enumerate(figures)
        }


def figure(entries: Mapping[str, Json], name: str, units: Mapping[str, float], *, missing: float) -> float:
    """One figure of a qubit, in base units."""
    entry = entries.get(name)
    if entry is None or entry.get("value") is None:
        return missing
    return float(entry["value"]) * units[entry["unit"]]


def misreadings(entries: Mapping[str, Json]) -> tuple[float, float]:
    """Probabilities to read 1 for 0, and 0 for 1; both the readout error where not told apart."""
    both = {"": 1.0}
    either = figure(entries, "readout_error", both, missing=0.0)
    one_for_zero = figure(entries, "prob_meas1_prep0", both, missing=either)
    zero_for_one = figure(entries, "prob_meas0_prep1", both, missing=either)
    return min(one_for_zero, 1.0), min(zero_for_one, 1.0)


def gate_figures(gates: list[Json]) -> dict[tuple[str, tuple[int, ...]], GateFigures]:
    """Figures of all gates."""
    found = {}
    for gate in gates:
        entries = {entry["name"]: entry for entry in gate["parameters"]}
        error = figure(entries, "gate_error", {"": 1.0}, missing=0.0)
        seconds = figure(entries, "gate_length", SECONDS, missing=0.0)
        found[gate["gate"], tuple(gate["qubits"])] = GateFigures(error, seconds)
    return found


def couplings(configuration: Json) -> dict[str, tuple[tuple[int, ...], ...]]:
    """On which qubits each gate can be done."""
    return {
        gate["name"]: tuple(tuple(place) for place in gate["coupling_map"])
        for gate in configuration["gates"]
        if gate.get("coupling_map")
    }


def ideal_target(configuration: Json) -> Target:
    """The target of an ideal simulator: every gate it names, on any qubits."""
    target = Target(num_qubits=configuration["n_qubits"])
    for name in configuration["basis_gates"]:
        target.add_instruction(STANDARD[name], name=name)
    for operation in (Measure(), Reset(), Delay(Parameter("t"))):
        target.add_instruction(operation)
    for name, kind in CONTROL_FLOW.items():
        target.add_instruction(kind, name=name)
    return target
