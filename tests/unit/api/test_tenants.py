"""What belongs to another tenant is as unknown as what never was: same status, same words (I12)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from coldplate.domain.instance import make_crn
from coldplate.domain.user import EVERYWHERE, Role, User
from coldplate.ids import new_id

LAB, SHOP, ELSEWHERE = make_crn("local", "lab"), make_crn("local", "shop"), make_crn("other", "lab")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
BODIES = {"tags": b'{"tags":["t"]}', "change": b'{"accepting_jobs":false}'}
VERBS = {
    "read job": ("GET", "/v1/jobs/{job}", None),
    "read job without params": ("GET", "/v1/jobs/{job}?exclude_params=true", None),
    "read results": ("GET", "/v1/jobs/{job}/results", None),
    "read log": ("GET", "/v1/jobs/{job}/logs", None),
    "read metrics": ("GET", "/v1/jobs/{job}/metrics", None),
    "cancel job": ("POST", "/v1/jobs/{job}/cancel", None),
    "delete job": ("DELETE", "/v1/jobs/{job}", None),
    "set tags": ("PUT", "/v1/jobs/{job}/tags", BODIES["tags"]),
    "read session": ("GET", "/v1/sessions/{session}", None),
    "close session": ("PATCH", "/v1/sessions/{session}", BODIES["change"]),
    "cancel session": ("DELETE", "/v1/sessions/{session}/close", None),
}
WRITES = [verb for verb, (method, *_) in VERBS.items() if method != "GET"]


@pytest.fixture
def tenants(api):
    """Keys of users of three tenants: of another account, of another instance, and without any role."""
    auth = api.service._auth
    for name, roles in (("bob", {SHOP: Role.MANAGER}), ("cid", {}), ("dee", {LAB: Role.READER})):
        api.store.add_user(User(name, "local", NOW, roles=roles))
    keys = {name: auth.issue_key(name, "local", "k") for name in ("bob", "cid", "dee")}
    return {"eve": (api.stranger, ELSEWHERE), "bob": (keys["bob"], SHOP)} | {
        name: (keys[name], LAB) for name in ("cid", "dee")
    }


@pytest.fixture
def mine(api):
    """A job and a session of `ada`, in the instance `lab`."""
    session = api.ask("POST", "/v1/sessions", content=b'{"mode":"batch","backend":"ideal"}').json()["id"]
    return {"job": api.submit(tags=["secret"]), "session": session}


def told(answer, *, names) -> tuple:
    """What an answer says, but for the id that was asked about and the trace."""
    body = answer.text
    for name in names.values():
        body = body.replace(name, "ID")
    if answer.headers.get("content-type") == "application/json" and "trace" in answer.json():
        body = body.replace(answer.json()["trace"], "TRACE")
    headers = {k: v for k, v in answer.headers.items() if k not in ("date", "content-length")}
    return answer.status_code, body, headers


@pytest.mark.parametrize(("tenant", "verb"), [*itertools.product(["eve", "bob"], VERBS)])
def test_foreign_is_as_unknown_as_what_never_was(api, tenants, mine, tenant, verb):
    key, crn = tenants[tenant]
    method, path, body = VERBS[verb]
    never = {"job": new_id(), "session": new_id()}
    answers = [
        told(api.ask(method, path.format(**names), key=key, crn=crn, content=body), names=names)
        for names in (mine, never)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert api.store.job(mine["job"]).tags == ("secret",)
    assert not api.store.job(mine["job"]).state.final


@pytest.mark.parametrize(("tenant", "verb"), [*itertools.product(["eve", "bob", "cid"], VERBS)])
def test_instance_in_which_one_has_no_role_is_as_unknown_as_what_never_was(api, tenants, mine, tenant, verb):
    key, _ = tenants[tenant]
    method, path, body = VERBS[verb]
    never = LAB.replace(":lab:", ":never:")
    answers = [
        told(api.ask(method, path.format(**mine), key=key, crn=crn, content=body), names=mine | {"crn": crn})
        for crn in (LAB, never)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize("id", ["x", "a" * 200, "%2e%2e%2fetc%2fpasswd", "A" * 20, "'; DROP TABLE job; --"])
@pytest.mark.parametrize("verb", VERBS)
def test_malformed_ids_are_unknown(api, mine, verb, id):
    method, path, body = VERBS[verb]
    answer = api.ask(method, path.format(job=id, session=id), content=body)
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize("verb", WRITES)
def test_reader_is_refused_what_changes_something(api, tenants, mine, verb):
    key, crn = tenants["dee"]
    method, path, body = VERBS[verb]
    answer = api.ask(method, path.format(**mine), key=key, crn=crn, content=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 1200)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/workloads", "/v1/tags?search=secret"])
def test_lists_show_nothing_of_others(api, tenants, mine, path):
    for tenant in ("eve", "bob"):
        key, crn = tenants[tenant]
        text = api.get(path, key=key, crn=crn).text
        assert not any(hidden in text for hidden in (*mine.values(), '"secret"'))
    key, crn = tenants["dee"]
    assert "secret" in api.get(path, key=key, crn=crn).text


def test_search_shows_only_instances_in_which_one_has_a_role(api, tenants):
    def names(key):
        items = api.ask("POST", "/v3/resources/search", crn=None, key=key, json={}).json()["items"]
        return {item["name"] for item in items}

    assert names(tenants["bob"][0]) == {"shop"}
    assert names(tenants["cid"][0]) == set()
    api.store.add_user(User("fay", "local", NOW, roles={EVERYWHERE: Role.READER}))
    assert names(api.service._auth.issue_key("fay", "local", "k")) == {"lab", "shop"}


def test_session_of_another_tenant_takes_no_job(api, tenants, mine):
    key, crn = tenants["bob"]
    body = {"program_id": "sampler", "backend": "ideal", "params": {"pubs": [], "version": 2}}
    answers = [
        api.ask("POST", "/v1/jobs", key=key, crn=crn, json=body | {"session_id": id})
        for id in (mine["session"], new_id())
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert not api.store.has_jobs(mine["session"], "Queued")
