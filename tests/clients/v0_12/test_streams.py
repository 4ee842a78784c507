"""The client of 2023 over https: results come over a websocket, whichever version of it reads them."""

from __future__ import annotations

import pytest


def test_client_works_over_https(streaming):
    assert streaming.call("account.instances")["instances"] == ["local/premium/default"]


def test_callback_gets_the_result(streaming):
    told = streaming.call("jobs.follow")
    assert told["told"] == [[told["id"], ["00", "11"]]]


@pytest.mark.slow
def test_callback_of_the_cloud_channel_gets_the_result(streaming_cloud):
    assert streaming_cloud.call("account.instances")["channel"] == "ibm_cloud"
    told = streaming_cloud.call("jobs.follow")
    assert told["told"] == [[told["id"], ["00", "11"]]]


@pytest.mark.slow
def test_callback_gets_the_progress_of_pec(streaming):
    told = streaming.call("physics.followed")
    assert told["told"][:-1] == told["interim"]
    assert "unique_layers_detected" in told["told"][0]
    assert "values" in told["told"][-1]


@pytest.mark.slow
def test_newest_websocket_client_gets_the_result_too(streaming_newest):
    told = streaming_newest.call("jobs.follow")
    assert [told["id"], ["00", "11"]] in told["told"]


def test_polling_address_keeps_the_newest_from_streaming(not_streaming):
    told = not_streaming.call("jobs.follow", patience=0.5)
    assert told["told"] == []


@pytest.mark.parametrize("client", ["streaming", "not_streaming"])
def test_cancel_ends_the_stream(client, request):
    told = request.getfixturevalue(client).call("jobs.cancelled_while_followed")
    assert told == {"status": "CANCELLED", "told": []}


def test_failed_job_ends_the_stream(streaming):
    told = streaming.call("jobs.failed")
    assert told["status"] == "ERROR"


def test_callback_gets_the_result_through_a_proxy(proxied):
    told = proxied.call("jobs.follow")
    assert told["told"] == [[told["id"], ["00", "11"]]]


@pytest.mark.slow
@pytest.mark.parametrize("client", ["proxied", "proxied_newest"])
def test_streams_end_through_a_proxy_as_they_do_without(client, request):
    process = request.getfixturevalue(client)
    assert process.call("account.instances")["instances"] == ["local/premium/default"]
    told = process.call("jobs.follow")
    assert [told["id"], ["00", "11"]] in told["told"]
    assert process.call("jobs.cancelled_while_followed") == {"status": "CANCELLED", "told": []}
    assert process.call("jobs.failed")["status"] == "ERROR"
