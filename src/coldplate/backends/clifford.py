"""Clifford components of any width on stim, with noise as Pauli channels: all elements in one go."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from coldplate.backends.clifford_gates import moves, quarters
from coldplate.backends.clifford_steps import read, resting
from coldplate.backends.clifford_writer import Writer
from coldplate.backends.frames import Frames, Packed
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.sampling import Bits
from coldplate.backends.table import Words
from coldplate.circuits.angles import Angles, is_free
from coldplate.circuits.components import Component
from coldplate.errors import NotIsa


def run(
    component: Component,
    angles: Angles,
    noise: DeviceNoise | None,
    *,
    shots: int,
    dt: float | None,
    rest_s: float | None,
    rng: Generator,
) -> Bits:
    """The same as `run_packed`, as booleans of shape ``(num_elements, shots, num_clbits)``."""
    words = run_packed(component, angles, noise, shots=shots, dt=dt, rest_s=rest_s, rng=rng)
    return words.bits(len(component.clbits)).reshape(-1, shots, len(component.clbits))


def run_packed(
    component: Component,
    angles: Angles,
    noise: DeviceNoise | None,
    *,
    shots: int,
    dt: float | None,
    rest_s: float | None,
    rng: Generator,
) -> Words:
    """Shots of a component without control flow, bits in the order of its `clbits`.

    Args:
        dt: Unit of delays, seconds.
        rest_s: Time between shots that run into each other; None: every shot begins at 0.

    Returns:
        The shots of the first element, then those of the second, and so on.

    Raises:
        NotIsa: A gate is not a Clifford gate.
    """
    steps = read(component, angles, noise, dt=dt)
    frames = Frames.of(steps, angles, alike=rest_s is not None)
    groups = frames.groups
    num_words = -(-len(component.clbits) // 64)
    found = np.zeros((len(groups.of), shots, 8 * num_words), dtype=np.uint8)
    for first, members in zip(groups.first, groups.members(), strict=True):
        chosen = frames.moves(steps, angles, int(first))
        writer = Writer(len(component.wires), len(component.clbits))
        writer.write(steps, chosen)
        rest = resting(noise, component.qubits, rest_s) if noise and rest_s is not None else None
        if rest is not None:
            writer.disturb(rest, range(len(component.wires)))
        written = writer.finish()
        seed = int(rng.integers(2**63))
        if rest_s is None:
            table = written.circuit.compile_sampler(seed=seed).sample(len(members) * shots, bit_packed=True)
            table = table.reshape(len(members), shots, -1)
            if len(members) > 1:
                table ^= frames.flips(steps, chosen, written.records, members)[:, None]
        else:
            many = (written.circuit * shots).compile_sampler(seed=seed).sample(len(members))
            table = np.packbits(many.reshape(len(members), shots, -1), axis=-1, bitorder="little")
        shown = picked(table, written.last, len(written.records))
        found[members, :, : shown.shape[-1]] = shown
    return Words(found.view("<u8").reshape(-1, num_words))


def can_run(component: Component, angles: Angles) -> bool:
    """Whether a component has no control flow, and Clifford gates only for every element."""
    if component.has_control_flow:
        return False
    one = angles.at(np.arange(min(1, len(angles.values))))
    for instruction in component.instructions:
        if instruction.name in ("measure", "reset", "delay", "barrier"):
            continue
        free = [value for value in instruction.params if is_free(value)]
        if any(quarters(np.asarray(angles.of(value))) is None for value in free):
            return False
        try:
            moves(instruction, one)
        except NotIsa:
            return False
    return True


def picked(table: Packed, columns: list[int], num_columns: int) -> Packed:
    """Some columns of packed bits."""
    if columns == list(range(num_columns)):
        return table
    bits = np.unpackbits(table, axis=-1, count=num_columns, bitorder="little")
    return np.packbits(bits[..., columns], axis=-1, bitorder="little")
