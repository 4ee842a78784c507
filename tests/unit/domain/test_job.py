"""The states of a job, and where its files are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coldplate.blobs import LocalBlobs
from coldplate.domain.instance import make_crn
from coldplate.domain.job import ALLOWED, FINAL, Job, JobId, JobState
from coldplate.ids import new_id

JOB = Job(
    JobId(new_id()), make_crn("ada", "a"), "ada", "sampler", "heron", datetime(2026, 11, 24, tzinfo=UTC)
)


def test_words_are_the_five_that_clients_know():
    assert {state.value for state in JobState} == {"Queued", "Running", "Completed", "Cancelled", "Failed"}


@pytest.mark.parametrize("state", JobState)
def test_nothing_leaves_a_final_state_and_every_other_can_be_left(state):
    assert state.final is (state in FINAL) is (not ALLOWED[state])


def test_outwardly_a_job_never_goes_back():
    order = [JobState.QUEUED, JobState.RUNNING]
    for before, after in ((b, a) for b, states in ALLOWED.items() for a in states):
        assert after in FINAL or order.index(after) > order.index(before)


def test_every_attempt_has_files_of_its_own(tmp_path):
    keys = [JOB.params_key]
    for fence in (1, 2):
        attempt = replace(JOB, fence=fence)
        assert attempt.params_key == JOB.params_key
        keys += [attempt.attempt_key("result"), attempt.attempt_key("log")]
    assert len({LocalBlobs(tmp_path).path(key) for key in keys}) == 5
