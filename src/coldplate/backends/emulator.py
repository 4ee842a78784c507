"""Emulated devices and ideal simulators: every item component by component, each by its own method."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, QuantumCircuit
from qiskit.transpiler import Target

from coldplate.backends import aer, clifford, statevector, transfer
from coldplate.backends.aer import Aer
from coldplate.backends.aer_noise import AerNoise, EmulatedNoise, GivenNoise
from coldplate.backends.coherent import Coherent
from coldplate.backends.device import Device
from coldplate.backends.drift import check_noise, drifted
from coldplate.backends.lower import lower
from coldplate.backends.methods import Method, choose
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import NOBODY, Crosstalk, misread, points, turned
from coldplate.backends.sampling import chunks
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component, Wire, components
from coldplate.circuits.isa import check_rzz_values
from coldplate.circuits.program import Item, ItemOutcome, MeasLevel, Outcomes, Program, pack_bits
from coldplate.circuits.timing import duration

Bits = NDArray[np.bool_]

START_S = 2.0  # that a device charges for a job beside its shots
PACKED_AT_ONCE = 1 << 18  # shots
IDEAL_SHOT_S = 1e-6  # on the emulated clock of an ideal simulator


@dataclass(frozen=True)
class Emulator:
    """A device emulated from its calibration, or an ideal simulator.

    Attributes:
        device: None: an ideal simulator.
        noise: None: the device has none.
        method: A simulation method for everything (``stabilizer``, ``matrix_product_state``); None: the best.
        real_time: Take the time that the device would.
        coherent: Noise for which the time counts that circuits take; None: the device has none.
        crosstalk: How neighbours that are read disturb each other; None: they don't.
    """

    name: str
    target: Target
    device: Device | None = None
    noise: DeviceNoise | None = None
    method: str | None = None
    real_time: bool = False
    coherent: Coherent | None = None
    crosstalk: Crosstalk | None = None

    @property
    def simulator(self) -> bool:
        """Whether it is an ideal simulator."""
        return self.device is None

    @property
    def dt(self) -> float | None:
        """Unit of delays, seconds."""
        return self.device.dt if self.device else None

    def run(self, program: Program, rng: Generator) -> Outcomes:
        """See `Backend.run`."""
        began, clock, charged, outcomes = time.monotonic(), program.clock_start, 0.0, []
        for item in program.items:
            seconds, longest = self.execution_s(item, program)
            outcomes.append(Running(self, program, item, rng).outcome(clock, seconds, longest))
            clock += timedelta(seconds=seconds)
            charged += seconds
        wall = time.monotonic() - began
        usage = wall if self.simulator else START_S + charged
        if self.real_time:
            time.sleep(max(0.0, usage - wall))
        return Outcomes(tuple(outcomes), usage_s=usage)

    def check(self, item: Item, program: Program) -> None:
        """Refuse what this device can't run.

        Raises:
            NotIsa: An rzz angle is outside [0, pi/2].
            LimitExceeded: The device has noise that can't be simulated with this.
        """
        if self.device is not None:
            check_rzz_values(item)
        if program.noise is None:
            check_noise(self.name, item.circuit, program, self.coherent, self.crosstalk)

    def execution_s(self, item: Item, program: Program) -> tuple[float, float]:
        """How long an item takes on the emulated clock, and one run of its circuit."""
        if self.device is None:
            return (IDEAL_SHOT_S + (program.rep_delay_s or 0.0)) * item.executions, 0.0
        longest = duration(item.circuit, self.device.seconds, dt=self.device.dt)
        return (self.rest_s(program) + longest) * item.executions, longest

    def rest_s(self, program: Program) -> float:
        """Time between shots, seconds."""
        if program.rep_delay_s is not None:
            return program.rep_delay_s
        return self.device.rep_delay_s if self.device else 0.0


@dataclass(frozen=True)
class Running:
    """One item that is being run."""

    backend: Emulator
    program: Program
    item: Item
    rng: Generator

    @cached_property
    def done(self) -> Item:
        """The item as the device does it: with all that happens to phases meanwhile."""
        device, coherent = self.backend.device, self.backend.coherent
        if device is None or coherent is None or self.program.noise is not None:
            return self.item
        return drifted(self.item, device, coherent, self.rng, relaxing=self.noise is not None)

    @cached_property
    def circuit(self) -> QuantumCircuit:
        """The item's circuit in gates that simulators know."""
        if not self.backend.simulator:
            return self.done.circuit
        return lower(self.item.circuit, method=self.program.method or self.backend.method)

    @cached_property
    def angles(self) -> Angles:
        """Values of the circuit's parameters."""
        return Angles(self.done.circuit.parameters, self.done.flat_values)

    def outcome(self, start: Any, seconds: float, longest: float) -> ItemOutcome:
        """What every shot of every element shows.

        Args:
            start: On the emulated clock.
            seconds: How long the item takes.
            longest: How long one run of its circuit takes.
        """
        self.backend.check(self.item, self.program)
        shape = (len(self.angles.values), self.done.shots, self.circuit.num_clbits)
        bits, errors = np.zeros(shape, dtype=bool), np.zeros((shape[-1], 2))
        qubits = np.full(shape[-1], -1)
        used: Counter[tuple[str, int]] = Counter()
        for component in components(self.circuit) if len(self.angles.values) else ():
            method = self.choose(component)
            bits[..., list(component.clbits)] = self.simulate(component, method)
            used[method, len(component.qubits)] += 1
            for bit, qubit in measured(component).items():
                qubits[bit] = qubit
                if self.noise is not None and not self.reads_itself(component):
                    errors[bit] = self.noise.readout[qubit]
        bits = bits.reshape(len(self.item.flat_values), self.item.shots, shape[-1])
        iq = self.read(bits, errors, qubits)
        tables = {} if self.level in ("kerneled", "avg_kerneled") else self.registers(bits, packed=True)
        metadata = {
            "components": [
                {"method": method, "qubits": width, "number": number}
                for (method, width), number in sorted(used.items())
            ]
        }
        span = (start, start + timedelta(seconds=seconds))
        return ItemOutcome(tables, iq, span, duration_s=longest, metadata=metadata)

    @property
    def level(self) -> MeasLevel:
        """How qubits are read."""
        return self.program.meas_level

    @property
    def noise(self) -> DeviceNoise | None:
        """The device's noise, where the program brings none of its own."""
        return None if self.program.noise is not None else self.backend.noise

    def reads_itself(self, component: Component) -> bool:
        """Whether a component's bits are misread while it is simulated."""
        return component.has_control_flow and self.level == "classified"

    def choose(self, component: Component) -> Method:
        """The method for a component."""
        method = choose(
            component,
            noisy=self.noise is not None,
            given_noise=self.program.noise is not None,
            forced=self.program.method,
            own=self.backend.method,
        )
        if self.program.init_qubits or method == "stim" or method.startswith("aer"):
            return method
        return "aer_statevector" if self.noise is None else "aer_automatic"

    def simulate(self, component: Component, method: Method) -> Bits:
        """Shots of a component, before they are misread unless it `reads_itself`."""
        shots, rng, dt = self.done.shots, self.rng, self.backend.dt
        rest = None if self.program.init_qubits else self.backend.rest_s(self.program)
        if method == "stim":
            return clifford.run(component, self.angles, self.noise, shots=shots, dt=dt, rest_s=rest, rng=rng)
        if method == "statevector":
            return statevector.run(component, self.angles, shots=shots, rng=rng)
        if method == "pauli_transfer":
            return transfer.run(component, self.angles, self.noise, shots=shots, dt=dt, rng=rng)
        how = Aer(
            method.removeprefix("aer_"),
            self.aer_noise(paulis=method == "aer_stabilizer"),
            readout=self.reads_itself(component),
            dt=dt,
        )
        if rest is None:
            return aer.run(component, self.circuit, self.angles, how, shots=shots, rng=rng)
        return aer.run_chain(component, self.circuit, self.angles, how, shots=shots, rest_s=rest, rng=rng)

    def aer_noise(self, *, paulis: bool) -> AerNoise | None:
        """The noise as Aer takes it."""
        if self.program.noise is not None:
            return GivenNoise(self.program.noise)
        return None if self.noise is None else EmulatedNoise(self.noise, paulis=paulis)

    def read(
        self, bits: Bits, errors: NDArray[np.float64], qubits: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.complex128]]:
        """Misread bits in place, or give points of the IQ plane, and bits that agree with them."""
        own = self.backend.crosstalk if self.program.noise is None else None
        beside = own.beside(self.item.circuit) if own else NOBODY
        if self.level == "classified":
            misread(bits, errors, self.rng, beside)
            return {}
        found = points(bits, errors, self.rng, beside)
        bits[...] = (found.real > 0) & (qubits >= 0)
        plane = turned(found, qubits) * (qubits >= 0)
        if self.level == "avg_kerneled":
            plane = plane.mean(axis=1)
        return self.registers(plane, packed=False)

    def registers(self, table: NDArray[Any], *, packed: bool) -> dict[str, NDArray[Any]]:
        """Columns of bits as the circuit's registers, in the item's shape."""
        place = {bit: index for index, bit in enumerate(self.circuit.clbits)}
        found = {}
        for register in self.item.circuit.cregs:
            columns = [place[bit] for bit in register]
            values = pack(table, columns) if packed else table[..., columns]
            found[register.name] = values.reshape(*self.item.shape, *values.shape[1:])
        return found


def pack(bits: Bits, columns: list[int]) -> NDArray[np.uint8]:
    """Some columns of bits, packed; in parts, because a copy of all may not fit."""
    rows = bits.reshape(prod(bits.shape[:-1]), bits.shape[-1])
    found = np.empty((len(rows), -(-len(columns) // 8)), dtype=np.uint8)
    for part in chunks(len(rows), PACKED_AT_ONCE):
        found[part] = pack_bits(rows[part][:, columns])
    return found.reshape(*bits.shape[:-1], found.shape[-1])


def measured(component: Component) -> dict[int, int]:
    """The qubit that each bit shows in the end, as numbered in the circuit; branches count as taken."""
    indices = (*component.qubits, *component.clbits)
    places = dict(zip((*component.wires, *component.bits), indices, strict=True))
    return dict(measurements(component.instructions, places))


def measurements(
    instructions: Iterable[CircuitInstruction], places: Mapping[Wire, int]
) -> Iterator[tuple[int, int]]:
    """Bits and the qubits measured into them, in order, those inside control flow included."""
    for one in instructions:
        if one.name == "measure":
            yield places[one.clbits[0]], places[one.qubits[0]]
        for block in one.operation.blocks if one.is_control_flow() else ():
            wires = zip((*block.qubits, *block.clbits), (*one.qubits, *one.clbits), strict=True)
            yield from measurements(block.data, {inner: places[outer] for inner, outer in wires})
