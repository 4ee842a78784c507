"""Emulated devices and ideal simulators: items one after the other, the clock, and usage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from numpy.random import Generator
from qiskit.transpiler import Target

from coldplate.backends.coherent import Coherent
from coldplate.backends.device import Device
from coldplate.backends.drift import check_noise
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import Crosstalk
from coldplate.backends.running import Running
from coldplate.circuits.isa import check_rzz_values
from coldplate.circuits.program import Item, Outcomes, Program
from coldplate.circuits.timing import duration

START_S = 2.0  # that a device charges for a job beside its shots
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
        usage = wall if self.simulator else charged + (0.0 if program.started else START_S)
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

    def usage_s(self, program: Program) -> float | None:
        """See `Backend.usage_s`."""
        if self.simulator:
            return None
        start = 0.0 if program.started else START_S
        return start + sum(self.execution_s(item, program)[0] for item in program.items)

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
