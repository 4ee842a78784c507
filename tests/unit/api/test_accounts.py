"""Instances, usage, workloads, tags and accounts over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coldplate.domain.job import JobState
from coldplate.domain.user import EVERYWHERE, Role


def error(answer) -> tuple[int, int]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_usage_has_whole_seconds_and_no_limit_that_does_not_exist(api):
    usage = api.get("/v1/instances/usage").json()
    assert (usage["usage_consumed_seconds"], usage["usage_limit_reached"]) == (0, False)
    assert type(usage["usage_consumed_seconds"]) is int
    assert "usage_limit_seconds" not in usage
    assert "usage_allocation_seconds" not in usage
    assert set(usage["usage_period"]) == {"start_time", "end_time"}


def test_usage_counts_what_jobs_were_charged_and_tells_the_limit(api):
    api.crn = api.crn.replace("lab", "shop")
    api.end(api.submit(), JobState.COMPLETED, result=b"{}", usage_s=7.9)
    usage = api.get("/v1/instances/usage").json()
    assert (usage["usage_consumed_seconds"], usage["usage_limit_seconds"]) == (7, 600)


def test_instance_and_its_limit(api):
    shop = api.crn.replace("lab", "shop")
    assert api.get("/v1/instance", crn=shop).json()["plan_id"] == "coldplate-plan-open"
    assert api.get("/v1/instances/configuration", crn=shop).json() == {
        "instance_limit": 600,
        "most_instance_limit": 600,
    }
    assert api.get("/v1/instances/configuration").json() == {"instance_limit": None}


def set_limit(api, limit_s, **more):
    return api.ask("PUT", "/v1/instances/configuration", json={"instance_limit": limit_s}, **more)


def test_limit_is_set_and_taken_away_by_managers_of_the_account(api):
    assert set_limit(api, 60).status_code == 204
    assert api.get("/v1/instances/configuration").json() == {"instance_limit": 60}
    assert set_limit(api, None).status_code == 204
    assert api.get("/v1/instances/configuration").json() == {"instance_limit": None}


def test_limit_is_not_set_by_managers_of_one_instance(api):
    (user,) = (user for user in api.store.users() if user.account == "local")
    api.store.set_role("local", user.name, api.crn, Role.MANAGER)
    api.store.set_role("local", user.name, EVERYWHERE, Role.READER)
    assert error(set_limit(api, 60)) == (403, 1200)


def test_limit_below_what_was_used_is_refused(api):
    api.end(api.submit(), JobState.COMPLETED, result=b"{}", usage_s=7.9)
    assert error(set_limit(api, 6)) == (409, 4050)
    assert set_limit(api, 7).status_code == 204


def cap(api, cap_s):
    api.store.replace_instance(replace(api.store.instance(api.crn), cap_s=cap_s))


def test_limit_is_set_within_the_cap_that_the_operator_has_given(api):
    cap(api, 60)
    assert error(set_limit(api, 61)) == (409, 4053)
    assert set_limit(api, 60).status_code == 204
    assert api.get("/v1/instances/configuration").json() == {"instance_limit": 60, "most_instance_limit": 60}


def test_cap_of_a_plan_counts_where_the_operator_has_given_none(api):
    shop = api.crn.replace("lab", "shop")
    assert error(set_limit(api, 601, crn=shop)) == (409, 4053)
    assert set_limit(api, 599, crn=shop).status_code == 204


def test_limit_that_is_taken_away_leaves_the_cap(api):
    set_limit(api, 600)
    cap(api, 60)  # lower than the limit that was given before
    for limit_s in (600, None):
        assert api.get("/v1/instances/usage").json()["usage_limit_seconds"] == 60, limit_s
        assert set_limit(api, None).status_code == 204


@pytest.mark.parametrize("limit_s", [0, -1, "much"])
def test_limit_that_cannot_be_is_refused(api, limit_s):
    assert set_limit(api, limit_s).status_code == 400


def test_plans_tell_what_they_allow(api):
    (plan,) = api.get("/v1/accounts/local?plan_id=coldplate-plan-open", crn=None).json()["plans"]
    assert (plan["max_ttl"], plan["interactive_ttl"], plan["usage_limit_seconds"]) == (600, 60, 600)
    assert (plan["usage_allocation_seconds"], plan["backends"]) == (0, None)


def test_account_is_ones_own(api):
    assert len(api.get("/v1/accounts/local", crn=None).json()["plans"]) == 2
    assert len(api.get("/v1/accounts/local?plan_id=coldplate-plan-open", crn=None).json()["plans"]) == 1
    assert error(api.get("/v1/accounts/other", crn=None)) == (403, 1200)


def test_tags_are_searched(api):
    api.submit(tags=["calibrated", "other"])
    assert api.get("/v1/tags?type=job&search=calib").json() == {"tags": ["calibrated"]}


@pytest.mark.parametrize("query", ["search=ab", "search=" + "a" * 101, "", "search=abc&type=backend"])
def test_search_term_has_3_to_100_characters(api, query):
    assert error(api.get(f"/v1/tags?{query}")) == (400, 1002)


# --- workloads ------------------------------------------------------------------------------------


def test_workloads_are_jobs_outside_sessions_and_sessions(api):
    job = api.submit()
    body = {"mode": "batch", "backend": "ideal"}
    batch = api.ask("POST", "/v1/sessions", json=body).json()["id"]
    api.submit(session_id=batch)
    page = api.get("/v1/workloads").json()
    assert {(w["id"], w["mode"]) for w in page["workloads"]} == {(job, "job"), (batch, "batch")}
    assert (page["total_count"], page["limit"]) == (2, 10)
    assert "next" not in page
    assert "previous" not in page


def test_workloads_are_paged_by_cursor(api):
    made = [api.submit(tags=[str(n)]) for n in range(5)]
    path, seen = "/v1/workloads?limit=2&mode=job", []
    while path:
        page = api.get(path).json()
        seen += [w["id"] for w in page["workloads"]]
        path = page.get("next", {}).get("href")
    assert seen == made
    before = api.get(page["previous"]["href"]).json()
    assert [w["id"] for w in before["workloads"]] == made[2:4]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sort=-createdAt", "ba"),
        ("status=canceled", "a"),
        ("status=pending&status=canceled", "ab"),
        ("mode=session", ""),
        ("search=need", "b"),
        ("tags=needle", "b"),
        ("backend=cold_eagle", ""),
        ("user=me", "ab"),
        ("user=eve", ""),
        ("created_before=2020-01-01T00:00:00Z", ""),
    ],
)
def test_workloads_are_filtered(api, query, found):
    made = {"a": api.submit(), "b": api.submit(tags=["needle"])}
    api.ask("POST", f"/v1/jobs/{made['a']}/cancel")
    ids = [w["id"] for w in api.get(f"/v1/workloads?{query}").json()["workloads"]]
    assert ids == [made[letter] for letter in found]


@pytest.mark.parametrize("query", ["next=x", "next=YXQ6LTE", "sort=up", "mode=all", "status=done", "limit=x"])
def test_workload_query_that_makes_no_sense_is_refused(api, query):
    assert error(api.get(f"/v1/workloads?{query}")) == (400, 1002)


# --- the rest -------------------------------------------------------------------------------------


def test_versions_need_no_credentials(api):
    assert api.client.get("/v1/versions").json()["versions"][0]["status"] == "live"


@pytest.mark.parametrize("path", ["jobs/x/interim_results", "jobs/x/transpiled_circuits"])
def test_what_is_published_but_not_offered_says_so(api, path):
    assert error(api.get(f"/v1/{path}")) == (404, 4040)
