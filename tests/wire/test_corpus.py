"""Everything that the official client sends is read as the official decoders read it."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit_ibm_runtime import RuntimeDecoder
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

from coldplate.wire.limits import Budget
from coldplate.wire.params import read
from coldplate.wire.pubs import estimator_pubs, sampler_pubs
from coldplate.wire.quantum_program import CircuitItem, SamplexItem, decode
from coldplate.wire.tagged import decode as decode_tagged

DATA = Path(__file__).with_name("data")


def recorded(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.json.gz").read_bytes())


def names(prefix: str) -> list[str]:
    return sorted(path.name.removesuffix(".json.gz") for path in DATA.glob(f"{prefix}*.json.gz"))


def official(body: bytes) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(body, cls=RuntimeDecoder)


def test_the_corpus_is_there_and_small():
    files = list(DATA.glob("*.json.gz"))
    assert len(files) >= 16
    assert sum(path.stat().st_size for path in files) < 2**20


@pytest.mark.parametrize("name", names("sampler"))
def test_sampler_bodies_are_read_as_the_official_decoder_does(name):
    body = recorded(name)
    pubs, expected = sampler_pubs(read(body)), official(body)["pubs"]
    assert len(pubs) == len(expected)
    for pub, (circuit, values, shots) in zip(pubs, expected, strict=True):
        assert pub.circuit == circuit
        assert pub.circuit.metadata == circuit.metadata
        assert pub.shots == shots
        assert pub.shape == values.shape[:-1]
        assert_array_equal(pub.parameter_values.as_array(circuit.parameters), values)


@pytest.mark.parametrize("name", names("estimator"))
def test_estimator_bodies_are_read_as_the_official_decoder_does(name):
    body = recorded(name)
    pubs, expected = estimator_pubs(read(body)), official(body)["pubs"]
    assert len(pubs) == len(expected)
    for pub, (circuit, observables, values, precision) in zip(pubs, expected, strict=True):
        assert pub.circuit == circuit
        assert pub.precision == precision
        assert pub.observables.tolist() == observables
        assert_array_equal(pub.parameter_values.as_array(circuit.parameters), values)


def test_shots_that_were_not_given_stay_not_given():
    assert [pub.shots for pub in sampler_pubs(read(recorded("sampler")))] == [None, 100, None, 7]
    assert [pub.precision for pub in estimator_pubs(read(recorded("estimator")))] == [None, 0.1, None]


@pytest.mark.parametrize("name", names("executor"))
def test_executor_bodies_are_read_as_the_official_converters_do(name):
    body = recorded(name)
    request, params = decode(body), json.loads(body)
    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS[params["schema_version"]]
    program, options = converter.decoder(converter.model(**params))
    assert request.schema_version == params["schema_version"]
    assert request.shots == program.shots
    assert request.meas_level == program.meas_level
    assert request.semantic_role == program._semantic_role
    assert request.passthrough_data == params["quantum_program"].get("passthrough_data")
    assert request.options["init_qubits"] == options.execution.init_qubits
    assert len(request.items) == len(program.items)
    for item, expected in zip(request.items, program.items, strict=True):
        assert item.circuit == expected.circuit
        assert item.shape == expected.shape
        if isinstance(item, CircuitItem):
            assert_array_equal(item.values, expected.circuit_arguments)
        else:
            check_samplex(item, expected)


def check_samplex(item: SamplexItem, expected) -> None:
    given = expected.samplex_arguments
    assert set(item.arguments) == {spec.name for spec in given.specs if spec.name in given}
    for name, value in item.arguments.items():
        if isinstance(value, np.ndarray):
            assert_array_equal(value, given[name])
            assert value.dtype == np.asarray(given[name]).dtype
        else:
            assert value == given[name]
    drawn = [
        one.sample(one.inputs().make_broadcastable().bind(**slices(item)), 2, rng=np.random.default_rng(3))
        for one in (item.samplex, expected.samplex.finalize())
    ]
    for name, values in drawn[0].items():
        assert_array_equal(values, drawn[1][name])


def slices(item: SamplexItem) -> dict:
    """The arguments at the first place of their sweep."""
    bound = item.samplex.inputs().make_broadcastable().bind(**item.arguments)
    one = bound[(0,) * bound.ndim]
    return {spec.name: one[spec.name] for spec in one.specs if spec.name in one}


def test_a_noise_model_is_read_as_the_official_decoder_does():
    body = recorded("sampler-simulator")
    tagged = read(body)["options"]["simulator"]["noise_model"]
    model = decode_tagged(tagged, allow=frozenset({"NoiseModel", "ndarray", "complex"}), budget=Budget())
    assert model == official(body)["options"]["simulator"]["noise_model"]
    assert sorted(model.noise_instructions) == ["cz", "measure", "sx", "x"]
    assert model.noise_qubits == [1]
