"""Execution spans: which shots of which pubs were taken when, on the emulated clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DoubleSliceSpan:
    """Shots of untwirled pubs.

    Attributes:
        data_slices: By pub: shape with shots last, slice of the flattened elements, slice of the shots.
    """

    start: datetime
    stop: datetime
    data_slices: Mapping[int, tuple[tuple[int, ...], slice, slice]]


@dataclass(frozen=True)
class TwirledSliceSpanV2:
    """Shots of twirled pubs.

    Attributes:
        data_slices: By pub: shape with randomizations and shots per randomization last, whether the
            randomizations come first instead, slice of the flattened elements, slice of the shots per
            randomization, and the pub's shots.
    """

    start: datetime
    stop: datetime
    data_slices: Mapping[int, tuple[tuple[int, ...], bool, slice, slice, int]]


@dataclass(frozen=True)
class ExecutionSpans:
    """All spans of a job, in order of execution."""

    spans: tuple[DoubleSliceSpan | TwirledSliceSpanV2, ...]
