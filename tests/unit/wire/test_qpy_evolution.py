"""Time evolutions in QPY: those that Qiskit writes are read, and nothing else comes in by that door."""

from __future__ import annotations

import io
import json
import struct
import warnings

import numpy as np
import pytest
from qiskit import qpy
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp
from qiskit.synthesis import LieTrotter, QDrift, SuzukiTrotter

from coldplate.errors import BadProgram, LimitExceeded, NotIsa
from coldplate.wire.qpy import load_circuits

SUM = SparsePauliOp(["XXI", "IZZ"], [1, 0.5])
NAME = "###PauliEvolutionGate_0"


def of(operator, time=0.3, **more) -> QuantumCircuit:
    gate = PauliEvolutionGate(operator, time, **more)
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


def written(circuit: QuantumCircuit, version: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        qpy.dump(circuit, file, version=version)
    return file.getvalue()


@pytest.mark.parametrize("version", [13, 15, 17, 18])
@pytest.mark.parametrize(
    "operator",
    [SUM, [SparsePauliOp("XX"), SparsePauliOp(["ZI", "IZ"])], SparseObservable("XZ")],
    ids=["sum", "sums", "sparse"],
)
@pytest.mark.parametrize("formula", [LieTrotter(reps=2), SuzukiTrotter(order=4, reps=2)])
def test_what_qiskit_writes_is_read(version, operator, formula):
    if isinstance(operator, SparseObservable) and version < 17:
        pytest.skip("not written before 17")
    circuit = of(operator, synthesis=formula)
    (found,) = load_circuits(written(circuit, version), expected=1)
    assert Operator(found.decompose()) == Operator(circuit.decompose())


def test_time_may_be_a_parameter():
    t = Parameter("t")
    (found,) = load_circuits(written(of(SUM, 2 * t), 13), expected=1)
    bound = found.assign_parameters([0.5]).decompose()
    assert Operator(bound) == Operator(of(SUM, 1.0).decompose())


# --- what nobody writes -----------------------------------------------------------------------------------


def array(rows, dtype=(("labels", "<U2"), ("coeffs", "<c16")), **more) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows, dtype=list(dtype)), **more)
    return file.getvalue()


XX, ONE = array([("XX", 1.0)]), struct.pack("!d", 1.0)


def payload(operator=XX, *, sums=1, alone=True, kind=b"f", time=ONE, **synthesis) -> bytes:
    told = {"class": "LieTrotter", "settings": {"reps": 1}} | synthesis
    settings = json.dumps(told).encode()
    head = struct.pack("!Q?cQQ", sums, alone, kind, len(time), len(settings))
    return head + struct.pack("!Q", len(operator)) + operator + time + settings


def file_of(definition: bytes, *, kind: bytes = b"p", name: str = NAME, num_qubits: int = 2) -> bytes:
    """A file of version 13 with one circuit that has one instruction of its own."""
    size = len(definition)
    own = struct.pack("!HcII?QIIQ", len(name), kind, num_qubits, 0, True, size, 0, 0, 0) + name.encode()
    call = struct.pack("!HHHIIBHqII", len(name), 0, 0, num_qubits, 0, 0, 0, 0, 0, 0) + name.encode()
    call += b"".join(struct.pack("!cI", b"q", qubit) for qubit in range(num_qubits))
    head = struct.pack("!HcHIIQIQI", 1, b"f", 8, num_qubits, 0, 2, 0, 1, 0) + b"c" + bytes(8) + b"{}"
    body = head + struct.pack("!Q", 1) + own + definition + call + b"\0\0" + struct.pack("!?iiiIi", *[0] * 6)
    return struct.pack("!6sBBBBQc", b"QISKIT", 13, 2, 0, 0, 1, b"p") + b"q" + body


def test_the_file_made_here_is_read():
    (found,) = load_circuits(file_of(payload()), expected=1)
    assert Operator(found.decompose()) == Operator(of(SparsePauliOp("XX"), 1.0).decompose())


@pytest.mark.parametrize(
    "definition",
    [
        payload(array([("XY", "a")], dtype=(("labels", "<U2"), ("coeffs", "O")))),  # pickled
        payload(array([("XYZ", 1.0)], dtype=(("labels", "<U3"), ("coeffs", "<c16")))),
        payload(array([("XQ", 1.0)])),
        payload(array([("XX", 1j)])),
        payload(array([("XX", np.inf)])),
        payload(array([("XX", 1.0)])[:-1]),
        payload(array([("XX", 1.0)]).replace(b"(1,)", b"(9,)")),
        payload(b"no array"),
        payload(sums=0, alone=False),
        payload(sums=2),
        payload(kind=b"n", time=array([("XX", 1.0)])),
        payload(settings={"reps": 0}),
        payload(settings={"reps": 10**6}),
        payload(settings={"reps": 1, "order": 2}),
        payload(settings={"atomic_evolution": "print"}),
        payload(settings={"cx_structure": "tree"}),
        payload(settings={"insert_barriers": 1}),
        payload(settings=[]),
        payload(more=1),
        payload() + b"\0",
        payload()[:40],
    ],
)
def test_what_is_not_an_evolution_is_refused(definition):
    with pytest.raises(BadProgram):
        load_circuits(file_of(definition), expected=1)


@pytest.mark.parametrize("formula", ["QDrift", "MatrixExponential", "__builtins__", ["x"]])
def test_only_known_formulas_are_called(formula):
    with pytest.raises(NotIsa, match="is not run here"):
        load_circuits(file_of(payload(**{"class": formula})), expected=1)


@pytest.mark.parametrize(("kind", "name"), [(b"p", "mine"), (b"g", NAME)])
def test_kind_and_name_can_not_differ(kind, name):
    with pytest.raises(BadProgram, match="not of the kind"):
        load_circuits(file_of(payload(), kind=kind, name=name), expected=1)


def test_formula_that_expands_to_too_many_gates_is_refused():
    big = payload(**{"class": "SuzukiTrotter", "settings": {"reps": 10_000, "order": 10}})
    with pytest.raises(LimitExceeded, match="gates"):
        load_circuits(file_of(big), expected=1)


def test_sampled_formula_is_refused_by_name():
    with pytest.raises(NotIsa, match="QDrift"):
        load_circuits(written(of(SUM, synthesis=QDrift(reps=2)), 13), expected=1)
