from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from coldplate.workers import kept
from coldplate.workers.kept import HEAD, MAX_OFFERS, JobCache, Kept, digest, file_for_offers, records

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs memory files")
ADA, BOB = ("ada", "emu"), ("bob", "emu")


@pytest.fixture
def offers():
    """Makes files for offers, and closes them."""
    files = []

    def make() -> int:
        files.append(file_for_offers())
        return files[-1]

    yield make
    for file in files:
        os.close(file)


def job(store: Kept, whose, file: int) -> JobCache:
    """A job's cache, as its process would have it."""
    return JobCache(store.lend(whose), file)


def leave(store: Kept, whose, file: int, **values: bytes) -> None:
    cache = job(store, whose, file)
    for key, value in values.items():
        cache.offer(key.encode(), value)
    store.take(whose, file)


def test_what_a_job_offers_is_found_by_the_next_of_its_owner_and_by_nobody_else(offers):
    store = Kept()
    leave(store, ADA, offers(), a=b"one", b=b"two" * 1000)
    found = job(store, ADA, offers())
    assert (found.get(b"a"), found.get(b"b"), found.get(b"c")) == (b"one", b"two" * 1000, None)
    assert job(store, BOB, offers()).get(b"a") is None


def test_a_job_does_not_find_its_own_offers(offers):
    cache = JobCache(None, offers())
    cache.offer(b"a", b"one")
    assert cache.get(b"a") is None


def test_newer_offers_come_first_and_older_ones_stay(offers):
    store = Kept()
    leave(store, ADA, offers(), a=b"old", b=b"kept")
    leave(store, ADA, offers(), a=b"new")
    found = job(store, ADA, offers())
    assert (found.get(b"a"), found.get(b"b")) == (b"new", b"kept")


def test_the_oldest_values_of_an_owner_go_when_its_share_is_full(offers):
    store = Kept(room=4 * (HEAD.size + 10) * 2)  # two values
    for key in ("a", "b", "c"):
        leave(store, ADA, offers(), **{key: b"0123456789"})
    found = job(store, ADA, offers())
    assert [key for key in (b"a", b"b", b"c") if found.get(key)] == [b"b", b"c"]


def test_the_owner_who_was_here_longest_ago_goes_when_all_is_full(offers):
    store = Kept(room=4 * (HEAD.size + 10))  # four values
    for owner in "abcd":
        leave(store, (owner,), offers(), x=b"0123456789")
    store.lend(("a",))
    leave(store, ("e",), offers(), x=b"0123456789")
    assert [owner for owner in "abcde" if store.lend((owner,)) is not None] == ["a", "c", "d", "e"]


def test_only_so_many_owners_are_remembered(offers, monkeypatch):
    monkeypatch.setattr(kept, "MAX_FILES", 2)
    store = Kept()
    for owner in "abc":
        leave(store, (owner,), offers(), x=b"value")
    assert [owner for owner in "abc" if store.lend((owner,)) is not None] == ["b", "c"]


def test_without_room_nothing_is_kept(offers):
    store = Kept(room=0)
    leave(store, ADA, offers(), a=b"one")
    assert store.lend(ADA) is None


def test_too_large_and_empty_offers_are_dropped_and_others_taken(offers):
    store = Kept()
    leave(store, ADA, offers(), a=b"x" * MAX_OFFERS, b=b"", c=b"small")
    found = job(store, ADA, offers())
    assert (found.get(b"a"), found.get(b"b"), found.get(b"c")) == (None, None, b"small")


def test_a_lent_file_can_not_be_changed_and_an_offers_file_can_not_grow(offers):
    store, file = Kept(), offers()
    leave(store, ADA, file, a=b"one")
    lent = store.lend(ADA)
    for change in (
        lambda: os.pwrite(lent, b"poison", 0),
        lambda: os.ftruncate(lent, 0),
        lambda: os.pwrite(os.open(f"/proc/self/fd/{lent}", os.O_RDWR), b"poison", 0),
        lambda: os.ftruncate(file, MAX_OFFERS + 1),
        lambda: os.pwrite(file, b"more", MAX_OFFERS),
    ):
        with pytest.raises(PermissionError):
            change()
    assert job(store, ADA, offers()).get(b"a") == b"one"


def test_a_file_that_was_replaced_is_still_whole_for_the_job_that_has_it(offers):
    store = Kept()
    leave(store, ADA, offers(), a=b"one")
    slow = JobCache(os.dup(store.lend(ADA)), offers())
    leave(store, ADA, offers(), a=b"two")
    assert slow.get(b"a") == b"one"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD.pack(digest(b"a"), 2**63), id="far-too-long"),
        pytest.param(HEAD.pack(digest(b"a"), MAX_OFFERS), id="longer-than-the-file"),
        pytest.param(HEAD.pack(digest(b"a"), 0), id="empty"),
        pytest.param(os.urandom(HEAD.size), id="noise"),
    ],
)
def test_a_damaged_offer_ends_the_list_and_harms_nothing(offers, head):
    store, file = Kept(), offers()
    cache = JobCache(None, file)
    cache.offer(b"good", b"value")
    os.pwrite(file, head, HEAD.size + 5)
    store.take(ADA, file)
    found = job(store, ADA, offers())
    assert (found.get(b"good"), found.get(b"a")) == (b"value", None)


def test_no_descriptors_are_left(offers):
    store = Kept(room=4 * (HEAD.size + 10) * 2)
    files = [offers() for _ in range(20)]
    leave(store, ADA, files[0], a=b"value")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number, file in enumerate(files[1:]):
        leave(store, ADA, file, **{f"k{number}": b"value"})
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_records_of_an_empty_file_are_none(offers):
    assert list(records(offers(), MAX_OFFERS)) == []
