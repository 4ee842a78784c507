"""QPY is refused by what it claims, before anything is made of it; what Qiskit writes passes."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings

import numpy as np
import pytest
from ibm_quantum_schemas.common.annotation_serializer import AnnotationSerializer
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import (
    AncillaRegister,
    AnnotatedOperation,
    ClassicalRegister,
    Clbit,
    ControlModifier,
    Gate,
    Instruction,
    InverseModifier,
    Parameter,
    ParameterVector,
    PowerModifier,
    QuantumRegister,
    Qubit,
)
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import RZGate, SGate, XGate
from qiskit.qpy.exceptions import UnsupportedFeatureForVersion
from samplomatic import ChangeBasis, InjectNoise, Twirl, build

from coldplate.errors import BadInput, BadProgram, LimitExceeded, NotIsa
from coldplate.wire.qpy import MAX_BITS, NAMES, VERSIONS, load_circuits
from coldplate.wire.qpy_scan import Scan, scan
from coldplate.wire.qpy_values import Place

MODERN = range(13, 19)


def walk(raw: bytes, *, expected: int = 1, max_bits: int = 100_000) -> None:
    scan(raw, expected=expected, versions=VERSIONS, names=NAMES, max_bits=max_bits)


def written(circuits: QuantumCircuit | list[QuantumCircuit], version: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # clbit and register conditions in old versions
        qpy.dump(circuits, file, version=version, annotation_factories={"samplomatic": AnnotationSerializer})
    return file.getvalue()


# --- what Qiskit writes -----------------------------------------------------------------------------------


def simple() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 2, metadata={"of": [1, {"a": None}]})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.barrier()
    circuit.delay(100, 0)
    circuit.unitary(np.eye(4), [0, 1])
    circuit.measure(0, 0)
    return circuit


def parameterized() -> QuantumCircuit:
    a, b, vector = Parameter("a"), Parameter("b"), ParameterVector("v", 5)
    circuit = QuantumCircuit(2, global_phase=a * 2)
    circuit.rx(a, 0)
    circuit.ry(a + b * 2 - vector[3] ** 2, 0)
    circuit.rz((a + b).sin().exp(), 1)
    circuit.rz((a * b).subs({a: vector[1] + 1}), 1)
    circuit.measure_all()
    return circuit


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(3, "c"), ClassicalRegister(70, "d"))
    with circuit.if_test((circuit.cregs[0], 3)) as otherwise:
        circuit.x(0)
    with otherwise:
        circuit.z(1)
    with circuit.for_loop(range(5)):
        circuit.x(0)
        circuit.break_loop()
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.measure(0, 0)
    with circuit.switch(circuit.cregs[0]) as case:
        with case(0, 1):
            circuit.x(0)
        with case(case.DEFAULT):
            circuit.y(0)
    return circuit


def with_variables() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    x = circuit.add_var("x", expr.lift(5, types.Uint(8)))
    circuit.store(x, expr.bit_and(x, 3))
    with circuit.if_test(expr.less(x, 4)):
        circuit.x(0)
    circuit.delay(circuit.add_stretch("s"), 0)
    return circuit


def with_own_gates() -> QuantumCircuit:
    inner = QuantumCircuit(2, name="inner")
    inner.h(0)
    inner.rz(Parameter("a"), 1)
    outer = QuantumCircuit(3, name="outer")
    outer.append(inner.to_gate(), [0, 1])
    outer.append(XGate().control(2, ctrl_state=1), [0, 1, 2])
    circuit = QuantumCircuit(4, 1)
    circuit.append(outer.to_gate(), [0, 1, 2])
    circuit.append(inner.to_gate().control(1, annotated=False), [0, 1, 2])
    circuit.append(RZGate(0.3).control(2, annotated=False), [0, 1, 2])
    circuit.append(Gate("opaque", 1, [0.3]), [0])
    circuit.append(Instruction("measure_2", 1, 1, []), [0], [0])
    modifiers = [InverseModifier(), ControlModifier(1), PowerModifier(2)]
    circuit.append(AnnotatedOperation(SGate(), modifiers), [0, 1])
    return circuit


def with_odd_registers() -> QuantumCircuit:
    qubits = QuantumRegister(3, "q")
    alias = QuantumRegister(name="alias", bits=[qubits[2], qubits[0]])
    circuit = QuantumCircuit(qubits, alias, AncillaRegister(2, "anc"), [Qubit()], [Clbit()])
    circuit.h(qubits)
    return circuit


def boxed() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    with circuit.box([Twirl(), InjectNoise("r")]):
        circuit.cz(0, 1)
    with circuit.box([Twirl(), ChangeBasis(ref="m")]):
        circuit.measure([0, 1], [0, 1])
    return circuit


def template() -> QuantumCircuit:
    return build(boxed())[0]


MADE = [
    simple,
    parameterized,
    dynamic,
    with_variables,
    with_own_gates,
    with_odd_registers,
    boxed,
    template,
]


@pytest.mark.parametrize("version", MODERN)
@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_what_qiskit_writes_is_read(make, version):
    circuit = make()
    try:
        raw = written(circuit, version)
    except UnsupportedFeatureForVersion:
        pytest.skip("this version can't hold it")
    assert load_circuits(raw, expected=1) == [circuit]


@pytest.mark.parametrize("version", MODERN)
def test_many_circuits_in_one_file_are_walked_to_the_end(version):
    circuits = [simple(), parameterized(), dynamic(), with_own_gates()]
    assert load_circuits(written(circuits, version), expected=4) == circuits
    with pytest.raises(BadProgram, match="There are 4 circuits"):
        walk(written(circuits, version), expected=1)


@pytest.mark.parametrize("version", MODERN)
@pytest.mark.parametrize("make", [simple, parameterized, dynamic, with_own_gates])
def test_every_cut_is_refused(make, version):
    raw = written(make(), version)
    for length in range(len(raw)):
        with pytest.raises((BadProgram, NotIsa, LimitExceeded, BadInput)):
            walk(raw[:length])


@pytest.mark.parametrize("version", MODERN)
def test_bytes_after_the_last_circuit_are_refused(version):
    with pytest.raises(BadProgram, match="goes on"):
        walk(written(simple(), version) + b"\0")


# --- what an attacker writes ------------------------------------------------------------------------------


def instruction(name: bytes, *, params: bytes = b"", number: int = 0, controls: int = 0) -> bytes:
    return struct.pack("!HHHIIBHqII", len(name), 0, number, 0, 0, 0, 0, 0, controls, 0) + name + params


def param(kind: bytes, value: bytes) -> bytes:
    return struct.pack("!cQ", kind, len(value)) + value


def definition(name: bytes, body: bytes, *, kind: bytes = b"g", base: bytes = b"") -> bytes:
    sizes = struct.pack("!HcII?QIIQ", len(name), kind, 1, 0, bool(body), len(body), 0, 0, len(base))
    return sizes + name + body + base


def body(
    *instructions: bytes,
    version: int = 13,
    qubits: int = 1,
    clbits: int = 0,
    claimed: int | None = None,
    definitions: tuple[bytes, ...] = (),
    registers: bytes = b"",
    number: int = 0,
) -> bytes:
    claimed = len(instructions) if claimed is None else claimed
    header = struct.pack("!HcHIIQIQ", 0, b"f", 8, qubits, clbits, 2, number, claimed)
    header += struct.pack("!I", 0) if version >= 12 else b""
    tables = (b"\0" * 4 if version >= 15 else b"") + (b"\0" * 2 if version >= 18 else b"")
    parts = [header, b"\0" * 8, b"{}", registers, tables, struct.pack("!Q", len(definitions)), *definitions]
    layout = struct.pack("!?iiiI", False, -1, -1, -1, 0) + (b"\0" * 4 if version >= 10 else b"")
    return b"".join([*parts, *instructions, b"\0\0" if version < 18 else b"", layout])


def file_of(circuit: bytes, *, version: int = 13, programs: int = 1) -> bytes:
    head = struct.pack("!6sBBBBQ", b"QISKIT", version, 2, 0, 0, programs)
    head += (b"p" if version >= 10 else b"") + b"q"
    if version >= 16:
        head += struct.pack("!Q", len(head) + 8)
    return head + circuit


def vector_element(size: int) -> bytes:
    return param(b"v", struct.pack("!HQ16sQ", 1, size, b"u" * 16, 0) + b"v")


def expression(operations: bytes) -> bytes:
    return param(b"e", struct.pack("!QQ", 0, len(operations)) + operations)


def nested(levels: int) -> bytes:
    circuit = body(instruction(b"XGate"))
    for _ in range(levels):
        circuit = body(instruction(b"BoxOp", params=param(b"q", circuit), number=1))
    return circuit


def doubling(levels: int, times: int) -> bytes:
    circuit = body(*[instruction(b"XGate")] * times)
    for _ in range(levels):
        circuit = body(*[instruction(b"g_0")] * times, definitions=(definition(b"g_0", circuit),))
    return circuit


def npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, np.zeros(10))
    return file.getvalue()


def around(name: bytes, base: bytes) -> bytes:
    return definition(name, body(), kind=b"c", base=instruction(base))


OPERATION = struct.pack("!Bc16sc16s", 0, b"f", b"\0" * 16, b"f", b"\0" * 16)

ATTACKS = [
    pytest.param(body(qubits=2 * 10**7), LimitExceeded, "20000000 qubits", id="qubits"),
    pytest.param(body(qubits=2**32 - 1), LimitExceeded, "qubits", id="most-qubits"),
    pytest.param(body(clbits=10**6), LimitExceeded, "clbits", id="clbits"),
    pytest.param(body(claimed=2**60), BadProgram, "cut off", id="instructions"),
    pytest.param(body(number=2**31), LimitExceeded, "qubits or clbits", id="registers"),
    pytest.param(
        body(registers=struct.pack("!c?IH?", b"q", True, 2**31, 0, False), number=1),
        LimitExceeded,
        "qubits or clbits",
        id="register-of-2e9",
    ),
    pytest.param(
        body(*[instruction(b"BoxOp", params=param(b"q", body(qubits=90_000)), number=1)] * 12),
        LimitExceeded,
        "together",
        id="many-wide-bodies",
    ),
    pytest.param(
        body(instruction(b"quantum_volume")), NotIsa, "quantum_volume", id="function-of-the-library"
    ),
    pytest.param(body(instruction(b"QuantumCircuit")), NotIsa, "QuantumCircuit", id="class-of-the-library"),
    pytest.param(
        body(definitions=(definition(b"g_0", body(instruction(b"Permutation"))),)),
        NotIsa,
        "Permutation",
        id="class-inside-a-definition",
    ),
    pytest.param(
        body(definitions=(around(b"g_0", b"IQP"),)), NotIsa, "IQP", id="class-under-a-controlled-gate"
    ),
    pytest.param(
        body(definitions=(around(b"a_0", b"b_0"), around(b"b_0", b"a_0"))),
        LimitExceeded,
        "deeper than 20",
        id="gates-made-from-each-other",
    ),
    pytest.param(nested(25), LimitExceeded, "deeper than 20", id="nesting"),
    pytest.param(nested(2_000), LimitExceeded, "deeper than 20", id="deep-nesting"),
    pytest.param(doubling(12, 4), LimitExceeded, "expands to more", id="doubling-definitions"),
    pytest.param(
        body(instruction(b"MCXGate", controls=2**31)), BadProgram, "2147483648 controls", id="controls"
    ),
    pytest.param(
        body(instruction(b"RZGate", params=vector_element(10**9), number=1)),
        LimitExceeded,
        "vectors",
        id="parameter-vector",
    ),
    pytest.param(
        body(instruction(b"RZGate", params=expression(OPERATION * 6_000), number=1)),
        LimitExceeded,
        "operations",
        id="long-expression",
    ),
    pytest.param(
        body(instruction(b"UnitaryGate", params=param(b"n", npz()), number=1)), BadInput, ".npy", id="npz"
    ),
    pytest.param(
        body(instruction(b"BoxOp", params=param(b"t", struct.pack("!Q", 2**60)), number=1)),
        BadProgram,
        "cut off",
        id="sequence",
    ),
]


@pytest.mark.parametrize(("circuit", "error", "says"), ATTACKS)
def test_claims_that_would_take_memory_or_call_things_are_refused(circuit, error, says):
    raw = file_of(circuit)
    tracemalloc.start()
    try:
        with pytest.raises(error, match=says):
            walk(raw)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_small_circuit_by_the_same_writer_is_read():
    assert load_circuits(file_of(body(instruction(b"Barrier"))), expected=1)[0].num_qubits == 1


def test_a_definition_that_is_used_often_is_read():
    walk(file_of(doubling(5, 4)))


def test_contiguous_registers_of_version_18_can_not_claim_more_than_fits():
    registers = struct.pack("!c?IH?BI", b"q", True, 90_000, 0, True, 1, 0)
    circuit = body(version=18, qubits=90_000, registers=registers * 12, number=12)
    with pytest.raises(LimitExceeded, match="together"):
        walk(file_of(circuit, version=18))


def test_a_table_of_circuits_can_not_point_elsewhere():
    raw = bytearray(file_of(body(version=17), version=17))
    raw[24:32] = struct.pack("!Q", 40)
    with pytest.raises(BadProgram, match="table"):
        walk(bytes(raw))


def test_pulse_calibrations_are_refused():
    raw = file_of(body())
    at = len(raw) - struct.calcsize("!?iiiIi") - 2
    with pytest.raises(BadProgram, match="calibrations"):
        walk(raw[:at] + b"\0\1" + raw[at + 2 :])


@pytest.mark.parametrize("version", [*range(9), 19, 255])
def test_versions_of_unknown_layouts_are_refused(version):
    with pytest.raises(BadProgram, match=f"version {version};"):
        walk(file_of(body(version=13), version=version))


@pytest.mark.parametrize("version", [10, 11, 12])
def test_expression_of_symengine_has_to_be_one(version):
    scan = Scan(version, NAMES, MAX_BITS)
    scan.by_symengine = True
    with pytest.raises(BadProgram, match="symengine"):
        scan.expression(Place(struct.pack("!QQ", 0, 4) + b"\x80\x04.."), 0)


@pytest.mark.parametrize(("encoding", "by_symengine"), [(b"p", False), (b"e", True)])
def test_header_says_how_expressions_are_written(encoding, by_symengine, monkeypatch):
    seen = []
    monkeypatch.setattr(Scan, "circuit", lambda self, place, depth: seen.append(self.by_symengine) or 0)
    walk(b"QISKIT" + struct.pack("!BBBBQc", 11, 1, 0, 2, 1, encoding) + b"q")
    assert seen == [by_symengine]


def test_header_of_an_unknown_form_is_refused():
    with pytest.raises(BadProgram, match="unknown form"):
        walk(b"QISKIT" + struct.pack("!BBBBQc", 11, 1, 0, 2, 1, b"x") + b"q")


def symbolic(text: str) -> bytes:
    uuid = b"u" * 16
    symbol = struct.pack("!ccQ", b"p", b"p", 0) + struct.pack("!H16s", 1, uuid) + b"x"
    value = struct.pack("!QQ", 1, len(text)) + text.encode() + symbol
    rotation = instruction(b"RZGate", params=param(b"e", value), number=1)
    rotation = rotation.replace(b"RZGate", b"RZGate" + struct.pack("!cI", b"q", 0))
    rotation = (
        struct.pack("!HHHIIBHqII", 6, 0, 1, 1, 0, 0, 0, 0, 0, 0) + rotation[struct.calcsize("!HHHIIBHqII") :]
    )
    return file_of(body(rotation, version=9), version=9)


def test_a_symbolic_expression_of_the_old_client_is_read():
    (circuit,) = load_circuits(
        symbolic("Add(Mul(Integer(2), Pow(Symbol('x'), Integer(2))), Float('0.5'))"), expected=1
    )
    assert circuit.assign_parameters([3.0]).data[0].operation.params == [pytest.approx(18.5)]


@pytest.mark.parametrize(
    "text",
    [
        "Pow(Integer(9), Integer(999999999))",
        "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
        "Pow(Pow(Pow(Pow(Integer(9), Integer(60)), Integer(60)), Integer(60)), Integer(60))",
        "Add(" * 50_000,
        "__import__('os').system('true')" + " " * 5_000,
        "not an expression",
        "\x00",
    ],
)
def test_a_symbolic_expression_that_takes_long_is_refused(text):
    with pytest.raises(BadProgram, match="parameter expression|can't be read"):
        load_circuits(symbolic(text), expected=1)


@pytest.mark.parametrize(("number", "unit"), [(20, "us"), (2.5, "us"), (100, "ns"), (1e-6, "s")])
def test_delay_whose_unit_is_lost_is_refused_by_name(number, unit):
    circuit = QuantumCircuit(1)
    circuit.delay(number, 0, unit=unit)
    with pytest.raises(BadProgram, match=f"A delay of {number:g} arrived without its unit"):
        load_circuits(written(circuit, max(VERSIONS)), expected=1)


def test_delay_in_dt_arrives():
    circuit = QuantumCircuit(1)
    circuit.delay(160, 0)
    (found,) = load_circuits(written(circuit, max(VERSIONS)), expected=1)
    assert found.data[0].operation.duration == 160
