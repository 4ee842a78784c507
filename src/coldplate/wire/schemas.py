"""What differs between the schema versions of the executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coldplate.wire.qpy import VERSIONS

UNBOUND = 10**6


@dataclass(frozen=True)
class Schema:
    """One schema version.

    Attributes:
        qpy: QPY versions of the circuits.
        newest_samplex: Newest serialization version of samplexes.
        levels: Measurement levels.
        one_blob: Whether all circuits are in one blob, and items have shapes.
        compressed: Whether circuits and tensors are deflated, tensors with any type.
        echoes: What a result repeats of its program.
        item_metadata: Whether an item's result has metadata that is an object.
        ranges: Whether chunks tell which elements they have.
    """

    qpy: frozenset[int]
    newest_samplex: int
    levels: frozenset[str]
    one_blob: bool = False
    compressed: bool = False
    echoes: tuple[str, ...] = ("passthrough_data", "semantic_role")
    item_metadata: bool = True
    ranges: bool = True


SINGLE = frozenset({"classified", "kerneled", "avg_kerneled"})
BOTH = SINGLE | {"both"}
UP_TO_16, UP_TO_17 = frozenset(range(13, 17)), frozenset(range(13, 18))

SCHEMAS: Mapping[str, Schema] = {
    "v0.1": Schema(
        UP_TO_16, 1, levels=frozenset({"classified"}), echoes=(), item_metadata=False, ranges=False
    ),
    "v0.2": Schema(UP_TO_17, 2, levels=SINGLE, echoes=("passthrough_data",), ranges=False),
    "v1.0": Schema(UP_TO_17, 3, levels=BOTH, one_blob=True),
    "v1.1": Schema(UP_TO_17, 4, levels=BOTH, one_blob=True),
    "v2.0": Schema(VERSIONS - {9}, UNBOUND, levels=BOTH, one_blob=True, compressed=True),
}
