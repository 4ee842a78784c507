"""Noise learner jobs on the wire: what is refused, and that models come back as they went."""

from __future__ import annotations

import base64
import io
import json
import zlib
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import BoxOp, ClassicalRegister, Parameter, QuantumRegister
from qiskit_ibm_runtime.json import RuntimeDecoder
from samplomatic.annotations import Twirl

from coldplate.circuits.layers import Layer, LayerGate
from coldplate.engine.learner import Learnt, Measured
from coldplate.errors import BadInput
from coldplate.noise.local import local_strings
from coldplate.noise.model import LayerNoise
from coldplate.noise.readout import ReadoutNoise
from coldplate.wire.layer_noise import read_layer_noise, write_layer_noise
from coldplate.wire.learner import read_instructions, write_learnt
from coldplate.wire.limits import Budget
from coldplate.wire.qpy import ANNOTATIONS

REGISTER = QuantumRegister(7, "q")
LAYER = Layer((LayerGate((5, 2), "cx"),), (2, 4, 5))


def noise() -> LayerNoise:
    generators = local_strings(3, ((0, 1), (1, 2)))
    return LayerNoise.given(LAYER, generators, np.linspace(0, 0.01, len(generators)))


def boxed(body: QuantumCircuit, qubits, *, twirled=True, register=REGISTER):
    circuit = QuantumCircuit(register, ClassicalRegister(max(body.num_clbits, 1)))
    box = BoxOp(body, annotations=[Twirl()] if twirled else [])
    circuit.append(box, [register[place] for place in qubits], circuit.clbits[: body.num_clbits])
    return circuit


def instructions(circuit: QuantumCircuit) -> dict:
    file = io.BytesIO()
    qpy.dump(circuit, file, version=17, annotation_factories=ANNOTATIONS)
    return {"instructions": {"circuit_b64": base64.b64encode(file.getvalue()).decode(), "qpy_version": 17}}


def body(num_qubits: int, *gates, measured=()) -> QuantumCircuit:
    made = QuantumCircuit(num_qubits, len(measured))
    for name, *qubits in gates:
        getattr(made, name)(*qubits)
    for bit, qubit in enumerate(measured):
        made.measure(qubit, bit)
    return made


@pytest.mark.parametrize(
    ("inside", "qubits", "task"),
    [
        (body(3, ("sx", 0), ("cz", 0, 2)), (5, 1, 3), Layer((LayerGate((5, 3), "cz"),), (1, 3, 5))),
        (body(2), (4, 0), Layer((), (0, 4))),
        (body(2, ("h", 0), measured=(1, 0)), (6, 2), Measured((2, 6))),
    ],
    ids=["gates", "idle", "measurement"],
)
def test_boxes_are_read_by_what_is_hard_in_them(inside, qubits, task):
    assert read_instructions(instructions(boxed(inside, qubits)), num_qubits=7) == [task]


@pytest.mark.parametrize(
    ("circuit", "says"),
    [
        (boxed(body(2, ("cz", 0, 1)), (0, 1), twirled=False), "Instruction 0 is box, not a box with a Twirl"),
        (boxed(body(2, ("cz", 0, 1), ("cz", 1, 0)), (0, 1)), "more than one layer"),
        (boxed(body(3, measured=(0, 1)), (0, 1, 2)), "measures 2 of its 3 qubits"),
        (boxed(body(3, ("ccx", 0, 1, 2)), (0, 1, 2)), "other instructions than one layer"),
        (
            boxed(body(2, ("cz", 0, 1)), (0, 1), register=QuantumRegister(7, "r")),
            "not in the backend's register",
        ),
        (boxed(body(2, ("rzz", Parameter("t"), 0, 1)), (0, 1)), "other instructions than one layer"),
        (body(2, ("cz", 0, 1)), "Instruction 0 is cz"),
        (body(2), "There are 0 instructions"),
    ],
)
def test_what_can_not_be_learnt_is_refused_by_its_place(circuit, says):
    with pytest.raises(BadInput, match=says):
        read_instructions(instructions(circuit), num_qubits=7)


def test_a_model_comes_back_as_it_went():
    (back,) = read_layer_noise([write_layer_noise(noise())], Budget())
    assert back.layer == LAYER
    assert_array_equal(back.generators.x, noise().generators.x)
    assert_array_equal(back.generators.z, noise().generators.z)
    assert_array_equal(back.rates, noise().rates)


def test_qubits_in_any_order_are_put_in_theirs():
    """The client's circuits number qubits as they like."""
    sent = write_layer_noise(noise())["__value__"]
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    file = io.BytesIO()
    qpy.dump(circuit, file)
    value = base64.b64encode(zlib.compress(file.getvalue())).decode()
    moved = {**sent, "circuit": {"__type__": "QuantumCircuit", "__value__": value}, "qubits": [5, 2, 4]}
    moved["error"] = {**sent["error"], "__value__": {**sent["error"]["__value__"]}}
    labels = noise().generators.paulis.to_labels()
    paulis = {**sent["error"]["__value__"]["generators"]}
    # local qubits 0, 1, 2 are 5, 2, 4 instead of 2, 4, 5
    paulis["__value__"] = {"data": [label[1] + label[2] + label[0] for label in labels]}
    moved["error"]["__value__"]["generators"] = paulis
    wrapped = {**write_layer_noise(noise()), "__value__": moved}
    (back,) = read_layer_noise([wrapped], Budget())
    assert back.layer == LAYER
    assert back.generators.paulis.to_labels() == labels


BAD = {
    "no list": lambda good: {"data": good},
    "other class": lambda good: [{**good[0], "__class__": "Popen"}],
    "other module": lambda good: [{**good[0], "__module__": "subprocess"}],
    "too few qubits": lambda good: [changed(good, "qubits", [1, 2])],
    "a qubit twice": lambda good: [changed(good, "qubits", [1, 2, 2])],
    "a negative qubit": lambda good: [changed(good, "qubits", [-1, 2, 3])],
    "no circuit": lambda good: [changed(good, "circuit", "cz")],
    "no error": lambda good: [changed(good, "error", 5)],
}


def changed(good, name, value):
    return {**good[0], "__value__": {**good[0]["__value__"], name: value}}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_what_is_no_layer_error_is_refused(make):
    with pytest.raises(BadInput):
        read_layer_noise(make([write_layer_noise(noise())]), Budget())


@pytest.mark.parametrize("rates", [[0.1], [-0.1] * 27, ["a"] * 27], ids=["few", "negative", "letters"])
def test_rates_that_do_not_fit_are_refused(rates):
    good = write_layer_noise(noise())
    error = good["__value__"]["error"]
    error["__value__"]["rates"] = {"__type__": "ndarray", "__value__": rates}
    with pytest.raises(BadInput):
        read_layer_noise([good], Budget())


def test_a_layer_whose_error_is_not_known_is_left_out():
    assert read_layer_noise([changed([write_layer_noise(noise())], "error", None)], Budget()) == ()


def test_the_client_reads_what_is_written():
    error = json.loads(json.dumps(write_layer_noise(noise())), cls=RuntimeDecoder)
    assert error.qubits == [2, 4, 5]
    assert error.error.generators.to_labels() == noise().generators.paulis.to_labels()
    assert_allclose(error.error.rates, noise().rates)


@pytest.mark.parametrize("version", ["v0.1", "v0.2", "v0.3"])
def test_results_of_version_3_fit_the_published_models(version):
    schemas = import_module(f"ibm_quantum_schemas.noise_learner_v3.version_{version[1:].replace('.', '_')}")
    readout = ReadoutNoise((1, 3), np.array([0.01, 0.02]), np.array([0.001, 0.001]))
    found = [Learnt(noise(), {0: 1.0, 4: 0.5}, {0: {2: 1.0}}), Learnt(readout, {0: 0.25})]
    body = write_learnt(version, found, metadata={})
    read = schemas.NoiseLearnerV3ResultsModel.model_validate_json(body)
    assert [one.metadata.learning_protocol for one in read.data] == ["lindblad", "trex"]
    assert read.data[1].metadata.post_selection.fraction_kept == 0.25
    assert sum(len(terms) for terms in read.data[0].generators_sparse) == 27
