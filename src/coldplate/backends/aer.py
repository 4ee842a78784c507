"""Components on Aer: what is too large or too dynamic for NumPy, and noise models that users bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from qiskit.circuit import CircuitInstruction, Clbit, QuantumCircuit
from qiskit_aer import AerSimulator

from coldplate.backends.aer_circuits import Idling, add, batch, bind, empty
from coldplate.backends.aer_noise import AerNoise
from coldplate.backends.sampling import Bits, Groups
from coldplate.backends.statevector import can_run, group, peel
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.errors import JobFailure, LimitExceeded

LONGEST_CHAIN = 2_000_000  # instructions of all shots that run into each other


@dataclass(frozen=True)
class Aer:
    """How components are run.

    Attributes:
        method: Aer's name of a simulation method.
        noise: What noise there is; None: none.
        readout: Whether Aer misreads as well, as feedback on what was read needs.
        dt: Unit of delays, seconds.
    """

    method: str
    noise: AerNoise | None
    readout: bool
    dt: float | None

    @property
    def idling(self) -> Idling:
        """What delays do."""
        return Idling(self.noise, self.dt)

    def simulator(self, component: Component) -> AerSimulator:
        """Aer with the noise of a component."""
        model = None if self.noise is None else self.noise.model(component, readout=self.readout)
        return AerSimulator(method=self.method, noise_model=model)


def run(
    component: Component, circuit: QuantumCircuit, angles: Angles, how: Aer, *, shots: int, rng: Generator
) -> Bits:
    """Shots of a component, bits in the order of its `clbits`.

    Args:
        circuit: The component's circuit.

    Returns:
        Shape ``(num_elements, shots, num_clbits)``.

    Raises:
        JobFailure: Aer could not run it, in its own words.
    """
    groups = group_elements(component, circuit, angles, ideal=how.noise is None)
    found = np.empty((len(groups.of), shots, len(component.clbits)), dtype=bool)
    members, simulator = groups.members(), how.simulator(component)
    where = bit_places(component, circuit)
    sizes = np.array([len(one) for one in members], dtype=np.intp)
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        circuits, binds = batch(component, circuit, angles.at(groups.first[chosen]), idling=how.idling)
        counts = execute(simulator, circuits, binds, shots=int(size) * shots, rng=rng)
        for place, table in zip(chosen, counts, strict=True):
            found[members[place]] = expand(table, where, rng).reshape(size, shots, len(where))
    if groups.flips is not None:
        found ^= groups.flips[:, None, :]
    return found


def group_elements(component: Component, circuit: QuantumCircuit, angles: Angles, *, ideal: bool) -> Groups:
    """Elements that show the same, flips in the order of the component's bits."""
    if not ideal or not can_run(component):
        if component.has_control_flow:
            return Groups.by(angles.values)
        return Groups.by(angles.used_by(component.instructions))
    groups = group(peel(component), angles)
    assert groups.flips is not None
    flips = np.zeros((len(groups.of), len(component.clbits)), dtype=bool)
    flips[:, [component.bits.index(one.clbits[0]) for one in component.parts[1]]] = groups.flips
    return Groups(groups.first, groups.of, flips)


def bit_places(component: Component, circuit: QuantumCircuit) -> list[int]:
    """Where the component's bits are in the circuit that Aer runs."""
    return list(component.clbits if component.has_control_flow else range(len(component.clbits)))


def execute(
    simulator: AerSimulator,
    circuits: list[QuantumCircuit],
    binds: object,
    *,
    shots: int,
    rng: Generator,
) -> list[Mapping[str, int]]:
    """Counts of every element."""
    seed = int(rng.integers(2**31))
    job = simulator.run(circuits, parameter_binds=binds, shots=shots, seed_simulator=seed)
    result = job.result()
    if not result.success:
        causes = [one.status for one in result.results if not one.success]
        raise JobFailure(f"The simulator stopped: {'; '.join([str(result.status), *causes[:1]])[:300]}")
    return [result.data(index).get("counts", {"0x0": shots}) for index in range(len(result.results))]


def expand(counts: Mapping[str, int], where: list[int], rng: Generator) -> Bits:
    """Counts as shots in random order, shape ``(num_shots, len(where))``.

    Components are put together shot by shot, so an order that tells of the outcome would correlate them.
    """
    outcomes = [int(outcome, 16) for outcome in counts]
    table = np.array([[outcome >> place & 1 for place in where] for outcome in outcomes], dtype=bool)
    shots = np.repeat(np.arange(len(outcomes)), list(counts.values()))
    rng.shuffle(shots)
    found: Bits = table[shots]
    return found


def run_chain(
    component: Component,
    circuit: QuantumCircuit,
    angles: Angles,
    how: Aer,
    *,
    shots: int,
    rest_s: float,
    rng: Generator,
) -> Bits:
    """Shots that run into each other: qubits are left as the shot before left them.

    Every element is one long circuit, with `rest_s` between its shots.

    Raises:
        LimitExceeded: That circuit is too long, or has control flow.
    """
    if component.has_control_flow:
        raise LimitExceeded("Circuits with control flow can't be run with init_qubits = false.")
    length = len(angles.values) * shots * len(component.instructions)
    if length > LONGEST_CHAIN:
        raise LimitExceeded(
            f"With init_qubits = false a job runs as one circuit of {length} instructions, "
            f"more than {LONGEST_CHAIN}.",
            solution="Use fewer shots, or leave init_qubits on.",
        )
    once = empty(component, circuit)
    add(once, component.instructions, how.idling, component.qubit_of)
    noise = how.noise
    rests = {wire: noise.idle(qubit, rest_s) for wire, qubit in component.qubit_of.items()} if noise else {}
    simulator = how.simulator(component)
    found = []
    for row in angles.rows(once.parameters):
        bound = bind(once, row)
        chain = QuantumCircuit(list(component.wires), [Clbit() for _ in range(shots * len(component.bits))])
        for shot in range(shots):
            append_shot(chain, bound, first=shot * len(component.bits))
            for qubit, error in rests.items():
                if error is not None:
                    chain.append(error.to_instruction(), [qubit])
        counts = execute(simulator, [chain], None, shots=1, rng=rng)[0]
        bits = expand(counts, list(range(chain.num_clbits)), rng)
        found.append(bits.reshape(shots, len(component.bits)))
    return np.stack(found)


def append_shot(chain: QuantumCircuit, once: QuantumCircuit, *, first: int) -> None:
    """Append one shot, whose bits begin at `first`."""
    bits: dict[Clbit, Clbit] = {bit: chain.clbits[first + place] for place, bit in enumerate(once.clbits)}
    for one in once.data:
        chain._append(CircuitInstruction(one.operation, one.qubits, tuple(bits[bit] for bit in one.clbits)))
