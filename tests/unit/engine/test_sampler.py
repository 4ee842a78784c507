"""Sampler: one item per pub, every register in the result, and spans that cover all shots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import Target
from qiskit_ibm_runtime.execution_span import TwirledSliceSpanV2 as OfficialTwirledSpan

from coldplate.circuits.program import ItemOutcome, Outcomes, pack_bits
from coldplate.engine.options import Execution, SamplerOptions, Twirling
from coldplate.engine.sampler import Prepared, combine, prepare
from coldplate.engine.spans import DoubleSliceSpan, TwirledSliceSpanV2
from coldplate.errors import BadInput, IncompatibleOptions, NotIsa

DEVICE = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=5)
START = datetime(2025, 1, 1, tzinfo=UTC)
FEW = SamplerOptions(default_shots=10)
TWIRLED = SamplerOptions(default_shots=1000, twirling=Twirling(measure=True))


def prepared(*pubs: object, options: SamplerOptions = FEW) -> Prepared:
    coerced = [SamplerPub.coerce(pub) for pub in pubs]
    return prepare(coerced, options, target=DEVICE, rng=np.random.default_rng(1), clock_start=START)


def all_zero(one: Prepared) -> Outcomes:
    """Every qubit in |0>, read without error, one second per item."""
    outcomes = []
    for index, item in enumerate(one.program.items):
        bits = {}
        for register in item.circuit.cregs:
            table = np.zeros((*item.shape, item.shots, len(register)), dtype=bool)
            bits[register.name] = pack_bits(
                table ^ item.side.get(f"measurement_flips.{register.name}", False)
            )
        span = (START + timedelta(seconds=index), START + timedelta(seconds=index + 1))
        outcomes.append(ItemOutcome(bits, {}, span, metadata={"method": "none"}))
    return Outcomes(tuple(outcomes), usage_s=0.0)


def sweep(registers: tuple[int, ...] = (2,)) -> QuantumCircuit:
    circuit = QuantumCircuit(2, *[])
    for index, size in enumerate(registers):
        circuit.add_register(ClassicalRegister(size, f"c{index}"))
    circuit.rz(Parameter("t"), 0)
    circuit.measure([0, 1], circuit.cregs[0])
    return circuit


def test_a_pub_is_one_item_of_its_shape():
    (item,) = prepared((sweep(), np.zeros((3, 2, 1)), 7)).program.items
    assert item.shape == (3, 2)
    assert item.shots == 7


def test_registers_that_are_never_measured_are_in_the_result_as_zeros():
    one = prepared((sweep((2, 9)), np.zeros((3, 1))))
    data = combine(one, all_zero(one))[0].data
    assert data.c1.num_bits == 9
    assert data.c1.array.shape == (3, 10, 2)
    assert not data.c1.array.any()


def test_spans_cover_all_shots_of_all_pubs_once():
    one = prepared((sweep(), np.zeros((3, 1))), (sweep(), np.zeros((2, 2, 1)), 4))
    spans = combine(one, all_zero(one)).metadata["execution"]["execution_spans"].spans
    assert spans[0] == DoubleSliceSpan(
        START, START + timedelta(seconds=1), {0: ((3, 10), slice(0, 3), slice(0, 10))}
    )
    assert spans[1].data_slices == {1: ((2, 2, 4), slice(0, 4), slice(0, 4))}


def test_twirled_bits_are_flipped_back():
    one = prepared((sweep((2, 1)), np.zeros((3, 1))), options=TWIRLED)
    (item,) = one.program.items
    assert item.side["measurement_flips.c0"].any()
    assert not item.side["measurement_flips.c1"].any()
    assert item.shape == (3, 16)
    result = combine(one, all_zero(one))[0]
    assert result.data.c0.array.shape == (3, 1000, 1)
    assert not result.data.c0.array.any()
    assert result.metadata["num_randomizations"] == 16


def test_twirled_spans_are_what_the_official_client_understands():
    one = prepared((sweep(), np.zeros((3, 1))), options=TWIRLED)
    (span,) = combine(one, all_zero(one)).metadata["execution"]["execution_spans"].spans
    assert isinstance(span, TwirledSliceSpanV2)
    mask = OfficialTwirledSpan(span.start, span.stop, dict(span.data_slices)).mask(0)
    assert mask.shape == (3, 1000)
    assert mask.all()


def test_flips_are_balanced_over_randomizations():
    (item,) = prepared((sweep(), np.zeros((3, 1))), options=TWIRLED).program.items
    assert_allclose(item.side["measurement_flips.c0"].mean(axis=1), 0.5)


def test_a_measurement_inside_a_circuit_is_not_twirled():
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    (item,) = prepared((circuit,), options=TWIRLED).program.items
    flips = item.side["measurement_flips.c"]
    assert not flips[..., 0].any()
    assert flips[..., 1].any()


def test_iq_points_are_passed_on_as_they_are():
    one = prepared(
        (sweep(), np.zeros(1)), options=SamplerOptions(execution=Execution(meas_level="avg_kerneled"))
    )
    points = np.array([1 + 1j, 2 - 1j])
    outcome = ItemOutcome({}, {"c0": points}, (START, START))
    data = combine(one, Outcomes((outcome,), 0.0))[0].data
    assert_array_equal(data.c0, points)


def test_a_circuit_without_registers_has_an_empty_result():
    one = prepared((QuantumCircuit(1),))
    assert len(combine(one, all_zero(one))[0].data) == 0


def reserved() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.add_register(ClassicalRegister(1, "shape"))
    return circuit


def test_a_register_whose_name_a_result_cannot_have_is_refused():
    with pytest.raises(BadInput, match="'shape', a reserved name"):
        prepared((reserved(),))


def test_simulator_options_restrict_circuits():
    options = SamplerOptions(execution=Execution(basis_gates=frozenset({"sx"})))
    with pytest.raises(NotIsa, match="Circuit 0 has rz"):
        prepared((sweep(), np.zeros(1)), options=options)


def test_a_circuit_with_store_is_not_twirled():
    circuit = QuantumCircuit(1, 1)
    circuit.add_var("v", False)
    with pytest.raises(IncompatibleOptions, match="store"):
        prepared((circuit,), options=TWIRLED)


def test_a_circuit_with_stretches_has_no_twirled_gates():
    circuit = QuantumCircuit(1, 1)
    circuit.delay(circuit.add_stretch("gap"), 0)
    circuit.measure(0, 0)
    options = SamplerOptions(default_shots=10, twirling=Twirling(gates=True))
    with pytest.raises(IncompatibleOptions, match="stretches; options.twirling.enable_gates"):
        prepared(circuit, options=options)
    assert prepared(circuit).program.items
