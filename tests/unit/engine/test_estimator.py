"""Estimator: what is measured of a pub, and how its outcomes become values and errors."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import Target

from coldplate.circuits.program import ItemOutcome, Outcomes, pack_bits
from coldplate.engine.estimator import Prepared, combine, prepare
from coldplate.engine.options import EstimatorOptions, Execution, Twirling
from coldplate.errors import BadInput, DynamicInEstimator, NotIsa, ObservableWidth
from coldplate.mitigation.trex import TrexOptions

DEVICE = Target.from_configuration(basis_gates=["rz", "sx", "x", "cz"], num_qubits=5)
START = datetime(2025, 1, 1, tzinfo=UTC)
PLAIN = EstimatorOptions(default_shots=100, twirling=Twirling(), trex=None)
LEVEL_1 = EstimatorOptions(default_shots=100, twirling=Twirling(measure=True), trex=TrexOptions(4, 50))


def prepared(*pubs: object, options: EstimatorOptions = PLAIN) -> Prepared:
    coerced = [EstimatorPub.coerce(pub) for pub in pubs]
    return prepare(coerced, options, target=DEVICE, rng=np.random.default_rng(1), clock_start=START)


def all_zero(one: Prepared, *, flipped: bool = False) -> Outcomes:
    """Every qubit in |0>, read without error."""
    outcomes = []
    for item in one.program.items:
        (register,) = item.circuit.cregs
        bits = np.zeros((*item.shape, item.shots, len(register)), dtype=bool)
        if flipped:
            bits ^= item.side[f"measurement_flips.{register.name}"]
        outcomes.append(ItemOutcome({register.name: pack_bits(bits)}, {}, (START, START)))
    return Outcomes(tuple(outcomes), usage_s=0.0)


def test_all_bases_of_all_parameter_sets_are_one_item():
    circuit = QuantumCircuit(2)
    circuit.rz(Parameter("t"), 0)
    one = prepared((circuit, SparsePauliOp(["XX", "YY", "ZZ"]), np.zeros((7, 1))))
    (item,) = one.program.items
    assert item.shape == (21,)
    assert item.shots == 100
    assert len(item.circuit.parameters) == item.values.shape[-1]


def test_only_qubits_of_observables_are_measured():
    (item,) = prepared((QuantumCircuit(5), SparsePauliOp(["IZIIZ"]))).program.items
    assert item.circuit.count_ops() == {"measure": 2}


@pytest.mark.parametrize(
    ("observable", "gates"),
    [
        pytest.param("ZZ", {"measure": 2}, id="along-z-needs-none"),
        pytest.param("XZ", {"sx": 2, "rz": 1, "measure": 2}, id="along-x-needs-one-angle"),
        pytest.param("YZ", {"sx": 2, "rz": 2, "measure": 2}, id="along-y-needs-two"),
    ],
)
def test_no_needless_gates_are_added(observable, gates):
    (item,) = prepared((QuantumCircuit(2), SparsePauliOp(observable))).program.items
    assert dict(item.circuit.count_ops()) == gates


def test_the_circuits_own_final_measurements_are_left_out():
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    (item,) = prepared((circuit, SparsePauliOp("IZ"))).program.items
    assert dict(item.circuit.count_ops()) == {"x": 1, "measure": 1}
    assert [register.name for register in item.circuit.cregs] == ["_meas"]


def test_a_measurement_inside_stays():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    circuit.x(0)
    (item,) = prepared((circuit, SparsePauliOp("Z"))).program.items
    assert dict(item.circuit.count_ops()) == {"measure": 2, "x": 1}


def test_level_1_adds_one_calibration_for_all_pubs():
    one = prepared(
        (QuantumCircuit(3), SparsePauliOp("IIZ")),
        (QuantumCircuit(5), SparsePauliOp("ZIIII")),
        options=LEVEL_1,
    )
    *_, calibration = one.program.items
    assert one.readout_qubits == (0, 4)
    assert calibration.shape == (4,)
    assert calibration.shots == 50
    assert calibration.circuit.num_qubits == 5


def test_auto_calibrates_with_as_many_shots_as_the_largest_pub():
    options = EstimatorOptions(default_shots=1000)
    *_, calibration = prepared((QuantumCircuit(1), SparsePauliOp("Z")), options=options).program.items
    assert calibration.executions == 32 * 32


def test_level_1_without_noise_changes_nothing():
    one = prepared((QuantumCircuit(2), SparsePauliOp(["ZZ", "IZ"], [2.0, 1.0])), options=LEVEL_1)
    result = combine(one, all_zero(one, flipped=True), LEVEL_1)
    assert_allclose(result[0].data.evs, 3.0)
    assert_allclose(result[0].data.stds, 0.0)


def test_values_and_errors_have_the_broadcast_shape():
    circuit = QuantumCircuit(1)
    circuit.rz(Parameter("t"), 0)
    observables = [[SparsePauliOp("Z")], [SparsePauliOp("I", [0.5])]]
    one = prepared((circuit, observables, np.zeros((3, 1))))
    data = combine(one, all_zero(one), PLAIN)[0].data
    for name in ("evs", "stds", "ensemble_standard_error"):
        assert data[name].shape == (2, 3)
    assert_allclose(data.evs, [[1, 1, 1], [0.5, 0.5, 0.5]])


def test_identities_are_exact_and_run_nothing():
    one = prepared((QuantumCircuit(1), SparsePauliOp("I", [0.25])), options=LEVEL_1)
    assert one.program.items == ()
    result = combine(one, all_zero(one), LEVEL_1)
    assert_allclose(result[0].data.evs, 0.25)
    assert_allclose(result[0].data.stds, 0)
    assert result[0].data.evs.shape == ()


@pytest.mark.parametrize(
    ("pub", "error", "says"),
    [
        ((QuantumCircuit(3), SparsePauliOp("ZZ")), ObservableWidth, "on 2 qubits, but a circuit on 3"),
        ((QuantumCircuit(1), SparsePauliOp("Z"), np.zeros((2, 1))), BadInput, "values for 1 parameters"),
    ],
)
def test_a_pub_that_has_no_values_is_refused(pub, error, says):
    from qiskit.primitives.containers.bindings_array import BindingsArray
    from qiskit.primitives.containers.observables_array import ObservablesArray

    values = None if len(pub) == 2 else BindingsArray({("a",): pub[2]})
    one = EstimatorPub(pub[0], ObservablesArray(pub[1]), values, validate=False)
    with pytest.raises(error, match=says):
        prepare([one], PLAIN, target=DEVICE, rng=np.random.default_rng(1), clock_start=START)


def test_a_dynamic_circuit_is_refused():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    with pytest.raises(DynamicInEstimator, match="if_else"):
        prepared((circuit, SparsePauliOp("Z")))


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        (Execution(basis_gates=frozenset({"sx"})), "cz, which options.simulator.basis_gates"),
        (Execution(coupling=frozenset({(0, 1)})), r"\(1, 0\), which options.simulator.coupling_map"),
    ],
)
def test_simulator_options_restrict_circuits(execution, says):
    circuit = QuantumCircuit(2)
    circuit.cz(1, 0)
    with pytest.raises(NotIsa, match=says):
        prepared((circuit, SparsePauliOp("ZZ")), options=EstimatorOptions(execution=execution))


@pytest.mark.parametrize(
    ("precision", "options", "shots", "target", "randomizations"),
    [
        (None, EstimatorOptions(twirling=Twirling(), trex=None), 4096, 0.015625, 1),
        (0.1, EstimatorOptions(twirling=Twirling(), trex=None), 100, 0.1, 1),
        (None, PLAIN, 100, 0.1, 1),
        (None, EstimatorOptions(twirling=Twirling(True, 25, 64), trex=None), 1600, 0.025, 25),
    ],
)
def test_the_metadata_tell_what_was_run(precision, options, shots, target, randomizations):
    one = prepared((QuantumCircuit(1), SparsePauliOp("Z"), [], precision), options=options)
    metadata = combine(one, all_zero(one), options)[0].metadata
    assert metadata["shots"] == shots
    assert metadata["target_precision"] == pytest.approx(target)
    assert metadata["num_randomizations"] == randomizations
