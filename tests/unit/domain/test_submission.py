"""The envelope of a submission: what is refused before anything is stored."""

from __future__ import annotations

import msgspec
import pytest

from coldplate.domain.submission import Submission, check, check_tags, cost_s, log_level
from coldplate.errors import BadRequest, TagTooLong, TooManyTags, UnknownProgram


def submission(**changes):
    fields = {"program_id": "sampler", "backend": "heron", "params": msgspec.Raw(b"{}")}
    return Submission(**fields | changes)


def test_params_stay_the_bytes_that_were_sent():
    body = b'{"program_id":"sampler","params":{"pubs" : [1e0], "x":"\\u00e9"},"backend":"heron"}'
    assert bytes(msgspec.json.decode(body, type=Submission).params) == b'{"pubs" : [1e0], "x":"\\u00e9"}'


def test_unknown_field_is_refused_by_name():
    with pytest.raises(msgspec.ValidationError, match="start_session"):
        body = b'{"program_id":"sampler","backend":"heron","params":{},"start_session":true}'
        msgspec.json.decode(body, type=Submission)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cost": 0},
        {"cost": 10_800},
        {"log_level": "debug"},
        {"log_level": "DEBUG"},
        {"tags": ["ü" * 86] * 8},
        {"private": True, "runtime": "image:tag", "calibration_id": "c"},
    ],
)
def test_good_envelope_passes(fields):
    check(submission(**fields))


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"program_id": "hello-world"}, UnknownProgram, "hello-world"),
        ({"program_id": "calibrate"}, BadRequest, "sessions only"),
        ({"program_id": "sampler\0"}, BadRequest, "program_id"),
        ({"backend": "\ud800"}, BadRequest, "backend"),
        ({"runtime": "a\0"}, BadRequest, "runtime"),
        ({"runtime": "a" * 257}, BadRequest, "257"),
        ({"calibration_id": "a" * 101}, BadRequest, "101"),
        ({"log_level": "loud"}, BadRequest, "loud"),
        ({"cost": -1}, BadRequest, "-1"),
        ({"cost": 10_801}, BadRequest, "10801"),
        ({"tags": ["t"] * 9}, TooManyTags, "9"),
        ({"tags": ["t" * 87]}, TagTooLong, "87"),
    ],
)
def test_bad_envelope_is_refused_with_the_value(fields, error, says):
    with pytest.raises(error, match=says):
        check(submission(**fields))


@pytest.mark.parametrize("tag", ["a\0", "\udfff"])
def test_tag_that_no_database_can_keep_is_refused(tag):
    with pytest.raises(BadRequest, match="tags"):
        check_tags([tag])


@pytest.mark.parametrize(
    ("asked", "most_s", "effective_s"),
    [(300, 200, 200), (100, 200, 100), (None, 200, 200), (0, 200, 200), (None, 99_999, 10_800)],
)
def test_job_may_run_as_long_as_asked_and_allowed(asked, most_s, effective_s):
    assert cost_s(submission(cost=asked), most_s=most_s) == effective_s


@pytest.mark.parametrize(("sent", "kept"), [("info", "INFO"), ("Error", "ERROR"), (None, "WARNING")])
def test_log_level_is_kept_in_upper_case(sent, kept):
    assert log_level(submission(log_level=sent)) == kept
