"""Results of the sampler and the estimator arrive at the official client as they left here."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit_ibm_runtime import RuntimeDecoder
from qiskit_ibm_runtime import execution_span as official

from coldplate.engine.spans import DoubleSliceSpan, ExecutionSpans, TwirledSliceSpanV2
from coldplate.wire.results import encode_plain, encode_primitive_result

START, STOP = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, 0, 0, 3, 500, tzinfo=UTC)
RNG = np.random.default_rng(5)


def decoded(result: PrimitiveResult) -> PrimitiveResult:
    return json.loads(encode_primitive_result(result), cls=RuntimeDecoder)


def bits(shape: tuple[int, ...], shots: int, num_bits: int) -> BitArray:
    array = RNG.integers(0, 256, size=(*shape, shots, -(-num_bits // 8)), dtype=np.uint8)
    if num_bits % 8:
        array[..., 0] &= (1 << num_bits % 8) - 1
    return BitArray(array, num_bits)


def sampled(shape: tuple[int, ...] = (), **fields) -> PrimitiveResult:
    data = DataBin(**fields, shape=shape)
    pub = SamplerPubResult(data, metadata={"circuit_metadata": {"a": [1, None, "é"]}})
    return PrimitiveResult([pub], metadata={"version": 2})


def estimated(shape: tuple[int, ...], values) -> PrimitiveResult:
    data = DataBin(evs=values, stds=values, ensemble_standard_error=values, shape=shape)
    metadata = {"shots": np.int64(4096), "target_precision": np.float64(0.1), "resilience": {}}
    return PrimitiveResult([PubResult(data, metadata=metadata)], metadata={"version": 2, "resilience": {}})


BITS = [
    pytest.param((), {"meas": bits((), 10, 2)}, id="0-d"),
    pytest.param((2, 3), {"meas": bits((2, 3), 5, 9)}, id="n-d"),
    pytest.param(
        (4,), {"a": bits((4,), 7, 1), "wide": bits((4,), 7, 133), "c": bits((4,), 7, 64)}, id="many"
    ),
    pytest.param((0,), {"meas": bits((0,), 5, 3)}, id="empty-sweep"),
    pytest.param((3,), {"never": BitArray(np.zeros((3, 2, 1), dtype=np.uint8), 8)}, id="unmeasured"),
]


@pytest.mark.parametrize(("shape", "fields"), BITS)
def test_bits_arrive(shape, fields):
    result = sampled(shape, **fields)
    (pub,) = arrived = decoded(result)
    assert isinstance(arrived, PrimitiveResult)
    assert isinstance(pub, SamplerPubResult)
    assert pub.data.shape == shape
    assert list(pub.data) == list(fields)
    for name, expected in fields.items():
        assert pub.data[name] == expected
    assert pub.metadata == result[0].metadata
    assert arrived.metadata == {"version": 2}


@pytest.mark.parametrize("shape", [(100, 2), (3, 100, 2), (3, 2), (0, 4, 2)])
def test_kerneled_points_arrive(shape):
    points = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    result = sampled(shape[:-2], meas=points)
    assert_array_equal(decoded(result)[0].data.meas, points, strict=True)


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        pytest.param((), np.float64(0.25), id="scalar"),
        pytest.param((), np.array(-0.5), id="0-d"),
        pytest.param((3, 2), RNG.normal(size=(3, 2)), id="n-d"),
        pytest.param((0,), np.zeros(0), id="empty"),
        pytest.param((2,), np.array([np.nan, np.inf]), id="not-finite"),
        pytest.param((2, 3), np.asfortranarray(RNG.normal(size=(2, 3))), id="fortran"),
        pytest.param((3,), RNG.normal(size=6)[::2], id="strided"),
        pytest.param((2,), np.array([1.5, 2.5], dtype=">f8"), id="big-endian"),
    ],
)
def test_expectation_values_arrive_as_arrays(shape, values):
    (pub,) = decoded(estimated(shape, values))
    for name in ("evs", "stds", "ensemble_standard_error"):
        assert isinstance(pub.data[name], np.ndarray)
        assert pub.data[name].shape == shape
        assert_array_equal(pub.data[name], np.asarray(values))
    assert pub.metadata == {"shots": 4096, "target_precision": 0.1, "resilience": {}}


def test_execution_spans_arrive():
    spans = ExecutionSpans(
        (
            DoubleSliceSpan(START, STOP, {0: ((2, 100), slice(0, 2), slice(0, 100))}),
            TwirledSliceSpanV2(START, STOP, {1: ((3, 8, 64), False, slice(0, 24), slice(0, 64), 500)}),
        )
    )
    result = sampled(meas=bits((), 3, 2))
    result.metadata["execution"] = {"execution_spans": spans}
    arrived = decoded(result).metadata["execution"]["execution_spans"]
    assert arrived == official.ExecutionSpans(
        [
            official.DoubleSliceSpan(START, STOP, {0: ((2, 100), slice(0, 2), slice(0, 100))}),
            official.TwirledSliceSpanV2(
                START, STOP, {1: ((3, 8, 64), False, slice(0, 24), slice(0, 64), 500)}
            ),
        ]
    )
    assert arrived[0].mask(0).all()


def test_metadata_of_every_kind_arrive():
    metadata = {
        "number": np.float32(0.5),
        "flag": np.bool_(True),
        "complex": 1 - 2j,
        "array": np.arange(3),
        "time": START,
        "tuple": (1, "a"),
        "set": {3},
        "endless": float("inf"),
        7: None,
    }
    result = PrimitiveResult([], metadata=metadata)
    arrived = decoded(result).metadata
    assert_array_equal(arrived.pop("array"), np.arange(3), strict=True)
    assert arrived == {
        "number": 0.5,
        "flag": True,
        "complex": 1 - 2j,
        "time": START,
        "tuple": [1, "a"],
        "set": {3},
        "endless": float("inf"),
        "7": None,
    }


def test_equal_results_give_equal_bytes():
    def made() -> PrimitiveResult:
        return sampled((2,), meas=BitArray(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 4))

    assert encode_primitive_result(made()) == encode_primitive_result(made())
    assert encode_plain(made()) == encode_plain(made())


def test_what_has_no_tag_is_not_written():
    with pytest.raises(TypeError, match="object can't be a part"):
        encode_primitive_result(PrimitiveResult([], metadata={"oops": object()}))


def test_plain_results_have_hexadecimal_samples():
    array = np.array([[[0, 1], [2, 255], [1, 0]]], dtype=np.uint8)
    result = sampled((1,), meas=BitArray(array, 10))
    assert json.loads(encode_plain(result)) == {
        "results": [
            {
                "data": {"meas": {"samples": [["0x1", "0x2ff", "0x100"]], "num_bits": 10}},
                "metadata": {"circuit_metadata": {"a": [1, None, "é"]}},
            }
        ],
        "metadata": {"version": 2},
    }


def test_plain_results_have_no_tags_and_only_json_numbers():
    result = estimated((2,), np.array([0.5, np.nan]))
    result.metadata["execution"] = {"execution_spans": ExecutionSpans((DoubleSliceSpan(START, STOP, {}),))}
    result.metadata["endless"] = float("inf")

    def no_constant(text: str) -> None:
        raise AssertionError(text)

    read = json.loads(encode_plain(result), parse_constant=no_constant)
    assert "__type__" not in json.dumps(read)
    assert read["results"][0]["data"]["evs"] == [0.5, None]
    assert read["metadata"]["endless"] is None
    assert read["metadata"]["execution"]["execution_spans"]["spans"][0]["start"].startswith(
        "2025-01-01T00:00"
    )


def test_plain_points_are_pairs_of_numbers():
    result = sampled(meas=np.array([[1 + 2j]]))
    assert json.loads(encode_plain(result))["results"][0]["data"]["meas"] == [[[1.0, 2.0]]]
