"""What the API tells of the future."""

from __future__ import annotations


def test_queued_job_is_told_why_it_waits_where_it_stands_and_when_it_may_start(api):
    first, second = api.submit(), api.submit()
    told = api.get(f"/v1/jobs/{second}/why").json()
    assert told["reason"].startswith("Second in instance `lab` on ideal; ")
    assert told["position_in_queue"] == 2
    metrics = api.get(f"/v1/jobs/{second}/metrics").json()
    assert (metrics["position_in_queue"], metrics["reason"]) == (2, told["reason"])
    created = api.get(f"/v1/jobs/{first}/metrics").json()["timestamps"]["created"]
    assert created < metrics["estimated_start_time"] < metrics["estimated_completion_time"]


def test_job_that_has_ended_has_no_place_in_the_queue(api):
    id = api.submit()
    api.ask("POST", f"/v1/jobs/{id}/cancel")
    assert api.get(f"/v1/jobs/{id}/why").json() == {"reason": "The job has ended: Cancelled."}
    assert "position_in_queue" not in api.get(f"/v1/jobs/{id}/metrics").json()


def test_job_on_a_paused_backend_is_told_why_but_not_when(api):
    api.store.set_status("ideal", "paused", "new fridge")
    id = api.submit()
    assert api.get(f"/v1/jobs/{id}/why").json() == {
        "reason": "First in instance `lab` on ideal; the backend is paused (new fridge)."
    }


def test_why_is_for_the_jobs_of_ones_own_instance(api):
    id = api.submit()
    assert api.get(f"/v1/jobs/{id}/why", key=api.stranger).status_code == 404
    assert api.get("/v1/jobs/never/why").status_code == 404


def test_waits_are_told_on_request(api):
    plain = api.get("/v1/backends").json()["devices"]
    assert all("wait_time_seconds" not in device for device in plain)
    devices = api.get("/v1/backends?fields=wait_time_seconds").json()["devices"]
    waits = {device["name"]: device.get("wait_time_seconds") for device in devices}
    assert waits["ideal"] == {"average": 0.0, "p50": 0.0, "p95": 0.0}


def test_unknown_field_is_refused(api):
    assert api.get("/v1/backends?fields=colour").status_code == 400
