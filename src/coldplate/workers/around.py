"""In a job's process: what stands between a program and its device, and is the device in all but `run`."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.transpiler import Target

from coldplate.circuits.backend import Backend
from coldplate.circuits.program import Program


@dataclass
class Around:
    """A backend that tells of itself what the device inside does."""

    device: Backend

    @property
    def name(self) -> str:
        """The device's."""
        return self.device.name

    @property
    def simulator(self) -> bool:
        """The device's."""
        return self.device.simulator

    @property
    def target(self) -> Target:
        """The device's."""
        return self.device.target

    def usage_s(self, program: Program) -> float | None:
        """The device's."""
        return self.device.usage_s(program)
