"""Results of the executor arrive at the official client, through its own decoders and post-processors."""

from __future__ import annotations

import gzip
import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from ibm_quantum_schemas.executor import (
    version_0_1,
    version_0_2,
    version_1_0,
    version_1_1,
    version_2_0,
)
from numpy.testing import assert_array_equal
from qiskit.primitives import PrimitiveResult
from qiskit_ibm_runtime.decoders.defaults import DEFAULT_DECODERS

from coldplate.engine.executor import samplex_item
from coldplate.errors import BadInput, ColdplateError
from coldplate.wire.quantum_program import Chunk, CircuitItem, decode, encode

DATA = Path(__file__).with_name("data")
START = datetime(2025, 1, 1, tzinfo=UTC)
STOP = START + timedelta(seconds=1.5)
MODELS = {
    "v0.1": version_0_1,
    "v0.2": version_0_2,
    "v1.0": version_1_0,
    "v1.1": version_1_1,
    "v2.0": version_2_0,
}


def recorded(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.json.gz").read_bytes())


def decoded(body: bytes):
    """A result through the chain of decoders that the client uses for this program."""
    result = body.decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for decoder in DEFAULT_DECODERS["executor"]:
            if decoder.is_applicable(result):
                result = decoder.decode(result)
    return result


def random_results(request, rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """For each item random bits of every register, and what its samplex draws beside the angles."""
    found = []
    for index, item in enumerate(request.items):
        side = {}
        if not isinstance(item, CircuitItem):
            drawn = samplex_item(
                item.circuit,
                item.samplex,
                item.arguments,
                shape=item.shape,
                shots=request.shots,
                rng=rng,
                index=index,
            )
            side = dict(drawn.side)
        bits = {
            register.name: rng.integers(0, 2, size=(*item.shape, request.shots, len(register))).astype(bool)
            for register in item.circuit.cregs
        }
        found.append(bits | side)
    return found


APPLIED = {"total_executions": 1}


def answered(request, results) -> bytes:
    chunk = Chunk(START, STOP, tuple(range(len(request.items))))
    return encode(request, results, metadata=[{}] * len(request.items), chunks=[chunk], applied=APPLIED)


@pytest.mark.parametrize("version", MODELS)
def test_a_result_arrives_in_the_schema_of_its_request(version, rng):
    request = decode(recorded(f"executor-{version}"))
    results = random_results(request, rng)
    body = answered(request, results)
    MODELS[version].QuantumProgramResultModel.model_validate_json(body)
    assert json.loads(body)["schema_version"] == version
    arrived = decoded(body)
    for item, expected in zip(arrived, results, strict=True):
        assert set(item.keys()) == set(expected)
        for name, values in expected.items():
            assert_array_equal(item[name], values, strict=True)
    (span,) = arrived.metadata.chunk_timing
    assert (span.start, span.stop) == (START, STOP)
    assert [(part.idx_item, part.size) for part in span.parts] == [(0, 1), (1, 4), (2, 12)]


@pytest.mark.parametrize("version", ["v0.2", "v1.0", "v1.1", "v2.0"])
def test_passthrough_data_are_repeated_unchanged(version, rng):
    body = recorded(f"executor-{version}")
    request = decode(body)
    given = json.loads(body)["quantum_program"]["passthrough_data"]
    sent = answered(request, random_results(request, rng))
    assert json.loads(sent)["passthrough_data"] == given
    arrived = decoded(sent).passthrough_data
    assert_array_equal(arrived["nested"][3]["array"], np.arange(6.0).reshape(2, 3), strict=True)
    assert arrived["note"] == "é"


@pytest.mark.parametrize(
    ("name", "shape"),
    [("executor-sampler", ()), ("executor-sampler-twirled", ())],
)
def test_the_client_makes_a_sampler_result_of_it(name, shape, rng):
    request = decode(recorded(name))
    result = decoded(answered(request, random_results(request, rng)))
    assert isinstance(result, PrimitiveResult)
    assert result[0].data.meas.shape == shape
    assert result[1].data.meas.shape == (2,)
    assert result[0].data.meas.num_shots >= 100


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_client_makes_an_estimator_result_of_it(level, rng):
    request = decode(recorded(f"executor-estimator-{level}"))
    results = random_results(request, rng)
    if level:  # a calibration that shows no readout error, as random bits would leave nothing to divide by
        flips = results[-1]["measurement_flips._meas"]
        results[-1]["_meas"] = np.broadcast_to(flips, results[-1]["_meas"].shape).copy()
    result = decoded(answered(request, results))
    assert isinstance(result, PrimitiveResult)
    assert result[0].data.evs.shape == (2,)
    assert np.isfinite(result[0].data.stds).all()


@pytest.mark.parametrize("version", ["v1.1", "v2.0"])
def test_kerneled_points_and_numbers_of_every_type_arrive(version, rng):
    request = decode(recorded(f"executor-{version}"))
    request = replace(request, items=request.items[:1])
    points = rng.normal(size=(7, 2)) + 1j * rng.normal(size=(7, 2))
    results = {"meas_iq": points, "numbers": np.arange(5.0), "few": np.zeros((0, 3), dtype=bool)}
    arrived = decoded(answered(request, [results]))[0]
    for name, values in results.items():
        assert_array_equal(arrived[name], values, strict=True)


def test_metadata_of_items_arrive(rng):
    request = decode(recorded("executor-v2.0"))
    metadata = [
        {
            "scheduler_timing": {"timing": "main,barrier,Qubit 0", "circuit_duration": 1000},
            "stretch_values": [
                {"name": "s", "value": 3, "remainder": 1, "expanded_values": [[0, 3], [10, 4]]}
            ],
        },
        {},
        {},
    ]
    body = encode(request, random_results(request, rng), metadata=metadata, chunks=[], applied=APPLIED)
    about = decoded(body)[0].metadata
    assert about.scheduler_timing.circuit_duration == 1000
    assert about.stretch_values[0].remainder == 1


def test_times_are_written_in_utc(rng):
    request = decode(recorded("executor-v2.0"))
    there = timezone(timedelta(hours=-5))
    chunk = Chunk(START.astimezone(there), STOP.astimezone(there), (0,))
    results = random_results(request, rng)
    body = encode(request, results, metadata=[{}] * 3, chunks=[chunk], applied=APPLIED)
    assert decoded(body).metadata.chunk_timing[0].start == START
    assert json.loads(body)["metadata"]["chunk_timing"][0]["start"] == "2025-01-01T00:00:00Z"


def test_equal_results_give_equal_bytes(rng):
    request = decode(recorded("executor-v2.0"))
    results = random_results(request, rng)
    assert answered(request, results) == answered(decode(recorded("executor-v2.0")), results)


def qasm_program(**change) -> bytes:
    text = "OPENQASM 3.0; include 'stdgates.inc'; input float b; input float a; bit[1] c; qubit[1] q;"
    text = text.replace("'", '"') + " ry(a) q[0]; rz(b) q[0]; c[0] = measure q[0];"
    program = {
        "shots": 5,
        "circuits": {"data": [text]},
        "items": [
            {
                "item_type": "circuit",
                "circuit_arguments": version_2_0.models.F64CompressedTensorModel.from_numpy(
                    np.zeros((3, 2))
                ).model_dump(),
                "shape": [],
            }
        ],
    }
    return json.dumps({"schema_version": "v2.0", "quantum_program": program | change}).encode()


def test_circuits_may_be_openqasm_in_the_newest_schema():
    request = decode(qasm_program())
    assert [parameter.name for parameter in request.items[0].circuit.parameters] == ["a", "b"]
    assert request.items[0].shape == (3,)
    assert request.meas_level == "classified"
    assert request.passthrough_data is None


WRONG = [
    ({"shots": 0}, "shots"),
    ({"shots": True}, "shots"),
    ({"shots": 10**9}, "shots"),
    ({"items": []}, "no list of items"),
    ({"items": [{"item_type": "other"}]}, "type 'other'"),
    ({"items": [{"item_type": "circuit"}]}, "no circuit_arguments"),
    ({"items": [{}]}, "no item_type"),
    ({"meas_level": "raw"}, "measurement level"),
    ({"semantic_role": 7}, "semantic role"),
    ({"circuits": {"data": []}}, "not a list of 1 texts"),
    ({"circuits": {}}, "no b64_data"),
    ({"circuits": {"data": [7]}}, "not a list of 1 texts"),
    ({"passthrough_data": {"a": [{"__type__": "settings"}]}}, "type 'settings'"),
]


@pytest.mark.parametrize(("change", "says"), WRONG)
def test_a_wrong_program_is_refused(change, says):
    with pytest.raises(ColdplateError, match=says):
        decode(qasm_program(**change))


@pytest.mark.parametrize("version", ["v3.0", None, 2, ["v2.0"]])
def test_an_unknown_schema_is_refused(version):
    body = json.loads(qasm_program()) | {"schema_version": version}
    with pytest.raises(BadInput, match="schema version"):
        decode(json.dumps(body).encode())


def altered(name: str, **change) -> bytes:
    """A recorded body with changes to its third item, a samplex."""
    body = json.loads(recorded(name))
    body["quantum_program"]["items"][2] |= change
    return json.dumps(body).encode()


def samplex_of(name: str, *, ssv: int | None = None, text=None) -> dict:
    given = json.loads(recorded(name))["quantum_program"]["items"][2]["samplex"]
    changed = given["samplex_json"] if text is None else text(given["samplex_json"])
    return {"ssv": given["ssv"] if ssv is None else ssv, "samplex_json": changed}


@pytest.mark.parametrize(
    ("samplex", "says"),
    [
        pytest.param({"ssv": 99}, "version", id="version-above"),
        pytest.param({"ssv": 3}, "says that its version is 3", id="other-version"),
        pytest.param({"text": lambda text: text[:100]}, "JSON", id="cut-off"),
        pytest.param({"text": lambda _text: "[]"}, "not a JSON object", id="not-an-object"),
        pytest.param({"text": lambda _text: "{}"}, "no attrs", id="empty"),
        pytest.param({"text": lambda text: '{"attrs":{},' + text[1:]}, "twice", id="two-headers"),
        pytest.param({"text": lambda text: text.replace('"N', '"Q')}, "can't be read", id="unknown-type"),
        pytest.param(
            {"text": lambda text: text.replace('"num_subsystems":"', '"num_subsystems":"1000000000')},
            "num_subsystems",
            id="many-subsystems",
        ),
        pytest.param({"text": lambda text: "[" * 10**5}, "nest", id="deep"),
        pytest.param({"text": lambda text: '{"attrs":' + "[" * 10**5}, "nest", id="deep-inside"),
    ],
)
def test_a_wrong_samplex_is_refused(samplex, says):
    with pytest.raises(ColdplateError, match=says):
        decode(altered("executor-v2.0", samplex=samplex_of("executor-v2.0", **samplex)))


def test_each_schema_takes_only_the_samplexes_and_circuits_of_its_time():
    with pytest.raises(BadInput, match="this schema has 1 to 1"):
        decode(altered("executor-v0.1", samplex=samplex_of("executor-v0.2")))
    body = json.loads(recorded("executor-v0.1"))
    newer = json.loads(recorded("executor-v0.2"))["quantum_program"]["items"][0]["circuit"]
    body["quantum_program"]["items"][0]["circuit"] = newer
    with pytest.raises(ColdplateError, match="QPY version 17"):
        decode(json.dumps(body).encode())
