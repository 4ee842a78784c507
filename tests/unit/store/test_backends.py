"""Backends in the store, and their calibrations by date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coldplate.domain.backend import BackendRecord
from coldplate.store.store import Store

EIGHT, NINE = datetime(2026, 11, 24, 8, tzinfo=UTC), datetime(2026, 11, 24, 9, tzinfo=UTC)


def calibrated(at, **more):
    return {"last_update_date": at.isoformat(), **more}


HERON = BackendRecord("heron", {"n_qubits": 133}, calibrated(EIGHT, t1=1.5), lanes=2, listing={"clops": 1})
IDEAL = BackendRecord("ideal", {"n_qubits": 30}, None, simulator=True)


def test_backends_come_back_in_the_order_of_the_catalog(store, now):
    store.put_backends([IDEAL, HERON], now)
    assert store.backends() == [IDEAL, HERON]
    assert store.backend("heron") == HERON
    assert store.backend("eagle") is None


def test_new_set_replaces_the_old_one(url, store, now):
    store.put_backends([IDEAL, HERON], now)
    other = Store(url)
    assert other.backends() == [IDEAL, HERON]
    paused = replace(HERON, status="paused")
    store.put_backends([paused], now)
    assert store.backends() == other.backends() == [paused]
    assert store.backend("ideal") is other.backend("ideal") is None
    store.put_backends([], now)
    assert store.backends() == []
    other.close()


def test_unchanged_backends_are_read_once(store, now):
    store.put_backends([HERON], now)
    assert store.backends()[0] is store.backends()[0] is store.backend("heron")


@pytest.mark.parametrize(
    ("when", "t1"),
    [
        (None, 2.5),
        (NINE + timedelta(microseconds=1), 2.5),
        pytest.param(NINE, 1.5, id="strictly older"),
        (EIGHT + timedelta(minutes=1), 1.5),
        pytest.param(EIGHT, 1.5, id="before the first: the first"),
        (EIGHT - timedelta(days=9), 1.5),
    ],
)
def test_properties_are_the_newest_strictly_before_a_moment(store, now, when, t1):
    store.put_backends([HERON], now)
    store.put_backends([replace(HERON, properties=calibrated(NINE, t1=2.5))], now)
    store.put_backends([replace(HERON, properties=calibrated(NINE, t1=2.5))], now)
    assert store.properties_before("heron", when)["t1"] == t1


def test_simulators_have_no_properties(store, now):
    store.put_backends([IDEAL], now)
    assert store.properties_before("ideal", None) is None
    assert store.properties_before("nothing", now) is None


def test_date_with_an_offset_is_understood(store, now):
    record = replace(HERON, properties={"last_update_date": "2026-11-24T03:00:00-05:00", "t1": 1})
    store.put_backends([record], now)
    store.put_backends([replace(HERON, properties=calibrated(NINE, t1=2))], now)
    assert store.properties_before("heron", EIGHT + timedelta(seconds=1))["t1"] == 1


def test_properties_without_a_date_are_of_the_day_they_were_put(store):
    store.put_backends([replace(HERON, properties={"t1": 1})], EIGHT)
    store.put_backends([replace(HERON, properties={"t1": 2})], NINE)
    assert store.properties_before("heron", NINE)["t1"] == 1
