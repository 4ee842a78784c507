"""Submission: the envelope of `POST /jobs`. Its params stay the bytes that were sent, unopened."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from coldplate.domain.options import check_params, read_object
from coldplate.domain.options_runner import RUNNERS
from coldplate.domain.uploads import Upload
from coldplate.errors import BadRequest, TagTooLong, TooManyTags, UnknownProgram

PROGRAMS = ("sampler", "estimator", "executor", "noise-learner", "calibrate", *RUNNERS)
IN_SESSIONS = "calibrate"  # the program that runs in sessions only
MOCK = "mock_"  # begins the names of the backends for dry runs

MAX_TAGS, MAX_TAG = 8, 86  # tags per job, characters per tag
MAX_COST_S = 10_800
MAX_RUNTIME, MAX_CALIBRATION = 256, 100  # characters
LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")


class Submission(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A request to run a program. Fields that clients leave out, or send as null, have defaults."""

    program_id: str
    backend: str
    params: msgspec.Raw
    session_id: str | None = None
    tags: list[str] | None = None
    log_level: str | None = None
    cost: int | None = None  # maximum execution time, seconds
    private: bool | None = None
    runtime: str | None = None  # "image:tag"; echoed
    calibration_id: str | None = None


class UploadedSubmission(Submission, frozen=True, kw_only=True):
    """A request to run a program that a user uploaded; no client can write it."""

    upload: Upload


def check(submission: Submission) -> None:
    """Refuse an envelope that no backend or session could make right.

    Raises:
        BadRequest: A text has a NUL or half a surrogate pair, is too long, or a number is out of range.
        UnknownProgram: There is no such program.
        TooManyTags, TagTooLong: Tags beyond the limits.
    """
    for name in ("program_id", "backend", "session_id", "log_level", "runtime", "calibration_id"):
        check_text(getattr(submission, name) or "", name=name)
    if submission.program_id not in PROGRAMS and not isinstance(submission, UploadedSubmission):
        raise UnknownProgram(f"Program {submission.program_id!r} does not exist.")
    dry = (submission.backend or "").startswith(MOCK)
    if submission.program_id == IN_SESSIONS and submission.session_id is None and not dry:
        raise BadRequest("The program calibrate runs in sessions only: send it with a session_id.")
    check_tags(submission.tags or [])
    log_level(submission)
    check_length(submission.runtime, most=MAX_RUNTIME, name="runtime")
    check_length(submission.calibration_id, most=MAX_CALIBRATION, name="calibration_id")
    if submission.cost is not None and not 0 <= submission.cost <= MAX_COST_S:
        raise BadRequest(f"cost is {submission.cost} s, not from 0 to {MAX_COST_S} s.")


def check_inputs(submission: Submission, params: bytes) -> None:
    """Refuse params whose options can't be honoured; an uploaded program takes any names it likes.

    Raises:
        BadRequest: They are not an object; for the service's own programs see `options.check_params`.
    """
    if isinstance(submission, UploadedSubmission):
        read_object(params)
    else:
        check_params(submission.program_id, params)


def log_level(submission: Submission) -> str:
    """The log level in upper case; the published API writes it in lower case, clients in upper.

    Raises:
        BadRequest: There is no such level.
    """
    level = (submission.log_level or "WARNING").upper()
    if level not in LOG_LEVELS:
        raise BadRequest(f"log_level {submission.log_level!r} is not one of {', '.join(LOG_LEVELS)}.")
    return level


def cost_s(submission: Submission, *, most_s: int) -> int:
    """Seconds the job may run: what was asked for, but not more than the operator allows.

    >>> cost_s(Submission("sampler", "fake", msgspec.Raw(b"{}"), cost=300), most_s=200)
    200
    """
    if isinstance(submission, UploadedSubmission):
        most_s = min(most_s, submission.upload.cost or most_s)
    return min(submission.cost or MAX_COST_S, most_s)


def check_tags(tags: Sequence[str]) -> None:
    """Refuse too many tags, or too long ones.

    Raises:
        BadRequest: A tag has a NUL or half a surrogate pair.
        TooManyTags: More than 8.
        TagTooLong: More than 86 characters.
    """
    if len(tags) > MAX_TAGS:
        raise TooManyTags(f"There are {len(tags)} tags.")
    for tag in tags:
        check_text(tag, name="tags")
        if len(tag) > MAX_TAG:
            raise TagTooLong(f"The tag {tag[:20]!r}... has {len(tag)} characters.")


def check_text(text: str, *, name: str) -> None:
    """Refuse text that a database can't keep.

    Raises:
        BadRequest: It has a NUL, or half a surrogate pair.
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadRequest(f"The text of {name} has a NUL or half a surrogate pair.")


def check_length(text: str | None, *, most: int, name: str) -> None:
    """Refuse text longer than `most` characters.

    Raises:
        BadRequest: It is longer.
    """
    if text is not None and len(text) > most:
        raise BadRequest(f"{name} has {len(text)} characters, more than {most}.")
