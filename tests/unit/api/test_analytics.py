"""Usage analytics of an account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.session import SessionState


@pytest.fixture
def busy(api):
    """Two jobs in one instance, one in another, and one of somebody else."""
    shop = api.crn.replace("lab", "shop")
    for usage_s, fields in ((2.0, {}), (4.0, {"backend": "cold_eagle"})):
        api.end(api.submit(**fields), JobState.COMPLETED, result=b"{}", usage_s=usage_s)
    body = {"program_id": "sampler", "backend": "ideal", "params": {"pubs": [], "version": 2}}
    id = api.ask("POST", "/v1/jobs", crn=shop, json=body).json()["id"]
    api.end(id, JobState.COMPLETED, result=b"{}", usage_s=8.0)
    api.shop = shop
    return api


def ask(api, query="", path="usage"):
    answer = api.get(f"/v1/analytics/{path}{query}", crn=None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_totals_are_in_milliseconds(busy):
    figures = ask(busy)
    assert (figures["usage"], figures["jobs"], figures["individual_jobs"]) == (14_000, 3, 3)
    assert (figures["avg_individual_jobs_usage"], figures["max_individual_jobs_usage"]) == (14_000 / 3, 8000)
    assert figures["sessions"] == 0
    assert figures["queue_time"] == pytest.approx(3 * figures["avg_queue_time"])


@pytest.mark.parametrize(
    ("query", "usage"),
    [
        ("?backend=ideal", 10_000),
        ("?backend=ideal&backend=cold_eagle", 14_000),
        ("?simulators=false", 4_000),
        ("?plan=open", 8_000),
        ("?plan=coldplate-plan-open", 8_000),
        ("?user_id=nobody", 0),
        ("?instance=none", 0),
        ("?interval_end=2026-11-01T00:00:00Z", 0),
        ("?interval_start=2026-11-24T00:00:00Z&interval_end=2026-11-25T00:00:00Z", 14_000),
    ],
)
def test_filters_choose_what_is_summed(busy, query, usage):
    assert ask(busy, query)["usage"] == usage


@pytest.mark.parametrize(
    ("group_by", "usage"),
    [
        ("backend", [4_000, 10_000]),
        ("plan", [8_000, 6_000]),
        ("user_id", [14_000]),
        ("instance", [6000, 8000]),
    ],
)
def test_groups_are_summed_by_themselves(busy, group_by, usage):
    data = ask(busy, f"?group_by={group_by}", "usage_grouped")["data"]
    assert [group["usage"] for group in data] == usage
    assert [group["key"] for group in data] == sorted(group["key"] for group in data)


def test_days_have_their_instances(busy):
    data = ask(busy, "?group_by=instance", "usage_grouped_by_date")["data"]
    assert [(each["key"], each["usage"]) for each in data] == [(busy.crn, 6000), (busy.shop, 8000)]
    assert {each["interval_start"] for each in data} == {"2026-11-24T00:00:00.000000Z"}


def test_filters_tell_what_they_may_be(busy):
    assert ask(busy, path="filters") == {
        "backends": ["cold_eagle", "ideal"],
        "instances": [{"id": busy.crn, "deleted": False}, {"id": busy.shop, "deleted": False}],
        "users": ["ada"],
        "plans": ["coldplate-plan-open", "coldplate-plan-premium"],
    }


def test_dedicated_session_counts_by_its_own_time_and_its_jobs_not_beside(api):
    body = {"mode": "dedicated", "backend": "cold_eagle"}
    id = api.ask("POST", "/v1/sessions", json=body).json()["id"]
    api.end(api.submit(backend="cold_eagle", session_id=id), JobState.COMPLETED, result=b"{}", usage_s=3.0)
    session = api.store.session(id)
    closed = replace(session, state=SessionState.CLOSED, closed=api.clock(), usage_s=60.0)
    assert api.store.update_session(closed, expect=session.state, now=api.clock())
    figures = ask(api)
    assert (figures["usage"], figures["jobs"], figures["individual_jobs"]) == (60_000, 1, 0)
    assert (figures["dedicated_sessions"], figures["dedicated_sessions_usage"]) == (1, 60_000)
    assert (figures["batch_sessions"], figures["sessions_usage"]) == (0, 60_000)


def test_what_deleted_jobs_have_used_stays(busy):
    before = {path: ask(busy, query, path) for path, query in FIGURES.items()}
    for job in busy.get("/v1/jobs").json()["jobs"]:
        assert busy.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    assert {path: ask(busy, query, path) for path, query in FIGURES.items()} == before


FIGURES = {"usage": "", "usage_grouped": "?group_by=user_id", "filters": ""}


def test_job_of_a_batch_that_was_deleted_is_not_counted_beside_it(api):
    session = api.ask("POST", "/v1/sessions", json={"mode": "batch", "backend": "ideal"}).json()["id"]
    job = api.submit(session_id=session)
    api.end(job, JobState.COMPLETED, result=b"{}", usage_s=3.0)
    before = ask(api)
    assert api.ask("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert ask(api) == before
    assert (before["usage"], before["individual_jobs"], before["jobs"]) == (3000, 0, 1)


def test_analytics_are_of_ones_own_account(busy):
    assert busy.get("/v1/analytics/usage", key=busy.stranger, crn=None).json()["usage"] == 0


@pytest.mark.parametrize(
    "query",
    ["usage?subscription_id=x", "usage?interval_start=x", "usage_grouped?group_by=colour", "usage_grouped"],
)
def test_what_means_nothing_is_refused(api, query):
    assert api.get(f"/v1/analytics/{query}", crn=None).status_code == 400
