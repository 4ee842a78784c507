"""The artifacts of a job as one ZIP file: circuits as run, twirls, raw values, noise models, the report."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import qpy

from coldplate.engine.report import Artifacts

EPOCH = (1980, 1, 1, 0, 0, 0)  # equal jobs give equal files


def archive(artifacts: Artifacts) -> bytes:
    """The file.

    It holds ``report.json``; ``circuits.qpy``, the ISA circuits of all items; ``items/K/values.npy``, the
    angles of item K in the order of its circuit's parameters; ``items/K/NAME.npy``, what was drawn beside
    them (``measurement_flips.<register>``, ``negative``); ``values/NAME.npy``; ``layer_noise.json``, where
    there are models.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        put(file, "report.json", json.dumps(artifacts.report, indent=2).encode())
        circuits = io.BytesIO()
        if artifacts.items:
            qpy.dump([item.circuit for item in artifacts.items], circuits)
        put(file, "circuits.qpy", circuits.getvalue())
        for index, item in enumerate(artifacts.items):
            put(file, f"items/{index}/values.npy", npy(item.values))
            for name, array in item.side.items():
                put(file, f"items/{index}/{name}.npy", npy(array))
        for name, array in artifacts.values.items():
            put(file, f"values/{name}.npy", npy(array))
        if artifacts.models:
            put(file, "layer_noise.json", json.dumps(artifacts.models).encode())
    return written.getvalue()


def put(file: zipfile.ZipFile, name: str, body: bytes) -> None:
    """Add one file, dated like all."""
    file.writestr(zipfile.ZipInfo(name, EPOCH), body, zipfile.ZIP_DEFLATED)


def npy(array: NDArray[Any]) -> bytes:
    """An array as a file of NumPy's."""
    body = io.BytesIO()
    np.save(body, np.asarray(array), allow_pickle=False)
    return body.getvalue()
