"""Which simulation method a component gets: the cheapest that is right, and whether it fits."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import Literal

from coldplate.backends import clifford, statevector
from coldplate.circuits.angles import Angles
from coldplate.circuits.components import Component
from coldplate.errors import TooWide

Method = Literal[
    "statevector", "trajectories", "pauli_transfer", "stim", "numpy_statevector", "numpy_pauli_transfer",
    "aer_statevector", "aer_automatic", "aer_density_matrix", "aer_stabilizer", "aer_matrix_product_state",
]  # fmt: skip

NUMPY_QUBITS = 13  # of an ideal component without the kernel; beyond, Aer is faster
TRANSFER_QUBITS = 6  # of a noisy one without the kernel; 4**n numbers
KERNEL_TRANSFER_QUBITS = 12
STIM_QUBITS = 20  # from here on ideal Clifford components are worth looking for
AMPLITUDE, SHARE = 16, 0.5  # bytes; of the memory a job may use
STATE_AXES = {"aer_density_matrix": 2, "aer_statevector": 1, "aer_automatic": 1}


@dataclass(frozen=True)
class Choice:
    """A method, and why.

    Attributes:
        settled: It stays; else what it costs is compared with the exact noisy state when both are known.
    """

    method: Method
    reason: str
    settled: bool = True


@dataclass(frozen=True)
class Asked:
    """What a choice depends on beside the component.

    Attributes:
        noisy: Gates have the noise of a device.
        given_noise: The user brought a noise model.
        forced: The user's choice of method.
        own: The backend's method, when it has one for everything.
        kernel: The native kernel is there.
        chained: Shots run into each other.
        single: Amplitudes are in single precision.
    """

    noisy: bool = False
    given_noise: bool = False
    forced: str | None = None
    own: str | None = None
    kernel: bool = True
    chained: bool = False
    single: bool = False

    @property
    def wish(self) -> str | None:
        """The method that was asked for, by the user or the backend."""
        return self.forced or self.own

    @property
    def ideal(self) -> bool:
        """Whether there is no noise at all."""
        return not self.noisy and not self.given_noise


def choose(component: Component, angles: Angles, asked: Asked) -> Choice:
    """The method for a component.

    Raises:
        TooWide: It does not fit.
    """
    choice = chosen(component, asked)
    if asked.chained and choice.method != "stim" and not choice.method.startswith("aer"):
        choice = Choice(
            "aer_statevector" if not asked.noisy else "aer_automatic", "shots run into each other"
        )
    wide = len(component.qubits) > STIM_QUBITS
    if wide and asked.ideal and asked.wish is None and clifford.can_run(component, angles):
        return Choice("stim", "all gates are Clifford gates")
    check_fits(component, choice.method, single=asked.single)
    return choice


def chosen(component: Component, asked: Asked) -> Choice:
    """The method for a component, whether or not it fits."""
    wish, width = asked.wish, len(component.qubits)
    if wish == "stabilizer" and not (asked.forced is None and width == 1 and component.is_static):
        aer = component.has_control_flow or asked.given_noise
        return Choice("aer_stabilizer" if aer else "stim", "asked for")
    exact = asked.forced is None and asked.ideal and width <= NUMPY_QUBITS
    if wish == "matrix_product_state" and not (exact and statevector.can_run(component)):
        return Choice("aer_matrix_product_state", "asked for")
    if asked.given_noise or wish == "aer":
        reason = "the noise model is the user's" if asked.given_noise else "asked for"
        return Choice(on_aer(wish, ideal=asked.ideal), reason)
    if wish == "density_matrix" and not component.is_static:
        return Choice("aer_density_matrix", "asked for")
    return with_kernel(component, asked) if asked.kernel else without_kernel(component, asked)


def with_kernel(component: Component, asked: Asked) -> Choice:
    """The native kernel; whether noise is exact or sampled is decided when the circuit is compiled."""
    width = len(component.qubits)
    if asked.wish == "density_matrix":
        if width <= KERNEL_TRANSFER_QUBITS:
            return Choice("pauli_transfer", "asked for")
        return Choice("aer_density_matrix", "asked for")
    method: Method = "statevector" if asked.ideal else "trajectories"
    if asked.wish == "statevector":
        return Choice(method, "asked for")
    return Choice(method, "ideal" if asked.ideal else "noisy", settled=False)


def without_kernel(component: Component, asked: Asked) -> Choice:
    """NumPy for small components, Aer for the others."""
    wish, width, reason = asked.wish, len(component.qubits), "there is no kernel"
    small = width <= NUMPY_QUBITS and statevector.can_run(component)
    if asked.ideal and wish != "density_matrix" and small:
        return Choice("numpy_statevector", reason)
    if wish != "statevector" and width <= TRANSFER_QUBITS and component.is_static:
        return Choice("numpy_pauli_transfer", reason)
    return Choice(on_aer(wish, ideal=asked.ideal), reason)


def on_aer(wish: str | None, *, ideal: bool) -> Method:
    """Aer's method."""
    if wish == "density_matrix":
        return "aer_density_matrix"
    return "aer_statevector" if ideal or wish == "statevector" else "aer_automatic"


def check_fits(component: Component, method: Method, *, single: bool = False) -> None:
    """Refuse a component whose state is larger than the memory there is.

    Raises:
        TooWide: It is; the message names its qubits.
    """
    width = len(component.qubits)
    if method in ("statevector", "trajectories"):
        needed = (AMPLITUDE // 2 if single else AMPLITUDE) * 2.0**width
    elif method == "pauli_transfer":
        needed = 2 * 8 * 4.0**width
    elif method in STATE_AXES:
        needed = AMPLITUDE * 2.0 ** (STATE_AXES[method] * width)
    else:
        return
    room = SHARE * memory()
    if needed > room:
        qubits = ", ".join(map(str, component.qubits[:8]))
        raise TooWide(
            f"{width} qubits ({qubits}{', ...' if width > 8 else ''}) interact; their state needs "
            f"{needed / 2**30:.3g} GiB, and there are {room / 2**30:.3g}.",
        )


def memory() -> float:
    """Bytes this process may use."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine if limit == resource.RLIM_INFINITY else min(limit, machine)
