"""Which simulation method a component gets, and whether it fits."""

from __future__ import annotations

import os
import resource
from typing import Literal

from coldplate.backends import statevector
from coldplate.circuits.components import Component
from coldplate.errors import TooWide

Method = Literal[
    "statevector", "pauli_transfer", "stim", "aer_statevector", "aer_automatic", "aer_density_matrix",
    "aer_stabilizer", "aer_matrix_product_state", "aer_extended_stabilizer",
]  # fmt: skip

NUMPY_QUBITS = 13  # of an ideal component; beyond, Aer's kernels win
TRANSFER_QUBITS = 6  # of a noisy one; 4**n numbers
AMPLITUDE, SHARE = 16, 0.5  # bytes; of the memory a job may use
STATE_AXES = {"aer_density_matrix": 2, "aer_statevector": 1, "aer_automatic": 1}


def choose(
    component: Component, *, noisy: bool, given_noise: bool, forced: str | None, own: str | None
) -> Method:
    """The method for a component.

    Args:
        noisy: Gates have the noise of a device.
        given_noise: The user brought a noise model.
        forced: The user's choice of method.
        own: The backend's method, when it has one for everything.

    Raises:
        TooWide: It does not fit.
    """
    method = chosen(component, noisy=noisy, given_noise=given_noise, forced=forced, own=own)
    check_fits(component, method)
    return method


def chosen(
    component: Component, *, noisy: bool, given_noise: bool, forced: str | None, own: str | None
) -> Method:
    """The method for a component, whether or not it fits."""
    wish = forced or own
    width = len(component.qubits)
    if wish == "stabilizer" and not (forced is None and width == 1 and component.is_static):
        return "aer_stabilizer" if component.has_control_flow or given_noise else "stim"
    ideal = not noisy and not given_noise
    if ideal and forced in (None, "statevector") and width <= NUMPY_QUBITS and statevector.can_run(component):
        return "statevector"
    exact = not given_noise and wish in (None, "density_matrix", "stabilizer")
    if exact and width <= TRANSFER_QUBITS and component.is_static:
        return "pauli_transfer"
    if wish == "density_matrix":
        return "aer_density_matrix"
    if wish == "matrix_product_state":
        return "aer_matrix_product_state"
    if wish == "extended_stabilizer":
        return "aer_extended_stabilizer"
    return "aer_statevector" if ideal or wish == "statevector" else "aer_automatic"


def check_fits(component: Component, method: Method) -> None:
    """Refuse a component whose state is larger than the memory there is.

    Raises:
        TooWide: It is; the message names its qubits.
    """
    axes = STATE_AXES.get(method)
    if axes is None:
        return
    width = len(component.qubits)
    room = SHARE * memory()
    if AMPLITUDE * 2.0 ** (axes * width) > room:
        qubits = ", ".join(map(str, component.qubits[:8]))
        raise TooWide(
            f"{width} qubits ({qubits}{', ...' if width > 8 else ''}) interact; their state needs "
            f"{AMPLITUDE * 2.0 ** (axes * width) / 2**30:.3g} GiB, and there are {room / 2**30:.3g}.",
        )


def memory() -> float:
    """Bytes this process may use."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine if limit == resource.RLIM_INFINITY else min(limit, machine)
