"""Noise of a device, or of a model that a user brings, as Aer takes it for one component."""

from __future__ import annotations

from functools import reduce
from typing import Protocol

import numpy as np
from qiskit_aer.noise import (
    NoiseModel,
    QuantumError,
    ReadoutError,
    depolarizing_error,
    pauli_error,
    thermal_relaxation_error,
)

from coldplate.backends.noise import DeviceNoise, GateNoise, Relaxation
from coldplate.circuits.components import Component
from coldplate.circuits.isa import inside

SHORTEST = 1e-3  # T1 and T2 where all is lost, in units of the time it took


class AerNoise(Protocol):
    """Where Aer's noise comes from.

    Attributes:
        keeps_delays: Whether the model has errors of delays, rather than `idle`.
    """

    keeps_delays: bool

    def model(self, component: Component, *, readout: bool) -> NoiseModel:
        """The noise of a component's gates on qubits 0, 1, ..., and of its readout if asked for."""

    def idle(self, qubit: int, seconds: float) -> QuantumError | None:
        """What a delay does to a qubit of the device; None: nothing."""


class EmulatedNoise:
    """The noise of an emulated device.

    Args:
        noise: The device's.
        paulis: Twirl it to Pauli channels, all that a stabilizer simulation can do.
    """

    keeps_delays = False

    def __init__(self, noise: DeviceNoise, *, paulis: bool = False):
        self._noise, self._paulis = noise, paulis

    def model(self, component: Component, *, readout: bool) -> NoiseModel:
        """See `AerNoise`; gates without noise are left out."""
        model = NoiseModel()
        gates = inside(component.instructions, component.place_of)
        for name, places in sorted({(gate.name, places) for gate, places in gates}):
            found = self._noise.gate(name, tuple(component.qubits[place] for place in places))
            if found is not None:
                model.add_quantum_error(self._error(found), name, list(places), warnings=False)
        if readout:
            for place, qubit in enumerate(component.qubits):
                one, zero = self._noise.readout[qubit]
                model.add_readout_error(ReadoutError([[1 - one, one], [zero, 1 - zero]]), [place])
        return model

    def idle(self, qubit: int, seconds: float) -> QuantumError | None:
        """See `AerNoise`."""
        return self._relaxed(self._noise.relaxation(qubit, seconds))

    def _error(self, noise: GateNoise) -> QuantumError:
        relaxed = reduce(lambda first, second: second.tensor(first), map(self._relaxed, noise.relaxations))
        if not noise.depolarization:
            return relaxed
        return depolarizing_error(noise.depolarization, len(noise.relaxations)).compose(relaxed)

    def _relaxed(self, relaxation: Relaxation) -> QuantumError:
        if self._paulis:
            x, y, z = relaxation.paulis
            return pauli_error([("X", x), ("Y", y), ("Z", z), ("I", 1 - x - y - z)])
        with np.errstate(divide="ignore"):
            t1 = -1 / np.log1p(-relaxation.decay) if relaxation.decay else np.inf
            t2 = -1 / np.log(relaxation.coherence) if relaxation.coherence < 1 else np.inf
        t1, t2 = max(t1, SHORTEST), max(t2, SHORTEST)  # Aer takes no zeros
        return thermal_relaxation_error(t1, min(t2, 2 * t1), 1.0)


class GivenNoise:
    """A noise model that replaces the backend's own.

    Args:
        whole: The model, for the qubits of the device.
    """

    keeps_delays = True

    def __init__(self, whole: NoiseModel):
        self._whole = whole

    def model(self, component: Component, *, readout: bool) -> NoiseModel:
        """See `AerNoise`; readout is part of a given model, and always there."""
        model = NoiseModel()
        place = {qubit: index for index, qubit in enumerate(component.qubits)}
        # Aer has no public way to read a model's errors without writing them out
        for name, error in self._whole._default_quantum_errors.items():
            model.add_all_qubit_quantum_error(error, name, warnings=False)
        for name, errors in self._whole._local_quantum_errors.items():
            for qubits, error in errors.items():
                if place.keys() >= set(qubits):
                    model.add_quantum_error(error, name, [place[qubit] for qubit in qubits], warnings=False)
        if self._whole._default_readout_error is not None:
            model.add_all_qubit_readout_error(self._whole._default_readout_error, warnings=False)
        for qubits, error in self._whole._local_readout_errors.items():
            if place.keys() >= set(qubits):
                model.add_readout_error(error, [place[qubit] for qubit in qubits], warnings=False)
        return model

    def idle(self, qubit: int, seconds: float) -> QuantumError | None:
        """Nothing: what a model says of delays doesn't depend on the time."""
        return None
