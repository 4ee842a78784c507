"""Tokens, search, catalog and instances, as clients ask the cloud around the runtime."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

FORM = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "response_type": "cloud_iam"}
QUERY = {"query": "service_name:quantum-computing", "fields": ["crn", "name", "doc", "tags"]}


def token(api) -> dict:
    return api.client.post("/identity/token", data=FORM | {"apikey": api.key}).json()


def test_token_is_a_jwt_with_its_times(api):
    told = token(api)
    payload = told["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == told["expires_in"] == api.settings.token_ttl_s
    assert (told["token_type"], told["refresh_token"]) == ("Bearer", "not_supported")


def test_token_opens_the_runtime(api):
    headers = {"Authorization": f"Bearer {token(api)['access_token']}", "Service-CRN": api.crn}
    assert api.client.get("/v1/jobs", headers=headers).status_code == 200


def test_token_is_kept_by_no_cache(api):
    answer = api.client.post("/identity/token", data=FORM | {"apikey": api.key})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("key", ["wrong", "cp_" + "a" * 43, "é", "a" * 10_000, "\0"])
def test_unknown_key_is_refused_as_the_token_service_does(api, key):
    answer = api.client.post("/identity/token", data=FORM | {"apikey": key})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "BXNIM0415E")
    assert answer.json()["errors"][0]["code"] == 1201
    assert key == "é" or key not in answer.text


@pytest.mark.parametrize("body", [b"", b"\xff", b"apikey=a&apikey=b", b"a=b&" * 100, b"{}"])
def test_token_request_of_another_shape_is_refused(api, body):
    assert api.client.post("/identity/token", content=body).status_code == 400


@pytest.mark.parametrize("form", ["apikey=" + "a" * 70_000])
def test_long_token_request_is_refused(api, form):
    assert api.client.post("/identity/token", content=form).status_code == 413


@pytest.mark.parametrize("authorization", ["", "Bearer x.y.z", "apikey wrong", "Basic abc"])
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/jobs"),
        ("GET", "/v1/backends"),
        ("GET", "/v2/resource_instances"),
        ("POST", "/v3/resources/search"),
        ("GET", "/api/v1/coldplate-plan-premium"),
        ("GET", "/v1/accounts/local"),
    ],
)
def test_nothing_is_told_without_credentials(api, authorization, verb, path):
    answer = api.client.request(verb, path, headers={"Authorization": authorization, "Service-CRN": api.crn})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, 1201)


@pytest.mark.parametrize(
    ("crn", "status", "code"),
    [
        (None, 400, 1241),
        ("crn:short", 400, 1241),
        ("crn:v1:coldplate:public:quantum-computing:us-east:a/local:none::", 404, 1279),
        ("crn:v1:coldplate:public:quantum-computing:us-east:a/other:lab::", 404, 1279),
    ],
)
def test_instance_has_to_be_the_askers_own(api, crn, status, code):
    answer = api.get("/v1/jobs", crn=crn)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def search(api, limit: int = 100, **fields):
    return api.ask("POST", f"/v3/resources/search?limit={limit}", crn=None, json=QUERY | fields)


def test_search_finds_the_accounts_instances_and_ends(api):
    page = search(api).json()
    assert sorted(item["name"] for item in page["items"]) == ["lab", "shop"]
    assert all(item["doc"]["extensions"] and item["crn"].startswith("crn:") for item in page["items"])
    assert "search_cursor" not in page


def test_search_goes_on_at_its_cursor(api):
    first = search(api, 1).json()
    second = search(api, 1, search_cursor=first["search_cursor"]).json()
    assert {first["items"][0]["name"], second["items"][0]["name"]} == {"lab", "shop"}
    assert "search_cursor" not in second


@pytest.mark.parametrize("fields", [{"search_cursor": "x"}, {"query": "service_name:kms"}, {"query": 3}])
def test_search_for_anything_else_is_refused(api, fields):
    assert search(api, **fields).status_code == 400


def test_catalog_tells_plan_and_pricing_of_every_found_instance(api):
    for item in search(api).json()["items"]:
        plan = api.get(f"/api/v1/{item['service_plan_unique_id']}", crn=None).json()
        assert plan["overview_ui"]["en"]["display_name"].lower() in ("premium", "open")
        assert plan["metadata"]["pricing"]["type"] in ("free", "trial")


def test_plan_that_nobody_has_is_not_found(api):
    assert api.get("/api/v1/coldplate-plan-none", crn=None).status_code == 404
    assert api.get("/api/v1/none", crn=None).status_code == 404


def test_resources_are_the_accounts_instances(api):
    assert api.get("/v2/resource_instances", crn=None).json()["rows_count"] == 2
    (found,) = api.get("/v2/resource_instances?name=shop", crn=None).json()["resources"]
    assert found["name"] == "shop"


@pytest.mark.parametrize("safe", ["", ":/"], ids=["encoded", "plain"])
def test_one_resource_is_found_by_its_crn(api, safe):
    assert api.get(f"/v2/resource_instances/{quote(api.crn, safe=safe)}", crn=None).json()["name"] == "lab"
    elsewhere = api.crn.replace("local", "other")
    assert api.get(f"/v2/resource_instances/{quote(elsewhere, safe=safe)}", crn=None).status_code == 404
