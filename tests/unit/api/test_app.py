"""The table of routes: all that current clients ask for is there, and nothing needs a redirect."""

from __future__ import annotations

import re

import pytest

# What qiskit-ibm-runtime 0.51 calls.
CALLED = """
GET /backends
GET /backends/ideal/configuration
GET /backends/ideal/properties
GET /backends/ideal/status
GET /instances/usage
POST /jobs
GET /jobs
GET /jobs/ID
DELETE /jobs/ID
POST /jobs/ID/cancel
GET /jobs/ID/results
GET /jobs/ID/logs
GET /jobs/ID/metrics
PUT /jobs/ID/tags
POST /sessions
GET /sessions/ID
PATCH /sessions/ID
DELETE /sessions/ID/close
GET /workloads
"""
KNOWN = (200, 204, 400)  # 400: the route is there, and wants a body
UNKNOWN_ID = (404, 1291), (404, 1209)


@pytest.mark.parametrize("base", ["/api/v1", "/v1", "/experimental"])
@pytest.mark.parametrize("line", CALLED.split("\n")[1:-1])
def test_every_route_of_current_clients_is_there(api, base, line):
    verb, path = line.split()
    answer = api.ask(verb, base + path.replace("ID", "a" * 20))
    code = answer.json()["errors"][0]["code"] if answer.status_code >= 400 else None
    assert answer.status_code in KNOWN or (answer.status_code, code) in UNKNOWN_ID


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/api/v1/jobs/", 404), ("PATCH", "/api/v1/jobs", 405)],
)
def test_unknown_route_is_refused_in_the_official_shape(api, verb, path, status):
    answer = api.ask(verb, path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, 4040)
    assert "location" not in answer.headers


def test_document_of_the_api_names_every_parameter_of_its_paths(api):
    document = api.get("/openapi.json").json()
    for path, verbs in document["paths"].items():
        for operation in verbs.values():
            told = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert told == set(re.findall(r"{(\w+)}", path)), path
    assert "/api/v1/jobs/{id}/interim_results" not in document["paths"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_pages_that_load_scripts_from_elsewhere_are_not_served(api, page):
    assert api.get(page).status_code == 404
