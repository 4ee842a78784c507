"""Everything works where the native kernel could not be built, and installing without a compiler does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.primitives.containers import BitArray
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from coldplate.backends import array_data, kernel_runs, running, table
from coldplate.backends.catalog import load
from coldplate.programs.registry import Context, find

PROJECT = Path(__file__).parents[2]
SHOTS = 4000


@pytest.fixture(params=["kernel", "none"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the kernel, where there is one, and without."""
    if request.param == "none":
        for module in (array_data, kernel_runs, running, table):
            monkeypatch.setattr(module, "native", lambda: None)
    return str(request.param)


def run(program: str, pub: list[Any], *, backend: str = "sim_statevector", **options: Any) -> Any:
    body = {"pubs": [pub], "options": options, "version": 2, "support_qiskit": True, "resilience_level": 0}
    if program == "sampler":
        del body["resilience_level"]
    params = json.dumps(body, cls=RuntimeEncoder).encode()
    answer = find(program)(params, load(backend), Context(seed=3)).body
    return json.loads(answer, cls=RuntimeDecoder)


def bits(result: Any, name: str = "meas") -> BitArray:
    return getattr(result[0].data, name)


def share(array: BitArray, pattern: str) -> float:
    return array.get_counts().get(pattern, 0) / (array.num_shots * max(1, array.size))


def test_sampler(kernel):
    circuit = QuantumCircuit(3)
    circuit.rx(Parameter("t"), 0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.measure_all()
    shown = bits(run("sampler", [circuit, np.array([[0.0], [np.pi / 2], [np.pi]]), SHOTS]))
    ones = [shown[index].get_counts().get("111", 0) / SHOTS for index in range(3)]
    np.testing.assert_allclose(ones, [0, 0.5, 1], atol=0.05)


def test_estimator(kernel):
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("t"), 0)
    circuit.cx(0, 1)
    angles = np.array([[0.3], [1.2]])
    result = run("estimator", [circuit, [[{"ZZ": 1.0}], [{"XX": 1.0}]], angles.T[..., None], 0.02])
    found = result[0].data.evs
    np.testing.assert_allclose(found, [np.ones(2), np.sin(angles[:, 0])], atol=0.1)


def test_noisy_device(kernel):
    device = load("emu_heron_r1")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    isa = transpile(circuit, target=device.target, initial_layout=[0, 1], optimization_level=1)
    pub = [isa, np.zeros(0), SHOTS]
    shown = [
        bits(run("sampler", pub, backend="emu_heron_r1", experimental=how)) for how in ({}, {"method": "aer"})
    ]
    ours, aers = ([share(one, pattern) for pattern in ("00", "01", "10", "11")] for one in shown)
    assert ours[1] + ours[2] > 0.01
    np.testing.assert_allclose(ours, aers, atol=0.05)


def test_feedback(kernel):
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    counts = bits(run("sampler", [circuit, np.zeros(0), SHOTS]), "c").get_counts()
    assert set(counts) == {"00", "11"}
    assert abs(counts["11"] / SHOTS - 0.5) < 0.05


@pytest.mark.slow
def test_wheel_is_built_without_a_compiler(tmp_path):
    """It has no kernel, and everything else."""
    made = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
            f"--config-settings=build-dir={tmp_path / 'build'}", "-w", str(tmp_path), str(PROJECT),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"CXX": "/bin/false", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert not [name for name in names if name.endswith((".so", ".hpp", ".cpp"))]
    source = PROJECT / "src"
    shipped = [
        file
        for file in source.rglob("*")
        if file.suffix in (".py", ".toml", ".sql", ".mako", ".txt") and "native" not in file.parts
    ]
    assert {str(file.relative_to(source)) for file in shipped} <= names
