"""An entry of the catalog as a backend that runs programs."""

from __future__ import annotations

from dataclasses import replace

from coldplate.backends import snapshot
from coldplate.backends.catalog import Entry
from coldplate.backends.coherent import Coherent
from coldplate.backends.device import Device, ideal_target
from coldplate.backends.emulator import Emulator
from coldplate.backends.mock import Mock
from coldplate.backends.noise import DeviceNoise
from coldplate.backends.readout import Crosstalk
from coldplate.circuits.backend import Backend

METHODS = {"statevector": None}  # of ideal simulators that take the best method for each component


def build(entry: Entry) -> Backend:
    """A backend."""
    if entry.mock_of is not None:
        return Mock(entry.name, emulator(replace(entry, mock_of=None)))
    return emulator(entry)


def emulator(entry: Entry) -> Emulator:
    """An emulated device or an ideal simulator."""
    if entry.kind == "ideal":
        target = ideal_target(snapshot.ideal_configuration(entry))
        return Emulator(entry.name, target, method=METHODS.get(entry.method, entry.method))
    device = Device.of(*snapshot.device(entry))
    return Emulator(
        entry.name,
        device.target,
        device=device,
        noise=DeviceNoise(device, entry.noise_scale) if entry.noise_scale else None,
        method="stabilizer" if entry.kind == "clifford" else None,
        real_time=entry.pace == "real",
        coherent=Coherent.of(entry, device),
        crosstalk=Crosstalk(device.pairs, entry.readout_crosstalk) if entry.readout_crosstalk else None,
    )
