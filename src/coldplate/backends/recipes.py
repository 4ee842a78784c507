"""Gates that the native kernel doesn't know as a few that it does, up to a phase.

A recipe gives steps for a gate's angles: a code, on which of the gate's qubits, and what it takes: a gate's
name, for its matrix, or an angle and its factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coldplate.backends.codes import CX, MATRIX, RX, RY, RZ, RZZ

Step = tuple[int, tuple[int, ...], Any]
Recipe = Callable[[Sequence[Any]], list[Step]]
Frame = tuple[str, str]  # gates before and after, between which Z is another axis

TO_X: Frame = ("h", "h")
TO_Y: Frame = ("sx", "sxdg")


def ecr(params: Sequence[Any]) -> list[Step]:
    """Echoed cross-resonance."""
    return [(MATRIX, (0,), "s"), (MATRIX, (1,), "sx"), (CX, (0, 1), None), (MATRIX, (0,), "x")]


def u(params: Sequence[Any]) -> list[Step]:
    """Any rotation."""
    theta, phi, lam = params
    return [(RZ, (0,), (lam,)), (RY, (0,), (theta,)), (RZ, (0,), (phi,))]


def u2(params: Sequence[Any]) -> list[Step]:
    """A quarter turn about an axis."""
    return u((np.pi / 2, *params))


def r(params: Sequence[Any]) -> list[Step]:
    """A rotation about an axis in the plane of X and Y."""
    theta, phi = params
    return [(RZ, (0,), (phi, -1.0)), (RX, (0,), (theta,)), (RZ, (0,), (phi,))]


def cp(params: Sequence[Any]) -> list[Step]:
    """A phase of 11."""
    (angle,) = params
    return [(RZ, (0,), (angle, 0.5)), (RZ, (1,), (angle, 0.5)), (RZZ, (0, 1), (angle, -0.5))]


def controlled(frame: Frame | None) -> Recipe:
    """A controlled rotation of the second qubit."""

    def steps(params: Sequence[Any]) -> list[Step]:
        (angle,) = params
        inner: list[Step] = [(RZ, (1,), (angle, 0.5)), (RZZ, (0, 1), (angle, -0.5))]
        return framed(inner, (None, frame))

    return steps


def about(first: Frame | None, second: Frame | None) -> Recipe:
    """A rotation about a product of two Paulis."""
    return lambda params: framed([(RZZ, (0, 1), (params[0],))], (first, second))


def framed(inner: list[Step], frames: Sequence[Frame | None]) -> list[Step]:
    """Steps between changes of frame of each qubit."""
    before = [(MATRIX, (place,), frame[0]) for place, frame in enumerate(frames) if frame]
    after = [(MATRIX, (place,), frame[1]) for place, frame in enumerate(frames) if frame]
    return [*before, *inner, *after]


RECIPES: dict[str, Recipe] = {
    "ecr": ecr,
    "u": u,
    "u3": u,
    "u2": u2,
    "r": r,
    "cp": cp,
    "cu1": cp,
    "crz": controlled(None),
    "crx": controlled(TO_X),
    "cry": controlled(TO_Y),
    "rxx": about(TO_X, TO_X),
    "ryy": about(TO_Y, TO_Y),
    "rzx": about(None, TO_X),
}
