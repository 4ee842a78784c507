"""One item on an emulated device or simulator: component by component, each by its own method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, QuantumCircuit

from coldplate.backends import aer, clifford, kernel_runs, statevector, transfer
from coldplate.backends.aer import Aer
from coldplate.backends.aer_noise import AerNoise, EmulatedNoise, GivenNoise
from coldplate.backends.array_data import Arrays
from coldplate.backends.array_program import ArrayProgram
from coldplate.backends.codes import Unsupported
from coldplate.backends.drift import drifted
from coldplate.backends.kept import Kept
from coldplate.backends.lower import lower
from coldplate.backends.methods import SHARE, Asked, Choice, check_fits, choose, memory, on_aer
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import NOBODY, Crosstalk, misread, misread_words, points, turned
from coldplate.backends.sampling import Bits
from coldplate.backends.table import Table, Words
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component, Wire, components
from coldplate.circuits.content import derived
from coldplate.circuits.program import Item, ItemOutcome, MeasLevel, Program
from coldplate.errors import LimitExceeded
from coldplate.kernel import native

if TYPE_CHECKING:
    from coldplate.backends.emulator import Emulator

Floats = NDArray[np.float64]
Iq = Mapping[str, NDArray[np.complex128]]


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

    def outcome(self, start: datetime, seconds: float, longest: float) -> ItemOutcome:
        """What every shot of every element shows.

        Args:
            start: On the emulated clock.
            seconds: How long the item takes.
            longest: How long one run of its circuit takes.
        """
        self.backend.check(self.item, self.program)
        self.check_fits()
        used: Counter[tuple[Choice, int]] = Counter()
        if self.level == "classified" and self.crosstalk is None:
            bits: Mapping[str, NDArray[np.uint8]] = self.packed(used)
            iq: Iq = {}
        else:
            bits, iq = self.unpacked(used)
        metadata = {
            "components": [
                {"method": choice.method, "qubits": width, "number": number, "reason": choice.reason}
                for (choice, width), number in sorted(
                    used.items(), key=lambda one: (one[0][0].method, one[0][1])
                )
            ]
        }
        span = (start, start + timedelta(seconds=seconds))
        return ItemOutcome(bits, iq, span, duration_s=longest, metadata=metadata)

    def check_fits(self) -> None:
        """Refuse results that the memory can't hold.

        Raises:
            LimitExceeded: They are too large.
        """
        width = sum(len(register) + 7 for register in self.item.circuit.cregs) / 8
        row = width if self.level == "classified" else 24 * self.item.circuit.num_clbits
        needed, room = 3 * (row + 8) * self.item.executions, SHARE * memory()
        if needed > room:
            raise LimitExceeded(
                f"The results of {self.item.executions} executions need {needed / 2**30:.3g} GiB, "
                f"and there are {room / 2**30:.3g}.",
                solution="Ask for fewer shots, or fewer parameter sets in one pub.",
            )

    @property
    def level(self) -> MeasLevel:
        """How qubits are read."""
        return self.program.meas_level

    @property
    def noise(self) -> DeviceNoise | None:
        """The device's noise, where the program brings none of its own."""
        return None if self.program.noise is not None else self.backend.noise

    @property
    def crosstalk(self) -> Crosstalk | None:
        """How neighbours disturb each other's readout, where the program brings no noise of its own."""
        return None if self.program.noise is not None else self.backend.crosstalk

    @cached_property
    def parts(self) -> list[Component]:
        """The components; none where there are no elements."""
        return components(self.circuit) if len(self.angles.values) else []

    # --- how shots are kept -------------------------------------------------------------------------

    def packed(self, used: Counter[tuple[Choice, int]]) -> dict[str, NDArray[np.uint8]]:
        """Bits of every register, misread component by component."""
        shots = len(self.angles.values) * self.done.shots
        table = Table(self.item.circuit, shots)
        kept = self.kept
        known = kept.load() if kept and shots else None
        if known is not None:
            for part, choice in known:
                final, words = self.on_kernel(part, choice)
                used[final, len(part.qubits)] += 1
                table.add_words(words, part.clbits)
            return table.registers((*self.item.shape, self.item.shots))
        for component in self.parts:
            errors = self.errors(component)
            choice, shown = self.simulate(component, errors, kept)
            used[choice, len(component.qubits)] += 1
            if isinstance(shown, Words):
                table.add_words(shown, component.clbits)
                continue
            bits = shown.reshape(shots, -1)
            if not component.has_control_flow:
                misread(bits, errors, self.rng)
            table.add_bits(bits, component.clbits)
        if kept and self.parts:
            kept.offer(len(self.parts))
        return table.registers((*self.item.shape, self.item.shots))

    @property
    def kept(self) -> Kept | None:
        """Where what was compiled of this circuit is kept, if it has a name."""
        if self.done.content is None or self.program.noise is not None or native() is None:
            return None
        if not self.program.init_qubits:
            return None
        how = (self.backend.name, self.program.method, self.noise is not None)
        return Kept(derived(self.done.content, *how))

    def unpacked(self, used: Counter[tuple[Choice, int]]) -> tuple[dict[str, NDArray[np.uint8]], Iq]:
        """Bits and points of every register, for which all bits have to be looked at together."""
        num_bits = self.circuit.num_clbits
        bits = np.zeros((len(self.item.flat_values), self.item.shots, num_bits), dtype=bool)
        errors, qubits = np.zeros((num_bits, 2)), np.full(num_bits, -1)
        for component in self.parts:
            nothing = np.zeros((len(component.clbits), 2))
            choice, shown = self.simulate(component, nothing, None)
            used[choice, len(component.qubits)] += 1
            if isinstance(shown, Words):
                shown = shown.bits(len(component.clbits))
            bits[..., list(component.clbits)] = shown.reshape(*bits.shape[:2], -1)
            for bit, qubit in measured(component).items():
                qubits[bit] = qubit
            errors[list(component.clbits)] = self.errors(component)
        beside = self.crosstalk.beside(self.item.circuit) if self.crosstalk else NOBODY
        iq: Iq = {}
        if self.level == "classified":
            misread(bits, errors, self.rng, beside)
        else:
            found = points(bits, errors, self.rng, beside)
            bits[...] = (found.real > 0) & (qubits >= 0)
            plane = turned(found, qubits) * (qubits >= 0)
            iq = self.by_register(plane.mean(axis=1) if self.level == "avg_kerneled" else plane)
        if self.level in ("kerneled", "avg_kerneled"):
            return {}, iq
        table = Table(self.item.circuit, prod(bits.shape[:2]))
        table.add_bits(bits.reshape(-1, num_bits), range(num_bits))
        return table.registers((*self.item.shape, self.item.shots)), iq

    def by_register(self, plane: NDArray[np.complex128]) -> Iq:
        """Points of each register, in the item's shape."""
        place = {bit: index for index, bit in enumerate(self.circuit.clbits)}
        return {
            register.name: plane[..., [place[bit] for bit in register]].reshape(
                *self.item.shape, *plane.shape[1:-1], len(register)
            )
            for register in self.item.circuit.cregs
        }

    def errors(self, component: Component) -> Floats:
        """Probabilities to misread each bit of a component: 1 for 0, and 0 for 1."""
        found = np.zeros((len(component.clbits), 2))
        if self.noise is not None:
            place = {clbit: index for index, clbit in enumerate(component.clbits)}
            for bit, qubit in measured(component).items():
                found[place[bit]] = self.noise.readout[qubit]
        return found

    # --- how shots are made -------------------------------------------------------------------------

    def simulate(
        self, component: Component, errors: Floats, kept: Kept | None
    ) -> tuple[Choice, Bits | Words]:
        """Shots of a component: words that are misread already, or bits, misread where there is feedback."""
        asked = Asked(
            noisy=self.noise is not None,
            given_noise=self.program.noise is not None,
            forced=self.program.method,
            own=self.backend.method,
            kernel=native() is not None,
            chained=not self.program.init_qubits,
            single=self.program.single is True,
        )
        choice = choose(component, self.angles, asked)
        if choice.method in ("statevector", "trajectories", "pauli_transfer"):
            try:
                written = ArrayProgram(component, self.angles, self.noise, self.backend.dt, errors)
                part = written.arrays()
                if choice.method == "pauli_transfer" and part.widest > kernel_runs.EXACT_GATE_QUBITS:
                    raise Unsupported("density matrices under gates on three qubits")
            except Unsupported as cause:
                choice = Choice(on_aer(asked.wish, ideal=asked.ideal), f"the kernel lacks {cause}")
                check_fits(component, choice.method, single=asked.single)
            else:
                if kept and not written.evaluated:
                    kept.add(part, choice)
                return self.on_kernel(part, choice, written.evaluated)
        if choice.method == "stim" and native() is not None:
            return choice, self.on_stim(component, errors)
        return choice, self.elsewhere(component, choice)

    def on_stim(self, component: Component, errors: Floats) -> Words:
        """The same by frame simulation."""
        rest = None if self.program.init_qubits else self.backend.rest_s(self.program)
        words = clifford.run_packed(
            component,
            self.angles,
            self.noise,
            shots=self.done.shots,
            dt=self.backend.dt,
            rest_s=rest,
            rng=self.rng,
        )
        misread_words(words.table, errors, self.rng)
        return words

    def on_kernel(
        self, part: Arrays, choice: Choice, evaluated: Sequence[Floats] = ()
    ) -> tuple[Choice, Words]:
        """The same on the native kernel."""
        job = kernel_runs.Job(part, self.angles.values, shots=self.done.shots, evaluated=evaluated)
        how, final = kernel_runs.plan(job, choice, room=SHARE * memory(), single=self.program.single)
        return final, kernel_runs.run(job, how, self.rng)

    def elsewhere(self, component: Component, choice: Choice) -> Bits:
        """The same on any other engine."""
        shots, rng, dt = self.done.shots, self.rng, self.backend.dt
        rest = None if self.program.init_qubits else self.backend.rest_s(self.program)
        if choice.method == "stim":
            return clifford.run(component, self.angles, self.noise, shots=shots, dt=dt, rest_s=rest, rng=rng)
        if choice.method == "numpy_statevector":
            return statevector.run(component, self.angles, shots=shots, rng=rng)
        if choice.method == "numpy_pauli_transfer":
            return transfer.run(component, self.angles, self.noise, shots=shots, dt=dt, rng=rng)
        how = Aer(
            choice.method.removeprefix("aer_"),
            self.aer_noise(paulis=choice.method == "aer_stabilizer"),
            readout=component.has_control_flow and self.level == "classified",
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
