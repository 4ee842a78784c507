"""The true noise of an emulated device: what mitigation, and whoever learns noise, should find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplate.backends.catalog import Entry
from coldplate.backends.coherent import CORRELATION_TIMES_S, Coherent
from coldplate.backends.device import STANDARD, Device
from coldplate.backends.noise import DeviceNoise, GateNoise, Relaxation
from coldplate.backends.snapshot import device as described
from coldplate.backends.transfer import to_transfer
from coldplate.circuits.matrices import rzz, turn
from coldplate.errors import BadInput

Floats = NDArray[np.float64]
Json = dict[str, Any]

CONVENTION = (
    "H / hbar = 2 pi (sum_q delta_q |1><1|_q + sum_pq nu_pq |11><11|_pq), in the frame of a qubit whose "
    "neighbours are 0; nu is zz_khz, delta has the standard deviation detuning_khz"
)
CROSS_RESONANCE = turn(1, 3)  # X of the second qubit, Z of the first
LETTERS = [
    second + first for second in "IXYZ" for first in "IXYZ"
]  # of Paulis, the first qubit's letter last


def truth(entry: Entry) -> Json:
    """All that is wrong with a device, in JSON values: ns, us and kHz, probabilities and radians.

    Raises:
        BadInput: The backend is an ideal simulator.
    """
    if entry.kind == "ideal":
        raise BadInput(f"{entry.name} is an ideal simulator; it has no noise.")
    device = Device.of(*described(entry))
    noise = DeviceNoise(device, entry.noise_scale) if entry.noise_scale else None
    coherent = Coherent.of(entry, device) or Coherent({}, np.zeros(device.num_qubits))
    return {
        "name": entry.name,
        "kind": entry.kind,
        "snapshot": entry.snapshot,
        "noise": entry.noise_scale,
        "convention": CONVENTION,
        "spectrum": spectrum(coherent),
        "over_rotation": coherent.over_rotation,
        "readout_crosstalk": entry.readout_crosstalk,
        "qubits": [of_qubit(qubit, device, noise, coherent) for qubit in range(device.num_qubits)],
        "pairs": [
            {"qubits": list(pair), "zz_khz": coherent.zz.get(pair, 0.0) / 1e3}
            for pair in sorted(device.pairs)
        ],
        "gates": [
            of_gate(name, qubits, device, noise, coherent)
            for name, qubits in sorted(device.gates)
            if name in STANDARD and len(qubits) <= 2
        ],
    }


def spectrum(coherent: Coherent) -> Json:
    """How detunings move."""
    if not coherent.detuning.any():
        return {"kind": "none"}
    if not coherent.flicker:
        return {"kind": "static", "meaning": "Gaussian, drawn for each shot, and constant within it"}
    return {
        "kind": "1/f",
        "meaning": "Ornstein-Uhlenbeck processes of equal strength, drawn anew for each shot",
        "correlation_times_us": (CORRELATION_TIMES_S * 1e6).tolist(),
    }


def of_qubit(qubit: int, device: Device, noise: DeviceNoise | None, coherent: Coherent) -> Json:
    """A qubit's own noise; times to relax as the device has them, None where they are infinite."""
    scale = noise.scale if noise else 0.0
    readout = noise.readout[qubit] if noise else np.zeros(2)
    times = {"t1_us": device.t1[qubit], "t2_us": min(device.t2[qubit], 2 * device.t1[qubit])}
    return {
        "qubit": qubit,
        **{
            name: float(time / scale * 1e6) if scale and np.isfinite(time) else None
            for name, time in times.items()
        },
        "detuning_khz": float(coherent.detuning[qubit] / 1e3),
        "reads_1_for_0": float(readout[0]),
        "reads_0_for_1": float(readout[1]),
    }


def of_gate(
    name: str, qubits: tuple[int, ...], device: Device, noise: DeviceNoise | None, coherent: Coherent
) -> Json:
    """A gate's noise: average infidelities, and rates of the Pauli-Lindblad model of its twirl."""
    nothing = GateNoise((Relaxation(),) * len(qubits))
    found = (noise.gate(name, qubits) if noise else None) or nothing
    turned, angle = excess(name, coherent.over_rotation, num_qubits=len(qubits))
    relaxed = GateNoise(found.relaxations).transfer
    row: Json = {
        "gate": name,
        "qubits": list(qubits),
        "ns": device.seconds(name, qubits) * 1e9,
        "error": infidelity(found.transfer @ turned),
        "by_relaxation": infidelity(relaxed),
        "by_depolarization": infidelity(GateNoise(nothing.relaxations, found.depolarization).transfer),
        "by_over_rotation": infidelity(turned),
        "depolarization": found.depolarization,
        "over_rotation_rad": angle,
    }
    if len(qubits) == 2:
        row["pauli_lindblad"] = rates(np.diag(found.transfer @ turned))
    return row


def excess(name: str, part: float, *, num_qubits: int) -> tuple[Floats, float]:
    """By what a gate turns too far, after it, as a transfer matrix; and the angle about ZZ or ZX.

    Of rzz both depend on its angle; here it is a quarter turn.
    """
    angle = np.pi / 2 * part
    if name == "cz":
        return to_transfer(np.diag([1, 1, 1, np.exp(2j * angle)])), angle
    if name == "rzz":
        return to_transfer(rzz(angle)), angle
    if name in ("cx", "ecr"):
        gate = STANDARD[name].to_matrix()
        return to_transfer(gate @ CROSS_RESONANCE(angle) @ gate.conj().T), angle
    return np.eye(4**num_qubits), 0.0


def infidelity(transfer: Floats) -> float:
    """1 - the average fidelity of a channel with doing nothing; what is rounding is 0."""
    dim = np.sqrt(len(transfer))
    process = np.trace(transfer) / dim**2
    return max(0.0, round(float(1 - (dim * process + 1) / (dim + 1)), 15))


def rates(fidelities: Floats) -> dict[str, float]:
    """Rates of the Pauli-Lindblad model of two qubits that has some Pauli fidelities, by string.

    ``f_b = exp(-2 sum of the rates of strings that anticommute with b)``; the inverse is a Walsh transform.

    Source: van den Berg, Minev, Kandala, Temme, Nature Physics 19, 1116 (2023).
    """
    signs = np.array([[commute(one, other) for other in LETTERS] for one in LETTERS])
    found = signs @ np.log(np.clip(fidelities, 1e-12, None)) / len(LETTERS)
    return {string: round(float(rate), 12) for string, rate in zip(LETTERS[1:], found[1:], strict=True)}


def commute(one: str, other: str) -> int:
    """1 where two Pauli strings commute, else -1."""
    differ = sum(a != b and "I" not in (a, b) for a, b in zip(one, other, strict=True))
    return 1 - 2 * (differ % 2)


def summary(found: Json) -> Sequence[str]:
    """What is true of the whole device, in lines."""
    kind = found["spectrum"]["kind"]
    return (
        f"{found['name']}: {found['kind']}, from the snapshot {found['snapshot']}, noise {found['noise']:g}",
        f"Convention: {found['convention']}.",
        f"Detuning: {kind}. Over-rotation of two-qubit gates: {found['over_rotation']:g} of their angle.",
        f"Readout crosstalk: each neighbour that is read and is 1 adds {found['readout_crosstalk']:g}.",
    )
